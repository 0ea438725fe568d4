// Which version a connection speaks where no ALPN said so: the first bytes tell.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "proxy/http/server.h"

namespace mandated::http {

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream of which some bytes were read already: they come first.
class PrefixedStream final : public net::Stream {
 public:
  PrefixedStream(net::Stream& stream, std::string prefix)
      : stream_(stream), prefix_(std::move(prefix)) {}

  Task<Result<std::size_t>> read_some(std::span<char> buffer) override {
    if (prefix_.empty()) return stream_.read_some(buffer);
    return read_prefix(buffer);
  }
  Task<Result<void>> write(std::string_view bytes) override { return stream_.write(bytes); }
  Task<Result<void>> shutdown() override { return stream_.shutdown(); }
  void set_deadline(Clock::Time deadline) override { stream_.set_deadline(deadline); }
  void close() override {
    prefix_.clear();
    stream_.close();
  }

 private:
  Task<Result<std::size_t>> read_prefix(std::span<char> buffer) {
    const std::size_t count = std::min(buffer.size(), prefix_.size());
    std::copy_n(prefix_.begin(), count, buffer.begin());
    prefix_.erase(0, count);
    co_return count;
  }

  net::Stream& stream_;
  std::string prefix_;
};

bool begins_like_preface(std::string_view bytes) {
  const std::size_t size = std::min(bytes.size(), kPreface.size());
  return bytes.substr(0, size) == kPreface.substr(0, size);
}

}  // namespace

Task<Result<void>> serve_cleartext(net::Stream& stream, const ServerLimits& limits, Clock& clock,
                                   Gate& drain, Handler& handler) {
  std::string bytes;
  std::string buffer(4096, '\0');
  // Who has said nothing yet has nothing to lose.
  std::optional<Gate::Registration> on_drain(std::in_place, drain, [&] {
    if (bytes.empty()) stream.close();
  });
  stream.set_deadline(clock.now() + limits.header_timeout);
  while (bytes.size() < kPreface.size() && begins_like_preface(bytes)) {
    Result<std::size_t> count = co_await stream.read_some(buffer);
    if (!count) {
      const bool ended_well = count.error().code == Code::kTimeout || drain.draining();
      if (bytes.empty() && ended_well) co_return Result<void>();
      co_return fail(count.error().code, Side::kDownstream, count.error().text);
    }
    if (*count == 0) break;
    bytes.append(buffer, 0, *count);
  }
  on_drain.reset();
  stream.set_deadline(Clock::Time::max());
  if (bytes.empty()) co_return Result<void>();
  const bool http2 = bytes.size() >= kPreface.size() && begins_like_preface(bytes);
  PrefixedStream prefixed(stream, std::move(bytes));
  if (http2) co_return co_await serve_http2(prefixed, limits, clock, drain, handler, "http");
  co_return co_await serve_http1(prefixed, limits, clock, drain, handler, "http");
}

}  // namespace mandated::http
