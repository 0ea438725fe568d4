#include "proxy/attest/caller.h"

#include <algorithm>
#include <utility>

namespace mandated::attest {

Task<std::unique_ptr<Caller>> Caller::identify(net::Stream& stream, Attestor& attestor,
                                               Clock& clock) {
  const std::optional<net::PeerCredentials> peer = stream.credentials();
  if (!peer) co_return nullptr;
  std::optional<Process> held =
      Process::hold(peer->process, net::Descriptor(stream.open_peer_process()));
  if (!held) co_return nullptr;
  std::unique_ptr<Caller> caller(new Caller(stream, attestor, clock, std::move(*held)));
  caller->image_ = caller->process_.image();
  caller->instance_ = co_await attestor.attest(caller->process_, *peer, clock);
  co_return caller;
}

Task<Result<identity::InstancePtr>> Caller::now() {
  Result<void> certain = co_await check();
  if (!certain) co_return tl::unexpected(std::move(certain).error());
  co_return instance_;
}

Task<Result<void>> Caller::check() {
  if (stream_.has_foreign_writer()) {
    co_return fail(Code::kPeerIdentity, Side::kDownstream,
                   "another process wrote to the connection than the one that opened it");
  }
  if (!image_) {
    if (process_.is_alive()) co_return Result<void>();
    co_return fail(Code::kPeerIdentity, Side::kDownstream,
                   "the process that opened the connection has ended");
  }
  const std::optional<Image> current = process_.current_image();
  if (current == image_) co_return Result<void>();
  // The same file with another time of change was moved, or deleted by an update, or written to.
  if (current && current->device == image_->device && current->inode == image_->inode) {
    const std::string hash = co_await attestor_.hash(process_, *current, clock_);
    if (!hash.empty() && hash == instance_->executable_sha256) {
      image_ = current;
      co_return Result<void>();
    }
  }
  co_return fail(Code::kPeerIdentity, Side::kDownstream,
                 current ? "the process that opened the connection has become another program"
                         : "the process that opened the connection has ended");
}

bool is_among(const std::vector<config::AllowedCaller>& allowed,
              const identity::Instance* instance) {
  if (instance == nullptr) return false;
  return std::any_of(allowed.begin(), allowed.end(), [&](const config::AllowedCaller& each) {
    return std::all_of(each.begin(), each.end(), [&](const auto& wanted) {
      const auto found = instance->selectors.find(wanted.first);
      return found != instance->selectors.end() && found->second == wanted.second;
    });
  });
}

}  // namespace mandated::attest
