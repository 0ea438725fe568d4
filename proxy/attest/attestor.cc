#include "proxy/attest/attestor.h"

#include <linux/magic.h>
#include <openssl/sha.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <utility>
#include <vector>

#include "proxy/base/completion.h"

namespace mandated::attest {

namespace {

constexpr std::size_t kHashesMax = 1024;
constexpr std::size_t kQueueMax = 256;
// A file that changed this short a time ago can change again within the same tick of its clock.
constexpr Clock::Duration kSettled = std::chrono::seconds(2);

std::string hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xFU];
  }
  return text;
}

/// Whoever serves a FUSE file system can show us other bytes than it runs.
bool is_served_by_a_process(int file) {
  struct statfs status{};
  return ::fstatfs(file, &status) != 0 || status.f_type == FUSE_SUPER_MAGIC;
}

/// Empty where it cannot be read, or is no longer `image` before or after.
std::string hash_file(const net::Descriptor& file, const Image& image) {
  const auto unchanged = [&] {
    struct stat status{};
    return ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) &&
           image_of(status) == image;
  };
  if (!file || !unchanged() || image.size > Attestor::kExecutableMax ||
      is_served_by_a_process(file.get())) {
    return {};
  }
  SHA256_CTX sha;
  SHA256_Init(&sha);
  std::vector<char> piece(1U << 20U);
  std::int64_t left = image.size;
  while (left > 0) {
    const ssize_t size = ::read(file.get(), piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0 || size > left) return {};
    SHA256_Update(&sha, piece.data(), static_cast<std::size_t>(size));
    left -= size;
  }
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256_Final(digest.data(), &sha);
  return unchanged() ? hex(digest) : std::string();
}

void add_cgroup(const Cgroup& cgroup, identity::Instance& out) {
  if (!cgroup.path.empty()) out.selectors["unix:cgroup"] = cgroup.path;
  if (!cgroup.pod.empty()) out.selectors["k8s:pod-uid"] = cgroup.pod;
  if (cgroup.container.empty()) return;
  out.selectors["container:id"] = cgroup.container;
  if (cgroup.docker) out.selectors["docker:container-id"] = cgroup.container;
}

}  // namespace

struct Attestor::Job {
  net::Descriptor file;
  Image image;
  bool settled = false;
  std::string hash;  // read once the completion has come
  std::shared_ptr<Completion::Shared> waiter;
};

Attestor::Attestor() : thread_([this] { run(); }) {}

Attestor::~Attestor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::uint64_t Attestor::files_read() const {
  const std::lock_guard lock(mutex_);
  return files_read_;
}

Task<identity::InstancePtr> Attestor::attest(const Process& process,
                                             const net::PeerCredentials& peer, Clock& clock) {
  auto made = std::make_shared<identity::Instance>();
  made->process = process.id();
  made->start_time = process.start_time();
  made->executable = process.shown_path();
  made->selectors = {{"unix:uid", std::to_string(peer.user)},
                     {"unix:gid", std::to_string(peer.group)},
                     {"unix:pid", std::to_string(process.id())},
                     {"unix:start-time", std::to_string(process.start_time())}};
  if (const auto path = process.certain_path()) made->selectors["unix:path"] = *path;
  if (const auto cgroup = process.cgroup()) add_cgroup(*cgroup, *made);
  if (process.image()) {
    made->executable_sha256 = co_await hash(process, *process.image(), clock);
    if (!made->executable_sha256.empty()) made->selectors["unix:sha256"] = made->executable_sha256;
  }
  co_return identity::InstancePtr(std::move(made));
}

Task<std::string> Attestor::hash(const Process& process, Image image, Clock& clock) {
  const Executor executor = co_await boost::asio::this_coro::executor;
  Completion completion(executor);
  auto job = std::make_shared<Job>();
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = hashes_.find(image); known != hashes_.end()) co_return known->second;
    if (queue_.size() >= kQueueMax) co_return std::string();
    job->file = process.open_executable();
    if (!job->file) co_return std::string();
    job->image = image;
    const auto changed = Clock::WallTime(std::chrono::duration_cast<Clock::WallTime::duration>(
        std::chrono::nanoseconds(image.changed_ns)));
    job->settled = changed + kSettled < clock.wall();
    job->waiter = completion.shared();
    queue_.push_back(job);
  }
  wake_.notify_one();
  static_cast<void>(co_await completion.wait());
  co_return std::move(job->hash);
}

void Attestor::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const std::shared_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    // Meanwhile another job of the same file may have been done.
    if (const auto known = hashes_.find(job->image); known != hashes_.end()) {
      job->hash = known->second;
    } else {
      lock.unlock();
      job->hash = hash_file(job->file, job->image);
      lock.lock();
      ++files_read_;
      if (job->settled && !job->hash.empty()) {
        if (hashes_.size() >= kHashesMax) hashes_.clear();
        hashes_.emplace(job->image, job->hash);
      }
    }
    Completion::Shared::complete(job->waiter, {});
  }
}

}  // namespace mandated::attest
