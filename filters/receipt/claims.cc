// Absent and wrongly typed claims are told apart in the sentence only; both are `malformed`.
#include "filters/receipt/claims.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "filters/receipt/mandate.h"

namespace mandated::receipt {
namespace {

constexpr std::string_view kThumbprintUri = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";

tl::unexpected<Refusal> bad_claim(const json::Value& payload, std::string_view name,
                                  std::string_view kind) {
  const bool absent = payload.find(name) == nullptr;
  return refuse(Code::kMalformed,
                "The receipt's claim " + shown(name) +
                    (absent ? " is missing." : " is not " + std::string(kind) + "."));
}

Checked<std::string_view> text_claim(const json::Value& payload, std::string_view name) {
  const auto text = payload.find_string(name);
  if (!text || text->empty()) return bad_claim(payload, name, "a string that is not empty");
  return *text;
}

Checked<Seconds> time_claim(const json::Value& payload, std::string_view name) {
  const json::Value* value = payload.find(name);
  if (value == nullptr || !value->is_number()) return bad_claim(payload, name, "a number");
  return value->number();
}

Checked<std::int64_t> count_claim(const json::Value& payload, std::string_view name) {
  const json::Value* value = payload.find(name);
  const auto number = value == nullptr ? std::nullopt : value->integer();
  if (!number || *number < 0) return bad_claim(payload, name, "a whole number of 0 or more");
  return *number;
}

}  // namespace

Checked<void> read_jti(const json::Value& payload, Claims& claims) {
  return text_claim(payload, "jti").map([&](std::string_view text) { claims.jti = text; });
}

Checked<void> read_issuer(const json::Value& payload, Claims& claims) {
  return text_claim(payload, "iss").map([&](std::string_view text) { claims.issuer = text; });
}

Checked<void> read_times(const json::Value& payload, Claims& claims) {
  return time_claim(payload, "iat")
      .map([&](Seconds time) { claims.issued_at = time; })
      .and_then([&] { return time_claim(payload, "exp"); })
      .map([&](Seconds time) { claims.expires = time; });
}

Checked<void> read_depths(const json::Value& payload, Claims& claims) {
  return count_claim(payload, "del_depth")
      .map([&](std::int64_t count) { claims.depth = count; })
      .and_then([&] { return count_claim(payload, "del_max_depth"); })
      .map([&](std::int64_t count) { claims.depth_max = count; });
}

Checked<void> read_parent_hash(const json::Value& payload, Claims& claims) {
  return text_claim(payload, "par_hash").map([&](std::string_view text) {
    claims.parent_hash = text;
  });
}

Checked<void> read_holder(const json::Value& payload, Claims& claims) {
  const json::Value* confirmation = payload.find("cnf");
  if (confirmation == nullptr || !confirmation->is_object())
    return bad_claim(payload, "cnf", "a JSON object");
  const json::Value* jwk = confirmation->find("jwk");
  if (jwk == nullptr) return refuse(Code::kMalformed, "The receipt's claim \"cnf\" has no jwk.");
  return PublicKey::from_jwk(*jwk).map([&](const PublicKey& key) { claims.holder = key; });
}

Checked<const json::Value*> find_details(const json::Value& payload) {
  const json::Value* details = payload.find("authorization_details");
  if (details == nullptr || !details->is_array())
    return bad_claim(payload, "authorization_details", "an array");
  return details;
}

Checked<void> read_capability(const json::Value& payload, const Limits& limits, Claims& claims) {
  return find_details(payload)
      .and_then([&](const json::Value* details) { return Capability::parse(*details, limits); })
      .map([&](Capability capability) { claims.capability = std::move(capability); });
}

Checked<void> read_mandate(const json::Value& payload, Claims& claims) {
  return parse_mandate(payload.find("mandate")).map([&](Mandate mandate) {
    claims.mandate = std::move(mandate);
  });
}

std::string thumbprint_uri(const PublicKey& key) {
  return std::string(kThumbprintUri) + key.thumbprint();
}

bool is_thumbprint_uri(std::string_view text, const PublicKey& key) {
  return text.starts_with(kThumbprintUri) && text.substr(kThumbprintUri.size()) == key.thumbprint();
}

std::string time_text(Seconds time) {
  constexpr Seconds kShowable = 253402300799;  // the end of the year 9999
  if (!(time >= 0 && time <= kShowable)) return json::number_text(time);
  const std::chrono::sys_seconds point{std::chrono::seconds(static_cast<std::int64_t>(time))};
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(point - day);
  std::array<char, 40> text;
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace mandated::receipt
