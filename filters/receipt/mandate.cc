// Each member's reading and its rule from parent to child stand side by side in two functions, in
// the order of the profile's table.
#include "filters/receipt/mandate.h"

#include <algorithm>

namespace mandated::receipt {
namespace {

constexpr std::size_t kTextMax = 2048;

tl::unexpected<Refusal> wrong_type(std::string_view member, std::string_view kind) {
  return refuse(Code::kMalformed,
                "The mandate's member " + shown(member) + " is not " + std::string(kind) + ".");
}

Checked<void> read_text(const json::Member& member, std::optional<std::string>& out) {
  if (!member.value.is_string()) return wrong_type(member.name, "a string");
  if (member.value.string().size() > kTextMax) {
    return refuse(Code::kTooLarge,
                  "The mandate's member " + shown(member.name) + " is longer than 2 KiB.");
  }
  out = member.value.string();
  return {};
}

using Predicate = bool (*)(std::string_view);

Checked<void> read_name(const json::Member& member, Predicate good, std::string_view kind,
                        std::optional<std::string>& out) {
  if (!member.value.is_string() || !good(member.value.string()))
    return wrong_type(member.name, kind);
  return read_text(member, out);
}

Checked<void> read_names(const json::Member& member, Predicate good, std::string_view kind,
                         std::optional<std::vector<std::string>>& out) {
  if (!member.value.is_array()) return wrong_type(member.name, kind);
  out.emplace();
  for (const json::Value& each : member.value.array()) {
    if (!each.is_string() || !good(each.string())) return wrong_type(member.name, kind);
    out->emplace_back(each.string());
  }
  return {};
}

Checked<void> read_member(const json::Member& member, Mandate& mandate) {
  if (member.name == "user") return read_name(member, is_uri, "a URI", mandate.user);
  if (member.name == "intent") return read_text(member, mandate.intent);
  if (member.name == "task") return read_text(member, mandate.task);
  if (member.name == "holder")
    return read_name(member, is_spiffe_id, "a SPIFFE ID", mandate.holder);
  if (member.name == "holders") {
    return read_names(member, is_spiffe_pattern, "a list of SPIFFE ID patterns", mandate.holders);
  }
  if (member.name == "aud") return read_names(member, is_uri, "a list of URIs", mandate.audience);
  if (member.name == "nbf") {
    if (!member.value.is_number()) return wrong_type(member.name, "a number");
    mandate.not_before = member.value.number();
    return {};
  }
  return refuse(Code::kMalformed,
                "The mandate carries " + shown(member.name) +
                    ", a member that is not enforced here; a restriction must not be ignored.");
}

tl::unexpected<Refusal> widens(std::string_view member, std::string_view how) {
  return refuse(Code::kEscalation,
                "The mandate's member " + shown(member) + " " + std::string(how) + ".");
}

// May not be changed.
Checked<void> same(std::string_view member, const std::optional<std::string>& child,
                   const std::optional<std::string>& parent) {
  if (!parent || child == parent) return {};
  return widens(member,
                child ? "differs from its parent's" : "is missing, and its parent carries it");
}

// May only lose entries.
Checked<void> subset(std::string_view member, const std::optional<std::vector<std::string>>& child,
                     const std::optional<std::vector<std::string>>& parent) {
  if (!parent) return {};
  if (!child) return widens(member, "is missing, and its parent carries it");
  const bool all = std::all_of(child->begin(), child->end(), [&](const std::string& each) {
    return std::find(parent->begin(), parent->end(), each) != parent->end();
  });
  if (!all) return widens(member, "lists more than its parent's");
  return {};
}

// A child names its own holder, within the parent's `holders`; and so within every ancestor's,
// since each list must be carried down and is a subset of the one above.
Checked<void> holder_within(const Mandate& child, const Mandate& parent) {
  if (!child.holder) {
    if (parent.holder) return widens("holder", "is missing, and its parent carries it");
    return {};
  }
  if (parent.holders && !spiffe_matches_any(*parent.holders, *child.holder)) {
    return widens("holder", "is not among the holders its parent admits");
  }
  return {};
}

Checked<void> later(const std::optional<Seconds>& child, const std::optional<Seconds>& parent) {
  if (!parent) return {};
  if (!child) return widens("nbf", "is missing, and its parent carries it");
  if (*child < *parent) return widens("nbf", "is earlier than its parent's");
  return {};
}

}  // namespace

Checked<Mandate> parse_mandate(const json::Value* claim) {
  Mandate mandate;
  if (claim == nullptr) return mandate;
  if (!claim->is_object()) return refuse(Code::kMalformed, "The mandate is not a JSON object.");
  for (const json::Member& member : claim->object()) {
    if (auto read = read_member(member, mandate); !read)
      return tl::unexpected(std::move(read.error()));
  }
  return mandate;
}

Checked<void> mandate_within(const Mandate& child, const Mandate& parent) {
  return same("user", child.user, parent.user)
      .and_then([&] { return same("intent", child.intent, parent.intent); })
      .and_then([&] { return holder_within(child, parent); })
      .and_then([&] { return subset("holders", child.holders, parent.holders); })
      .and_then([&] { return subset("aud", child.audience, parent.audience); })
      .and_then([&] { return later(child.not_before, parent.not_before); });
}

}  // namespace mandated::receipt
