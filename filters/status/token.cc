// The payload is not parsed before its signature is found to be good.
#include "filters/status/token.h"

#include <algorithm>
#include <cmath>

#include "filters/receipt/anchor.h"
#include "filters/receipt/base64url.h"
#include "filters/receipt/claims.h"
#include "filters/receipt/jose.h"
#include "filters/receipt/mandate.h"

namespace mandated::status {
namespace {

using receipt::AnchorSet;
using receipt::Checked;
using receipt::Code;
using receipt::refuse;
using receipt::Segments;
using receipt::shown;

tl::unexpected<receipt::Refusal> bad_claim(std::string_view name, std::string_view kind) {
  return refuse(Code::kMalformed,
                "The status list's claim " + shown(name) + " is not " + std::string(kind) + ".");
}

Checked<Segments> split(std::string_view token, const TokenLimits& limits) {
  if (token.size() > limits.token_bytes_max) {
    return refuse(Code::kTooLarge, "The status list's token is longer than " +
                                       std::to_string(limits.token_bytes_max) + " bytes.");
  }
  return receipt::split(token);
}

Checked<receipt::PublicKey> check_signature(const Segments& segments, const receipt::Header& header,
                                            const AnchorSet& anchors) {
  const auto signature = receipt::decode_segment(segments.signature, "signature");
  if (!signature) return tl::unexpected(signature.error());
  const receipt::Anchor* signer =
      receipt::find_signer(anchors, header, segments.signing_input, *signature);
  if (signer != nullptr) return signer->key;
  return refuse(Code::kBadSignature, "None of the trusted keys has signed the status list.");
}

// Absent is nullopt. A NumericDate, or a number of seconds.
Checked<std::optional<Seconds>> read_number(const json::Value& payload, std::string_view name) {
  const json::Value* value = payload.find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || value->number() < 0) return bad_claim(name, "a number of 0 or more");
  return value->number();
}

Checked<StatusList> read_list(const json::Value& payload, const TokenLimits& limits) {
  const json::Value* claim = payload.find("status_list");
  if (claim == nullptr || !claim->is_object()) return bad_claim("status_list", "a JSON object");
  const json::Value* bits = claim->find("bits");
  if (bits == nullptr || !bits->integer()) {
    return refuse(Code::kMalformed, "The status list's member \"bits\" is not a whole number.");
  }
  const auto text = claim->find_string("lst");
  const auto packed = text ? receipt::decode_base64url(*text) : std::nullopt;
  if (!packed) {
    return refuse(Code::kMalformed, "The status list's member \"lst\" is not strict base64url.");
  }
  return StatusList::unpack(*bits->integer(), *packed, limits.list_bytes_max);
}

Checked<PublishedList> read_payload(std::string_view segment, const TokenLimits& limits) {
  const auto text = receipt::decode_segment(segment, "payload");
  if (!text) return tl::unexpected(text.error());
  const auto document = receipt::parse_object(
      *text, "payload", {.bytes_max = limits.token_bytes_max, .depth_max = 16});
  if (!document) return tl::unexpected(document.error());
  const json::Value& payload = document->root();

  const auto uri = payload.find_string("sub");
  if (!uri || uri->empty()) return bad_claim("sub", "a string that is not empty");
  const auto issued_at = read_number(payload, "iat");
  if (!issued_at) return tl::unexpected(issued_at.error());
  if (!*issued_at) return bad_claim("iat", "there");
  const auto not_before = read_number(payload, "nbf");
  if (!not_before) return tl::unexpected(not_before.error());
  const auto expires = read_number(payload, "exp");
  if (!expires) return tl::unexpected(expires.error());
  const auto ttl = read_number(payload, "ttl");
  if (!ttl) return tl::unexpected(ttl.error());
  if (*ttl && **ttl == 0) return bad_claim("ttl", "a positive number");
  auto list = read_list(payload, limits);
  if (!list) return tl::unexpected(list.error());
  return PublishedList{std::string(*uri), **issued_at, *not_before,
                       *expires,          *ttl,        std::move(*list)};
}

Checked<void> check_times(const PublishedList& published, Seconds now, const TokenLimits& limits) {
  const Seconds begins =
      std::max(published.issued_at - limits.iat_skew_max, published.not_before.value_or(0));
  if (now < begins) {
    return refuse(Code::kNotYetValid,
                  "The status list is not valid before " + receipt::time_text(begins) + ".");
  }
  if (published.expires && now >= *published.expires) {
    return refuse(Code::kExpired,
                  "The status list expired at " + receipt::time_text(*published.expires) + ".");
  }
  return {};
}

Checked<VerifiedList> open_token(std::string_view token, const AnchorSet& anchors,
                                 const TokenLimits& limits) {
  const auto segments = split(token, limits);
  if (!segments) return tl::unexpected(segments.error());
  const auto header = receipt::read_header(segments->header, receipt::TokenKind::kStatusList);
  if (!header) return tl::unexpected(header.error());
  const auto signer = check_signature(*segments, *header, anchors);
  if (!signer) return tl::unexpected(signer.error());
  auto published = read_payload(segments->payload, limits);
  if (!published) return tl::unexpected(std::move(published.error()));
  return VerifiedList{std::move(*published), *signer};
}

std::string payload_text(const PublishedList& published) {
  std::string text = "{";
  const auto add_number = [&text](std::string_view name, const std::optional<Seconds>& number) {
    if (number) text += json::quoted(name) + ":" + json::number_text(*number) + ",";
  };
  add_number("exp", published.expires);
  add_number("iat", published.issued_at);
  add_number("nbf", published.not_before);
  text += "\"status_list\":{\"bits\":" + std::to_string(published.list.bits()) +
          ",\"lst\":" + json::quoted(receipt::encode_base64url(published.list.pack())) + "},";
  add_number("ttl", published.ttl);
  return text + "\"sub\":" + json::quoted(published.uri) + "}";
}

}  // namespace

Checked<VerifiedList> verify_status_list(std::string_view token, std::string_view uri,
                                         const AnchorSet& anchors, Seconds now,
                                         const TokenLimits& limits) {
  auto published = open_token(token, anchors, limits);
  if (!published) return published;
  if (published->uri != uri) {
    return refuse(Code::kStatusUnknown, "The status list is that of " + shown(published->uri) +
                                            ", not of " + shown(uri) + ".");
  }
  auto checked = check_times(*published, now, limits);
  if (!checked) return tl::unexpected(std::move(checked.error()));
  return published;
}

Checked<PublishedList> open_status_list(std::string_view token, const AnchorSet& anchors,
                                        const TokenLimits& limits) {
  return open_token(token, anchors, limits).map([](VerifiedList list) {
    PublishedList& published = list;
    return std::move(published);
  });
}

Checked<PublishedList> inspect_status_list(std::string_view token, const TokenLimits& limits) {
  const auto segments = split(token, limits);
  if (!segments) return tl::unexpected(segments.error());
  const auto header = receipt::read_header(segments->header, receipt::TokenKind::kStatusList);
  if (!header) return tl::unexpected(header.error());
  return read_payload(segments->payload, limits);
}

Checked<std::string> issue_status_list(const PublishedList& published,
                                       const receipt::PrivateKey& key, const TokenLimits& limits) {
  if (!receipt::is_uri(published.uri) || !published.uri.starts_with("https://")) {
    return refuse(Code::kMalformed,
                  "The status list's place " + shown(published.uri) + " is not an https URI.");
  }
  for (const std::optional<Seconds>& number :
       {std::optional(published.issued_at), published.not_before, published.expires,
        published.ttl}) {
    if (number && !std::isfinite(*number))
      return refuse(Code::kMalformed, "The status list's times are not finite.");
  }
  std::string token =
      receipt::sign_compact(payload_text(published), receipt::TokenKind::kStatusList, {}, key);
  const AnchorSet self({receipt::Anchor{{}, key.public_key(), std::nullopt}});
  const auto verified = verify_status_list(token, published.uri, self, published.issued_at, limits);
  if (!verified) return tl::unexpected(verified.error());
  return token;
}

}  // namespace mandated::status
