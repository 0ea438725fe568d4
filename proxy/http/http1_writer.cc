#include "proxy/http/http1_writer.h"

#include <array>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <optional>

#include "proxy/http/field_rules.h"

namespace mandated::http {

namespace {

void append_decimal(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  MANDATED_ASSERT(error == std::errc());
  out.append(digits.data(), end);
}

void append_fields(std::string& out, const Fields& fields) {
  for (const Field& field : fields.all()) {
    if (is_connection_specific(field.name)) continue;
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
}

void append_length(std::string& out, std::uint64_t length) {
  out += "content-length: ";
  append_decimal(out, length);
  out += "\r\n";
}

void append_status_line(std::string& out, int status) {
  out += "HTTP/1.1 ";
  append_decimal(out, static_cast<std::uint64_t>(status));
  out += ' ';
  const boost::beast::http::status known =
      boost::beast::http::int_to_status(static_cast<unsigned>(status));
  if (known != boost::beast::http::status::unknown) {
    const auto reason = boost::beast::http::obsolete_reason(known);
    out.append(reason.data(), reason.size());
  }
  out += "\r\n";
}

/// Chooses the framing and appends its field.
BodyWriter announce(std::string& out, std::optional<std::uint64_t> length, bool chunks) {
  if (length) {
    append_length(out, *length);
    return BodyWriter(Framing::kLength, *length);
  }
  if (!chunks) return BodyWriter(Framing::kUntilClose, 0);
  out += "transfer-encoding: chunked\r\n";
  return BodyWriter(Framing::kChunked, 0);
}

}  // namespace

Result<BodyWriter> append_request_head(std::string& out, const RequestHead& head, bool end) {
  CHECK(check_outgoing(head));
  const std::optional<std::uint64_t> length = announced_length(head.fields);
  out.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\nhost: ");
  out.append(head.authority).append("\r\n");
  append_fields(out, head.fields);
  BodyWriter body;
  if (end) {
    // A method that is sent with a body has its absence announced (RFC 9110 section 8.6).
    if (head.method != "GET" && head.method != "HEAD" && head.method != "OPTIONS" &&
        head.method != "DELETE") {
      append_length(out, 0);
    }
  } else {
    body = announce(out, length, true);
  }
  out += "\r\n";
  if (end) {
    CHECK(body.append(out, {}, true));
  }
  return body;
}

Result<BodyWriter> append_response_head(std::string& out, const ResponseHead& head, bool end,
                                        const ResponseContext& context) {
  CHECK(check_outgoing(head));
  const std::optional<std::uint64_t> length = announced_length(head.fields);
  append_status_line(out, head.status);
  append_fields(out, head.fields);
  BodyWriter body;
  if (context.to_head || head.status == 304) {
    // The length that the answer to a GET would have (RFC 9110 section 8.6), if it is known.
    if (length) append_length(out, *length);
    body = BodyWriter::discarding();
  } else if (head.status == 204) {
    body = BodyWriter::discarding();
  } else if (end) {
    append_length(out, 0);
  } else {
    body = announce(out, length, context.http11);
  }
  if (context.close) out += "connection: close\r\n";
  out += "\r\n";
  if (end) {
    CHECK(body.append(out, {}, true));
  }
  return body;
}

std::string refusal(int status, std::string_view text) {
  std::string out;
  append_status_line(out, status);
  out += "content-type: text/plain\r\nconnection: close\r\n";
  append_length(out, text.size() + 1);
  out.append("\r\n").append(text).append("\n");
  return out;
}

}  // namespace mandated::http
