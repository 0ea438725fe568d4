// How receipts and proofs travel (receipts.md section 5): in fields over HTTP, in params._meta over
// anything; and the refusals that come back (section 7).
#include <algorithm>
#include <array>

#include "proxy/json/writer.h"
#include "proxy/protocol/mcp.h"
#include "proxy/protocol/rewrite.h"

namespace mandated::protocol {

namespace {

constexpr std::string_view kReceiptField = "delegation-receipt";
constexpr std::string_view kProofField = "delegation-proof";
constexpr std::string_view kEvidenceField = "delegation-evidence";
constexpr std::string_view kReceiptKey = "io.mandated/receipt";
constexpr std::string_view kProofKey = "io.mandated/proof";

tl::unexpected<Rejection> refuse(std::string_view code, std::string sentence,
                                 const Message* message) {
  Rejection rejection{200, kCallRefused, std::move(sentence), "null", {}};
  if (message != nullptr && message->is_request()) rejection.id = message->id();
  rejection.data =
      json::ObjectWriter().text("code", code).text("sentence", rejection.message).take();
  return tl::unexpected(std::move(rejection));
}

// The characters of a compact JWS (RFC 7515 section 7.1).
constexpr std::array<bool, 256> kTokenCharacters = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_.")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool is_token(std::string_view text) {
  bool all = !text.empty();
  for (const char c : text) all = all && kTokenCharacters[static_cast<unsigned char>(c)];
  return all;
}

// RFC 9110 section 5.6.1 without its leniency: no empty elements.
std::optional<std::vector<std::string>> split_tokens(std::string_view value, std::size_t max) {
  std::vector<std::string> tokens;
  while (tokens.size() <= max) {
    const auto comma = value.find(',');
    std::string_view token = value.substr(0, comma);
    while (!token.empty() && (token.front() == ' ' || token.front() == '\t'))
      token.remove_prefix(1);
    while (!token.empty() && (token.back() == ' ' || token.back() == '\t')) token.remove_suffix(1);
    if (!is_token(token)) return std::nullopt;
    tokens.emplace_back(token);
    if (comma == std::string_view::npos) return tokens;
    value.remove_prefix(comma + 1);
  }
  return tokens;
}

// nullopt: the member is there and is not what it must be.
std::optional<std::vector<std::string>> receipts_in_meta(const json::Value& value,
                                                         std::size_t max) {
  if (!value.is_array() || value.array().empty()) return std::nullopt;
  std::vector<std::string> tokens;
  for (const json::Value& each : value.array()) {
    if (!each.is_string() || !is_token(each.string())) return std::nullopt;
    if (tokens.size() <= max) tokens.emplace_back(each.string());
  }
  return tokens;
}

Accepted<void> read_receipts(const http::Fields& fields, const Message* message,
                             const UnderstandOptions& options, Delegation& out) {
  const auto field = fields.joined(kReceiptField);
  if (field) {
    if (field->size() > options.receipt_bytes_max) {
      return refuse("too_large", "The delegation receipts are too large.", message);
    }
    auto tokens = split_tokens(*field, options.receipts_max);
    if (!tokens) {
      return refuse("malformed", "The Delegation-Receipt header is no list of receipts.", message);
    }
    out.receipts = std::move(*tokens);
  }
  const json::Value* meta = message == nullptr ? nullptr : message->meta();
  const json::Value* member = meta == nullptr ? nullptr : meta->find(kReceiptKey);
  if (member != nullptr) {
    if (member->raw().size() > options.receipt_bytes_max) {
      return refuse("too_large", "The delegation receipts are too large.", message);
    }
    auto tokens = receipts_in_meta(*member, options.receipts_max);
    if (!tokens) {
      return refuse("malformed", "The member io.mandated/receipt is no list of receipts.", message);
    }
    if (field && out.receipts != *tokens) {
      return refuse("malformed", "The receipts in the header and in _meta are not the same.",
                    message);
    }
    out.receipts = std::move(*tokens);
  }
  if (out.receipts.size() > options.receipts_max) {
    return refuse("too_large", "The delegation chain has too many receipts.", message);
  }
  return {};
}

Accepted<void> read_proof(const http::Fields& fields, const Message* message,
                          const UnderstandOptions& options, Delegation& out) {
  if (fields.count(kProofField) != 0) {
    const auto field = fields.single(kProofField);
    if (!field || !is_token(*field)) {
      return refuse("malformed", "The Delegation-Proof header is no proof.", message);
    }
    out.proof = std::string(*field);
  }
  const json::Value* meta = message == nullptr ? nullptr : message->meta();
  const json::Value* member = meta == nullptr ? nullptr : meta->find(kProofKey);
  if (member != nullptr) {
    if (!member->is_string() || !is_token(member->string())) {
      return refuse("malformed", "The member io.mandated/proof is no proof.", message);
    }
    if (out.proof && *out.proof != member->string()) {
      return refuse("malformed", "The proofs in the header and in _meta are not the same.",
                    message);
    }
    out.proof = std::string(member->string());
  }
  if (out.proof && out.proof->size() > options.receipt_bytes_max) {
    return refuse("too_large", "The proof is too large.", message);
  }
  return {};
}

// A kind and a document in base64url, a blank between them.
Accepted<void> read_evidence(const http::Fields& fields, const Message* message, Delegation& out) {
  if (fields.count(kEvidenceField) == 0) return {};
  const auto field = fields.single(kEvidenceField);
  const std::size_t blank = field ? field->find(' ') : std::string_view::npos;
  if (blank == std::string_view::npos || !is_token(field->substr(0, blank)) ||
      !is_token(field->substr(blank + 1))) {
    return refuse("malformed", "The Delegation-Evidence header is no evidence.", message);
  }
  out.evidence = std::string(*field);
  return {};
}

std::string with_meta(const Message& message, const std::string& meta) {
  return replace_members(&message.root(),
                         {{"params", replace_members(message.params(), {{"_meta", meta}})}});
}

}  // namespace

Accepted<Delegation> read_delegation(const http::Fields& fields, const Message* message,
                                     const UnderstandOptions& options) {
  Delegation delegation;
  CHECK(read_receipts(fields, message, options, delegation));
  CHECK(read_proof(fields, message, options, delegation));
  CHECK(read_evidence(fields, message, delegation));
  return delegation;
}

std::string receipt_field(const std::vector<std::string>& receipts) {
  std::string value;
  for (const std::string& receipt : receipts) {
    if (!value.empty()) value += ", ";
    value += receipt;
  }
  return value;
}

std::string with_receipt(const Message& message, const std::vector<std::string>& receipts,
                         std::string_view proof) {
  if (message.is_response()) return std::string(message.bytes());
  std::optional<std::string> list;
  if (!receipts.empty()) {
    json::ArrayWriter tokens;
    for (const std::string& receipt : receipts) tokens.text(receipt);
    list = tokens.take();
  }
  std::optional<std::string> proof_text;
  if (!proof.empty()) proof_text = json::quoted(proof);
  return with_meta(message, replace_members(message.meta(), {{kReceiptKey, std::move(list)},
                                                             {kProofKey, std::move(proof_text)}}));
}

std::string without_receipt(const Message& message) {
  if (message.meta() == nullptr || (message.meta()->find(kReceiptKey) == nullptr &&
                                    message.meta()->find(kProofKey) == nullptr)) {
    return std::string(message.bytes());
  }
  std::string meta =
      replace_members(message.meta(), {{kReceiptKey, std::nullopt}, {kProofKey, std::nullopt}});
  if (meta != "{}") return with_meta(message, meta);
  return replace_members(
      &message.root(), {{"params", replace_members(message.params(), {{"_meta", std::nullopt}})}});
}

void set_delegation_fields(http::Fields& fields, const std::vector<std::string>& receipts,
                           std::string_view proof) {
  fields.remove(kReceiptField);
  fields.remove(kProofField);
  if (!receipts.empty()) fields.set(std::string(kReceiptField), receipt_field(receipts));
  if (!proof.empty()) fields.set(std::string(kProofField), std::string(proof));
}

std::string refusal_response(std::string_view id, const RefusalFacts& facts) {
  json::ObjectWriter data;
  data.text("code", facts.code);
  if (facts.hop >= 0) data.number("hop", facts.hop);
  if (!facts.tool.empty()) data.text("tool", facts.tool);
  if (!facts.argument.empty()) data.text("argument", facts.argument);
  if (!facts.constraint.empty()) {
    // It comes from a token that was parsed; should it be no JSON after all, it is shown as text.
    const auto constraint = json::Document::parse(facts.constraint);
    data.json("constraint",
              constraint ? json::canonical(constraint->root()) : json::quoted(facts.constraint));
  }
  data.text("sentence", facts.sentence);
  if (!facts.ticket.empty()) data.text("ticket", facts.ticket);
  if (!facts.url.empty()) data.text("url", facts.url);
  return error_response(id, kCallRefused, facts.sentence, data.take());
}

}  // namespace mandated::protocol
