// Headers are small and strict; a token says which algorithm, never which key.
#include "filters/receipt/jose.h"

#include "filters/receipt/base64url.h"
#include "proxy/json/writer.h"

namespace mandated::receipt {
namespace {

constexpr json::Limits kHeaderLimits{.bytes_max = 4096, .depth_max = 8};

Checked<std::optional<KeyType>> read_algorithm(const json::Value& header, TokenKind kind) {
  const auto name = header.find_string("alg");
  if (name == "EdDSA") return KeyType::kEd25519;
  if (name == "ES256") return KeyType::kP256;
  if (name == "WebAuthn") {
    if (kind == TokenKind::kRoot || kind == TokenKind::kApproval) return std::nullopt;
    return refuse(Code::kBadAlg, "A passkey (WebAuthn) signs root receipts and approvals only.");
  }
  if (!name) return refuse(Code::kBadAlg, "The token's header names no algorithm.");
  return refuse(Code::kBadAlg,
                "The token's algorithm " + shown(*name) + " is not allowed; EdDSA and ES256 are.");
}

Checked<void> check_type(const json::Value& header, TokenKind kind) {
  const json::Value* type = header.find("typ");
  const bool loose =
      kind == TokenKind::kRoot || kind == TokenKind::kReceipt || kind == TokenKind::kProof;
  if (type == nullptr && loose) return {};
  if (type != nullptr && type->is_string() &&
      (type->string() == type_name(kind) || (loose && type->string() == "JWT")))
    return {};
  return refuse(Code::kMalformed, "The token's type is not " + shown(type_name(kind)) + ".");
}

// A header must not bring its own key or change how it is to be read (profile section 1).
Checked<void> check_forbidden(const json::Value& header) {
  for (const std::string_view member : {"crit", "jwk", "jku", "x5u", "x5c", "b64"}) {
    if (header.find(member) != nullptr) {
      return refuse(Code::kMalformed,
                    "The token's header carries " + shown(member) + ", which is not allowed.");
    }
  }
  return {};
}

std::string header_text(TokenKind kind, std::string_view algorithm, std::string_view kid) {
  json::ObjectWriter header;
  header.text("alg", algorithm);
  if (!kid.empty()) header.text("kid", kid);
  return header.text("typ", type_name(kind)).take();
}

// Most headers are those that sign_compact writes without a kid: they are read by comparing.
bool is_plain(std::string_view segment, TokenKind kind) {
  static const auto segment_of = [](TokenKind of) {
    return encode_base64url(header_text(of, "EdDSA", {}));
  };
  static const std::string receipt = segment_of(TokenKind::kReceipt);
  static const std::string proof = segment_of(TokenKind::kProof);
  return (kind == TokenKind::kReceipt && segment == receipt) ||
         (kind == TokenKind::kProof && segment == proof);
}

}  // namespace

std::string_view type_name(TokenKind kind) {
  switch (kind) {
    case TokenKind::kRoot:
    case TokenKind::kReceipt:
      return "delegation-receipt+jwt";
    case TokenKind::kProof:
      return "delegation-proof+jwt";
    case TokenKind::kApproval:
      return "delegation-approval+jwt";
    case TokenKind::kWorkloadIdentity:
      return "wit+jwt";
    case TokenKind::kWorkloadProof:
      return "wpt+jwt";
    case TokenKind::kStatusList:
      break;
  }
  return "statuslist+jwt";
}

Checked<Segments> split(std::string_view compact) {
  const std::size_t first = compact.find('.');
  const std::size_t second = first == std::string_view::npos ? first : compact.find('.', first + 1);
  if (second == std::string_view::npos || compact.find('.', second + 1) != std::string_view::npos) {
    return refuse(Code::kMalformed, "The token is not three segments separated by dots.");
  }
  return Segments{compact.substr(0, first), compact.substr(first + 1, second - first - 1),
                  compact.substr(second + 1), compact.substr(0, second)};
}

Checked<Header> read_header(std::string_view segment, TokenKind kind) {
  if (is_plain(segment, kind)) return Header{KeyType::kEd25519, std::nullopt};
  const auto text = decode_segment(segment, "header");
  if (!text) return tl::unexpected(text.error());
  const auto document = parse_object(*text, "header", kHeaderLimits);
  if (!document) return tl::unexpected(document.error());
  const json::Value& root = document->root();
  Header header;
  const auto algorithm = read_algorithm(root, kind);
  if (!algorithm) return tl::unexpected(algorithm.error());
  header.algorithm = *algorithm;
  auto checked = check_forbidden(root).and_then([&] { return check_type(root, kind); });
  if (!checked) return tl::unexpected(std::move(checked.error()));
  if (const json::Value* kid = root.find("kid"); kid != nullptr) {
    if (!kid->is_string()) return refuse(Code::kMalformed, "The token's kid is not a string.");
    header.kid = kid->string();
  }
  return header;
}

Checked<std::string> decode_segment(std::string_view segment, std::string_view what) {
  auto bytes = decode_base64url(segment);
  if (!bytes)
    return refuse(Code::kMalformed,
                  "The token's " + std::string(what) + " is not strict base64url.");
  return std::move(*bytes);
}

Checked<json::Document> parse_object(std::string_view text, std::string_view what,
                                     const json::Limits& limits) {
  using Reason = json::ParseError::Reason;
  auto document = json::Document::parse(text, limits);
  if (!document) {
    const auto reason = document.error().reason;
    const Code code = reason == Reason::kTooLarge || reason == Reason::kDepth ? Code::kTooLarge
                                                                              : Code::kMalformed;
    return refuse(code, "The token's " + std::string(what) +
                            " is not strict JSON: " + document.error().text + ".");
  }
  if (!document->root().is_object()) {
    return refuse(Code::kMalformed, "The token's " + std::string(what) + " is not a JSON object.");
  }
  return std::move(*document);
}

std::string passkey_signing_input(std::string_view payload, TokenKind kind, std::string_view kid) {
  return encode_base64url("{\"alg\":\"WebAuthn\",\"kid\":" + json::quoted(kid) +
                          ",\"typ\":" + json::quoted(type_name(kind)) + "}") +
         "." + encode_base64url(payload);
}

std::string sign_compact(std::string_view payload, TokenKind kind, std::string_view kid,
                         const PrivateKey& key) {
  const std::string header = header_text(kind, key.public_key().algorithm(), kid);
  std::string compact = encode_base64url(header) + "." + encode_base64url(payload);
  const std::string signature = key.sign(compact);
  return compact + "." + encode_base64url(signature);
}

}  // namespace mandated::receipt
