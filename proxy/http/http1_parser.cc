#include "proxy/http/http1_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <utility>
#include <vector>

#include "proxy/http/field_rules.h"

namespace mandated::http {

namespace {

namespace beast = boost::beast;
using beast::http::field;
using BeastError = beast::error_code;

constexpr std::size_t kChunkExtensionMax = 256;
// A chunk's size line, or the last one with its trailers, must fit whole.
constexpr std::size_t kChunkLinesMax = 8192;
constexpr std::size_t kChunkLinesMin = 5;

/// What a header block says, before anything is concluded from it.
struct Block {
  std::string method;
  std::string target;
  int version = 0;
  int status = 0;
  Fields fields;
  std::size_t count = 0;
  std::vector<std::string> hosts;
  std::vector<std::string> content_lengths;
  std::vector<std::string> transfer_encodings;
  std::vector<std::string> connections;
  std::vector<std::string> expects;
};

/// Beast's parser, told to hand over everything and decide nothing.
template <bool is_request>
class BeastParser final : public beast::http::basic_parser<is_request> {
 public:
  explicit BeastParser(std::size_t count_max) : count_max_(count_max) {
    this->header_limit(UINT32_MAX);  // BlockScan has the limit
    this->body_limit(boost::none);   // and the reader of the body that one
  }

  Block& block() { return block_; }
  bool too_many_fields() const { return block_.count > count_max_; }
  /// True while the next bytes are a chunk's size line or the trailers.
  bool between_chunks() const { return chunk_left_ == 0; }
  void collect_into(std::string* piece) { piece_ = piece; }

 private:
  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int version, BeastError&) override {
    block_.method.assign(method.data(), method.size());
    block_.target.assign(target.data(), target.size());
    block_.version = version;
  }
  void on_response_impl(int status, beast::string_view, int version, BeastError&) override {
    block_.status = status;
    block_.version = version;
  }

  void on_field_impl(field known, beast::string_view name, beast::string_view value,
                     BeastError& error) override {
    if (in_body_) return;  // a trailer: read and dropped
    if (++block_.count > count_max_) {
      error = beast::http::error::header_limit;
      return;
    }
    std::string text(value.data(), value.size());
    switch (known) {
      case field::host:
        block_.hosts.push_back(std::move(text));
        return;
      case field::content_length:
        block_.content_lengths.push_back(std::move(text));
        return;
      case field::transfer_encoding:
        block_.transfer_encodings.push_back(std::move(text));
        return;
      case field::connection:
        block_.connections.push_back(std::move(text));
        return;
      case field::expect:
        block_.expects.push_back(std::move(text));
        return;
      default:
        break;
    }
    std::string lowered = to_lower({name.data(), name.size()});
    if (!is_connection_specific(lowered)) block_.fields.add(std::move(lowered), std::move(text));
  }

  void on_header_impl(BeastError&) override { in_body_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  std::size_t on_body_impl(beast::string_view bytes, BeastError&) override {
    piece_->append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t size, beast::string_view extension,
                            BeastError& error) override {
    // Beast lets control characters stand in a quoted extension value.
    if (extension.size() > kChunkExtensionMax ||
        !valid_field_value({extension.data(), extension.size()})) {
      error = beast::http::error::bad_chunk_extension;
    }
    chunk_left_ = size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t remain, beast::string_view bytes,
                                 BeastError&) override {
    piece_->append(bytes.data(), bytes.size());
    chunk_left_ = remain - bytes.size();
    return bytes.size();
  }
  void on_finish_impl(BeastError&) override {}

  const std::size_t count_max_;
  Block block_;
  bool in_body_ = false;
  std::uint64_t chunk_left_ = 0;
  std::string* piece_ = nullptr;
};

Failure malformed(std::string text) { return fail(Code::kMalformed, std::move(text)); }

/// The body's framing from the fields alone. `coded` is set when a coding is not understood.
Result<Framed> framing_of(const Block& block, bool& unknown_coding) {
  Framed framed;
  if (!block.transfer_encodings.empty()) {
    if (!block.content_lengths.empty()) {
      return malformed("both content-length and transfer-encoding");
    }
    if (block.version < 11) return malformed("transfer-encoding under HTTP/1.0");
    if (block.transfer_encodings.size() != 1 ||
        !equal_ignoring_case(block.transfer_encodings.front(), "chunked")) {
      unknown_coding = true;
      return malformed("transfer-encoding is not exactly chunked");
    }
    framed.framing = Framing::kChunked;
    return framed;
  }
  if (block.content_lengths.empty()) return framed;
  if (block.content_lengths.size() != 1) return malformed("several content-length fields");
  const std::optional<std::uint64_t> length = parse_content_length(block.content_lengths.front());
  if (!length) return malformed("content-length is not a number");
  framed.framing = *length == 0 ? Framing::kNone : Framing::kLength;
  framed.length = *length;
  return framed;
}

/// Removes the fields that a Connection field names (RFC 9110 section 7.6.1).
void drop_nominated(Block& block) {
  for (const std::string& list : block.connections) {
    std::string_view rest = list;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      std::string_view option = rest.substr(0, comma);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      while (!option.empty() && (option.front() == ' ' || option.front() == '\t')) {
        option.remove_prefix(1);
      }
      while (!option.empty() && (option.back() == ' ' || option.back() == '\t')) {
        option.remove_suffix(1);
      }
      if (!option.empty()) block.fields.remove(to_lower(option));
    }
  }
}

template <bool is_request>
Result<void> parse_block(BeastParser<is_request>& parser, std::string_view block) {
  BeastError error;
  const std::size_t taken = parser.put(boost::asio::buffer(block.data(), block.size()), error);
  if (parser.too_many_fields()) return fail(Code::kTooLarge, "too many fields");
  if (error) return malformed(error.message());
  if (!parser.is_header_done() || taken != block.size()) {
    return malformed("the header block does not end where its last line does");
  }
  return {};
}

template <bool is_request>
Result<std::size_t> parse_body_bytes(BeastParser<is_request>& parser, std::string_view unread,
                                     std::string& piece) {
  // Cut to the same size however much is here, so that the outcome does not hang on the reads.
  const bool lines = parser.chunked() && parser.between_chunks();
  const std::string_view fed = unread.substr(
      0, lines ? kChunkLinesMax : kBodyPieceMax - std::min(piece.size(), kBodyPieceMax));
  // Nothing that ends between chunks is shorter than "0 CRLF CRLF"; of less Beast asserts that it
  // is not there.
  if (fed.empty() || (lines && fed.size() < kChunkLinesMin)) return 0U;
  BeastError error;
  parser.collect_into(&piece);
  const std::size_t taken = parser.put(boost::asio::buffer(fed.data(), fed.size()), error);
  parser.collect_into(nullptr);
  if (error == beast::http::error::need_more) {
    if (fed.size() == kChunkLinesMax) {
      return fail(Code::kTooLarge, "a chunk's size line or the trailers are too long");
    }
    return taken;
  }
  if (error) return malformed(error.message());
  return taken;
}

/// A request line of HTTP, but of another version than 1.0 and 1.1.
bool has_other_version(std::string_view block) {
  const std::string_view line = block.substr(0, block.find('\r'));
  if (line.size() < 9) return false;
  const std::string_view version = line.substr(line.size() - 9);
  return version.substr(0, 6) == " HTTP/" && version[6] >= '0' && version[6] <= '9' &&
         version[7] == '.' && version[8] >= '0' && version[8] <= '9' && version != " HTTP/1.0" &&
         version != " HTTP/1.1";
}

/// absolute-form (RFC 9112 section 3.2.2) taken apart; nullopt if it is no http(s) URI.
struct AbsoluteTarget {
  std::string_view authority;
  std::string target;
};
std::optional<AbsoluteTarget> split_absolute(std::string_view uri) {
  const std::size_t colon = uri.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view scheme = uri.substr(0, colon);
  if (!equal_ignoring_case(scheme, "http") && !equal_ignoring_case(scheme, "https")) {
    return std::nullopt;
  }
  uri.remove_prefix(colon + 3);
  const std::size_t end = std::min(uri.find_first_of("/?"), uri.size());
  AbsoluteTarget split;
  split.authority = uri.substr(0, end);
  split.target = uri.substr(end);
  if (split.target.empty() || split.target.front() != '/') split.target.insert(0, 1, '/');
  return split;
}

/// Fills method, target and authority; the status of the refusal goes to `status`.
Result<void> conclude_target(Block& block, RequestHead& head, int& status) {
  if (block.method == "CONNECT") {
    status = 501;
    return fail(Code::kUnsupported, "CONNECT is not offered");
  }
  if (block.hosts.size() > 1) return malformed("several host fields");
  if (block.hosts.empty() && block.version >= 11) return malformed("no host field");
  if (!block.hosts.empty()) {
    if (!valid_authority(block.hosts.front())) return malformed("host is no authority");
    head.authority = to_lower(block.hosts.front());
  }
  head.target = std::move(block.target);
  if (head.target.front() != '/' && head.target != "*") {
    std::optional<AbsoluteTarget> absolute = split_absolute(head.target);
    if (!absolute) return malformed("the target is neither a path nor an http URI");
    if (!valid_authority(absolute->authority)) return malformed("the target names no authority");
    const std::string authority = to_lower(absolute->authority);
    if (!block.hosts.empty() && authority != head.authority) {
      return malformed("the target's authority is not the host field's");
    }
    head.authority = authority;
    head.target = std::move(absolute->target);
  }
  if (!valid_target(head.target)) return malformed("the target has a forbidden character");
  if (head.target == "*" && block.method != "OPTIONS") return malformed("* is for OPTIONS only");
  head.method = std::move(block.method);
  return {};
}

}  // namespace

Result<std::size_t> BlockScan::find_end(std::string_view unread, std::size_t bytes_max) {
  const std::string_view seen = unread.substr(0, bytes_max);
  // Whatever begins with a control character is another protocol (TLS) or an empty line.
  if (!seen.empty() && !valid_field_value(seen.substr(0, 1))) {
    return malformed("the first byte is a control character");
  }
  while (true) {
    const std::size_t newline = seen.find('\n', scanned_);
    if (newline == std::string_view::npos) {
      scanned_ = seen.size();
      if (unread.size() >= bytes_max) return fail(Code::kTooLarge, "the header is too large");
      return 0U;
    }
    if (newline == 0 || seen[newline - 1] != '\r') return malformed("a bare LF");
    const bool empty_line = newline == line_ + 1;
    if (!empty_line && line_ > 0 && (seen[line_] == ' ' || seen[line_] == '\t')) {
      return malformed("a folded line");
    }
    scanned_ = line_ = newline + 1;
    if (empty_line) return line_;
  }
}

class RequestParser::Parser : public std::optional<BeastParser<true>> {};

RequestParser::RequestParser(const HeadLimits& limits)
    : limits_(limits), parser_(std::make_unique<Parser>()) {}

RequestParser::~RequestParser() = default;

Result<RequestHead> RequestParser::parse_head(std::string_view block, std::string_view scheme) {
  BeastParser<true>& parser = parser_->emplace(limits_.count_max);
  refusal_status_ = 400;
  Result<void> parsed = parse_block(parser, block);
  Block& read = parser.block();
  if (!parsed) {
    if (parsed.error().code == Code::kTooLarge) refusal_status_ = 431;
    if (read.version == 0 && has_other_version(block)) refusal_status_ = 505;
    return Failure(std::move(parsed).error());
  }
  http11_ = read.version >= 11;
  bool unknown_coding = false;
  Result<Framed> framed = framing_of(read, unknown_coding);
  if (!framed) {
    if (unknown_coding) refusal_status_ = 501;
    return Failure(std::move(framed).error());
  }
  framed_ = *framed;
  // Keep-alive of HTTP/1.0 is not offered.
  framed_.keep_alive = http11_ && parser.keep_alive();
  RequestHead head;
  CHECK(conclude_target(read, head, refusal_status_));
  expects_continue_ = false;
  if (!read.expects.empty()) {
    if (read.expects.size() != 1 || !equal_ignoring_case(read.expects.front(), "100-continue")) {
      refusal_status_ = 417;
      return fail(Code::kUnsupported, "an expectation other than 100-continue");
    }
    expects_continue_ = http11_ && framed_.framing != Framing::kNone;
  }
  drop_nominated(read);
  head.scheme = scheme;
  head.fields = std::move(read.fields);
  return head;
}

Result<std::size_t> RequestParser::parse_body(std::string_view unread, std::string& piece) {
  return parse_body_bytes(**parser_, unread, piece);
}

bool RequestParser::body_done() const { return (*parser_)->is_done(); }

class ResponseParser::Parser : public std::optional<BeastParser<false>> {};

ResponseParser::ResponseParser(const HeadLimits& limits)
    : limits_(limits), parser_(std::make_unique<Parser>()) {}

ResponseParser::~ResponseParser() = default;

Result<ResponseHead> ResponseParser::parse_head(std::string_view block, bool to_head) {
  BeastParser<false>& parser = parser_->emplace(limits_.count_max);
  parser.skip(to_head);
  CHECK(parse_block(parser, block));
  Block& read = parser.block();
  if (read.status < 100 || read.status > 599) return malformed("a status out of range");
  bool unknown_coding = false;
  TRY(framed_, framing_of(read, unknown_coding));
  framed_.keep_alive = read.version >= 11 && parser.keep_alive();
  const bool interim = read.status < 200;
  if ((interim || read.status == 204) && framed_.framing != Framing::kNone) {
    return malformed("a body where the status allows none");
  }
  if (to_head || interim || read.status == 204 || read.status == 304) {
    framed_.framing = Framing::kNone;
  } else if (framed_.framing == Framing::kNone && read.content_lengths.empty()) {
    framed_.framing = Framing::kUntilClose;
    framed_.keep_alive = false;
  }
  drop_nominated(read);
  ResponseHead head;
  head.status = read.status;
  head.fields = std::move(read.fields);
  if (!read.content_lengths.empty()) {
    head.fields.add("content-length", std::move(read.content_lengths.front()));
  }
  return head;
}

Result<std::size_t> ResponseParser::parse_body(std::string_view unread, std::string& piece) {
  return parse_body_bytes(**parser_, unread, piece);
}

bool ResponseParser::body_done() const { return (*parser_)->is_done(); }

Result<void> ResponseParser::end_of_stream() {
  BeastError error;
  (*parser_)->put_eof(error);
  if (error) return fail(Code::kEnd, "the peer closed in the middle of its answer");
  return {};
}

}  // namespace mandated::http
