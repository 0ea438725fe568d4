#include "proxy/protocol/sse.h"

#include <algorithm>
#include <utility>

namespace mandated::protocol {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

void append_field(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\n");
}

}  // namespace

Result<void> SseParser::feed(std::string_view bytes, std::vector<SseEvent>& events) {
  for (const char c : bytes) {
    if (std::exchange(after_cr_, false) && c == '\n') continue;
    if (c == '\n' || c == '\r') {
      after_cr_ = c == '\r';
      CHECK(end_line(events));
      continue;
    }
    if (c == '\0') return fail(Code::kMalformed, Side::kUpstream, "a NUL byte in an event stream");
    if (line_.size() + event_bytes_ >= event_bytes_max_) {
      return fail(Code::kTooLarge, Side::kUpstream, "an event of the stream is too large");
    }
    line_ += c;
  }
  return {};
}

Result<void> SseParser::end_line(std::vector<SseEvent>& events) {
  std::string line = std::exchange(line_, {});
  if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark)) {
    line.erase(0, kByteOrderMark.size());
  }
  if (line.empty()) {
    if (started_) events.push_back(std::exchange(event_, {}));
    event_bytes_ = 0;
    has_data_ = false;
    started_ = false;
    return {};
  }
  event_bytes_ += line.size() + 1;
  if (line.front() == ':') return {};
  const auto colon = line.find(':');
  std::string_view name(line);
  std::string_view value;
  if (colon != std::string::npos) {
    value = name.substr(colon + 1);
    name = name.substr(0, colon);
    if (value.starts_with(' ')) value.remove_prefix(1);
  }
  return field(name, value);
}

Result<void> SseParser::field(std::string_view name, std::string_view value) {
  if (name == "data") {
    if (std::exchange(has_data_, true)) event_.data += '\n';
    event_.data += value;
  } else if (name == "event") {
    event_.type = value;
  } else if (name == "id") {
    event_.id = value;
  } else if (name == "retry") {
    const bool digits =
        !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) return {};  // the grammar has it ignored
    event_.retry = value;
  } else {
    return {};  // unknown fields are ignored, and not passed on
  }
  started_ = true;
  return {};
}

std::string write_sse(const SseEvent& event) {
  std::string out;
  if (!event.type.empty()) append_field("event", event.type, out);
  if (event.id) append_field("id", *event.id, out);
  if (event.retry) append_field("retry", *event.retry, out);
  std::string_view rest = event.data;
  while (true) {
    const auto end = rest.find('\n');
    append_field("data", rest.substr(0, end), out);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  out += '\n';
  return out;
}

namespace {

class ChangedEvents final : public http::Body {
 public:
  ChangedEvents(http::BodyPtr body, std::size_t event_bytes_max, ChangeData change)
      : body_(std::move(body)), parser_(event_bytes_max), change_(std::move(change)) {}

  Task<Result<std::string>> read() override {
    while (true) {
      CO_TRY(std::string piece, co_await body_->read());
      if (piece.empty()) {
        if (!parser_.inside_event()) co_return std::string();
        co_return fail(Code::kMalformed, Side::kUpstream, "the event stream was cut in an event");
      }
      std::vector<SseEvent> events;
      CO_CHECK(parser_.feed(piece, events));
      CO_TRY(std::string out, change(events));
      if (out.empty()) out = comments(piece);
      if (!out.empty()) co_return out;
    }
  }

 private:
  Result<std::string> change(std::vector<SseEvent>& events) {
    std::string out;
    for (SseEvent& event : events) {
      if (!event.data.empty()) {
        auto changed = change_(event.data);
        if (!changed) {
          return fail(Code::kProtocol, Side::kUpstream, std::move(changed.error().message));
        }
        event.data = std::move(*changed);
      }
      out += write_sse(event);
    }
    return out;
  }

  // A piece without an event may be a keep-alive, which is worth passing on at once.
  std::string comments(std::string_view piece) const {
    return piece.starts_with(':') && !parser_.inside_event() ? std::string(kSseKeepAlive)
                                                             : std::string();
  }

  http::BodyPtr body_;
  SseParser parser_;
  ChangeData change_;
};

}  // namespace

http::BodyPtr change_events(http::BodyPtr body, std::size_t event_bytes_max, ChangeData change) {
  return std::make_unique<ChangedEvents>(std::move(body), event_bytes_max, std::move(change));
}

}  // namespace mandated::protocol
