#include "proxy/workload_api/grpc_frames.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace mandated::workload_api {

namespace {

constexpr std::size_t kPrefix = 5;  // one byte of flags, four of length
constexpr std::size_t kMessageShownMax = 512;

// By number, from OK to UNAUTHENTICATED.
struct Status {
  std::string_view name;
  Code code;
};
constexpr std::array<Status, 17> kStatuses{{{"OK", Code::kInternal},
                                            {"CANCELLED", Code::kEnd},
                                            {"UNKNOWN", Code::kUnavailable},
                                            {"INVALID_ARGUMENT", Code::kInternal},
                                            {"DEADLINE_EXCEEDED", Code::kTimeout},
                                            {"NOT_FOUND", Code::kUnavailable},
                                            {"ALREADY_EXISTS", Code::kUnavailable},
                                            {"PERMISSION_DENIED", Code::kDenied},
                                            {"RESOURCE_EXHAUSTED", Code::kOverloaded},
                                            {"FAILED_PRECONDITION", Code::kUnavailable},
                                            {"ABORTED", Code::kUnavailable},
                                            {"OUT_OF_RANGE", Code::kUnavailable},
                                            {"UNIMPLEMENTED", Code::kUnsupported},
                                            {"INTERNAL", Code::kUnavailable},
                                            {"UNAVAILABLE", Code::kUnavailable},
                                            {"DATA_LOSS", Code::kUnavailable},
                                            {"UNAUTHENTICATED", Code::kDenied}}};

/// The agent's words, percent-decoded; what cannot be shown becomes a question mark.
std::string shown(std::string_view encoded) {
  std::string text;
  for (std::size_t i = 0; i < encoded.size() && text.size() < kMessageShownMax; ++i) {
    unsigned value = static_cast<unsigned char>(encoded[i]);
    if (value == '%' && i + 2 < encoded.size()) {
      const char* const digits = encoded.data() + i + 1;
      const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
      if (error == std::errc() && end == digits + 2) {
        i += 2;
      } else {
        value = '%';
      }
    }
    text += value >= 0x20 && value < 0x7f ? static_cast<char>(value) : '?';
  }
  return text;
}

}  // namespace

std::string frame_message(std::string_view message) {
  std::string framed(1, '\0');
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    framed += static_cast<char>(message.size() >> shift & 0xffU);
  }
  framed += message;
  return framed;
}

void MessageReader::add(std::string_view piece) { append_secret(held_, piece); }

Result<std::optional<Secret>> MessageReader::next() {
  if (held_.size() < kPrefix) return std::nullopt;
  if (held_[0] == '\1') {
    return fail(Code::kUnsupported, Side::kUpstream,
                "a compressed message, which nobody asked for");
  }
  if (held_[0] != '\0') return fail(Code::kMalformed, Side::kUpstream, "a message with odd flags");
  std::size_t size = 0;
  for (std::size_t i = 1; i < kPrefix; ++i) {
    size = size << 8U | static_cast<std::uint8_t>(held_[i]);
  }
  if (size > message_bytes_max_) {
    return fail(Code::kTooLarge, Side::kUpstream,
                "a message of " + std::to_string(size) + " bytes; at most " +
                    std::to_string(message_bytes_max_) + " are taken");
  }
  if (held_.size() - kPrefix < size) return std::nullopt;
  Secret message(held_.substr(kPrefix, size));
  std::string rest = held_.substr(kPrefix + size);
  wipe(held_);
  held_ = std::move(rest);
  return message;
}

Result<void> read_status(const http::Fields& trailers) {
  const std::optional<std::string_view> given = trailers.single("grpc-status");
  if (!given) {
    return fail(Code::kMalformed, Side::kUpstream,
                "the agent ended the call without a grpc-status");
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), number);
  if (error != std::errc() || end != given->data() + given->size() || number >= kStatuses.size()) {
    return fail(Code::kMalformed, Side::kUpstream,
                "the agent ended the call with a grpc-status "
                "that is none");
  }
  if (number == 0) return {};
  std::string text = "the agent answers " + std::string(kStatuses[number].name);
  const std::optional<std::string_view> words = trailers.single("grpc-message");
  if (words && !words->empty()) text += ": " + shown(*words);
  return fail(kStatuses[number].code, Side::kUpstream, std::move(text));
}

}  // namespace mandated::workload_api
