// Server-sent events (WHATWG HTML section 9.2): a strict, bounded reader and a writer. Used on the
// way back from an upstream, where each event holds one JSON-RPC message, and by the stdio bridge.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/message.h"
#include "proxy/protocol/jsonrpc.h"

namespace mandated::protocol {

struct SseEvent {
  std::string type;               ///< field `event`; empty means "message"
  std::string data;               ///< lines joined by LF; empty for an event that only sets an id
  std::optional<std::string> id;  ///< only when this event sets it
  std::optional<std::string> retry;  ///< milliseconds, digits
  bool operator==(const SseEvent&) const = default;
};

/// Takes the stream in pieces of any size; gives the events that are complete. Any split of the
/// same bytes gives the same events.
class SseParser {
 public:
  explicit SseParser(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

  /// Appends to `events`. kTooLarge once an event or a line exceeds the limit, kMalformed for a NUL
  /// byte; the parser is of no use after an error.
  Result<void> feed(std::string_view bytes, std::vector<SseEvent>& events);
  /// True when an event has begun and is not complete: the stream was cut.
  bool inside_event() const { return started_ || !line_.empty(); }

 private:
  Result<void> end_line(std::vector<SseEvent>& events);
  Result<void> field(std::string_view name, std::string_view value);

  std::size_t event_bytes_max_;
  std::string line_;
  SseEvent event_;
  std::size_t event_bytes_ = 0;
  bool has_data_ = false;
  bool started_ = false;
  bool first_line_ = true;
  bool after_cr_ = false;
};

std::string write_sse(const SseEvent& event);
/// A comment, which clients ignore: keeps idle connections open.
inline constexpr std::string_view kSseKeepAlive = ":\n\n";

/// A body whose events' data pass through `change`; an event that cannot be read, or that `change`
/// rejects, ends the body with an error (the client sees the stream cut, never an unchecked event).
using ChangeData = std::function<Accepted<std::string>(std::string_view data)>;
http::BodyPtr change_events(http::BodyPtr body, std::size_t event_bytes_max, ChangeData change);

}  // namespace mandated::protocol
