#include "proxy/http/body_writer.h"

#include <array>
#include <charconv>

#include "proxy/http/field_rules.h"

namespace mandated::http {

namespace {

void append_hexadecimal(std::string& out, std::uint64_t number) {
  std::array<char, 16> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  MANDATED_ASSERT(error == std::errc());
  out.append(digits.data(), end);
}

}  // namespace

BodyWriter BodyWriter::discarding() {
  BodyWriter writer;
  writer.discard_ = true;
  return writer;
}

Result<void> BodyWriter::append(std::string& out, std::string_view data, bool end) {
  if (ended_) return fail(Code::kInternal, "a body was continued after its end");
  ended_ = end;
  if (discard_) return {};
  switch (framing_) {
    case Framing::kNone:
    case Framing::kLength:
      if (data.size() > left_ || (end && data.size() < left_)) {
        return fail(Code::kInternal, "a body that is not as long as its head said");
      }
      left_ -= data.size();
      out += data;
      return {};
    case Framing::kUntilClose:
      out += data;
      return {};
    case Framing::kChunked:
      if (!data.empty()) {  // an empty chunk would be the last one
        append_hexadecimal(out, data.size());
        out.append("\r\n").append(data).append("\r\n");
      }
      if (end) out += "0\r\n\r\n";
      return {};
  }
  return {};
}

std::optional<std::uint64_t> announced_length(const Fields& fields) {
  const std::optional<std::string_view> value = fields.single("content-length");
  return value ? parse_content_length(*value) : std::nullopt;
}

}  // namespace mandated::http
