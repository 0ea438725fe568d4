// Each member's reading and its rule from parent to child stand side by side in two functions, in
// the order of the profile's table.
#include "filters/receipt/mandate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "filters/receipt/base64url.h"
#include "filters/receipt/digest.h"

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

bool is_filled_object(const json::Value& value) {
  return value.is_object() && !value.object().empty();
}

Checked<void> read_instance(const json::Member& member, Selectors& out) {
  constexpr std::string_view kKind = "an object of selectors, each a string that is not empty";
  if (!is_filled_object(member.value)) return wrong_type(member.name, kKind);
  for (const json::Member& selector : member.value.object()) {
    if (selector.name.empty() || !selector.value.is_string() || selector.value.string().empty())
      return wrong_type(member.name, kKind);
    out.emplace(selector.name, selector.value.string());
  }
  return {};
}

// In millionths, and a whole number where only the multiplication's own rounding made it none.
std::optional<double> in_millionths(const json::Value& value) {
  constexpr double kMax = 9e9;  // in millionths still exact as a double
  if (!value.is_number() || !(value.number() >= 0 && value.number() <= kMax)) return std::nullopt;
  const double product = value.number() * 1e6;
  const double whole = std::round(product);
  const double noise = 2 * std::numeric_limits<double>::epsilon() * product;
  return std::abs(product - whole) <= noise ? whole : product;
}

std::optional<std::uint64_t> count(const json::Value& value) {
  const std::optional<std::int64_t> number = value.integer();
  if (!number || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

using Figure = std::optional<std::uint64_t> (*)(const json::Value&);

bool read_figures(const json::Value& value, Figure figure, Budget::Figures& out) {
  if (!is_filled_object(value)) return false;
  for (const json::Member& entry : value.object()) {
    const std::optional<std::uint64_t> limit = figure(entry.value);
    if (!limit) return false;
    out.emplace(entry.name, *limit);
  }
  return true;
}

Checked<void> read_budget(const json::Member& member, Budget& out) {
  constexpr std::string_view kKind =
      R"(an object of "calls" and "tools" in whole numbers and "sum" in numbers up to 9e9)";
  if (!is_filled_object(member.value)) return wrong_type(member.name, kKind);
  for (const json::Member& part : member.value.object()) {
    bool read = false;
    if (part.name == "calls") {
      out.calls = count(part.value);
      read = out.calls.has_value();
    } else if (part.name == "tools") {
      read = read_figures(part.value, count, out.tools);
    } else if (part.name == "sum") {
      read = read_figures(part.value, millionths_allowed, out.sums);
    }
    if (!read) return wrong_type(member.name, kKind);
  }
  return {};
}

std::optional<Requirement> requirement(const json::Value& value) {
  if (!value.is_string()) return std::nullopt;
  if (value.string() == "reason") return Requirement::kReason;
  if (value.string() == "approval") return Requirement::kApproval;
  if (value.string() == "clean") return Requirement::kClean;
  return std::nullopt;
}

// One requirement, or a list of them.
bool read_requirements(const json::Value& value, std::set<Requirement>& out) {
  const std::span<const json::Value> all =
      value.is_array() ? value.array() : std::span<const json::Value>(&value, 1);
  for (const json::Value& each : all) {
    const std::optional<Requirement> known = requirement(each);
    if (!known) return false;
    out.insert(*known);
  }
  return !all.empty();
}

Checked<void> read_require(const json::Member& member, Mandate& mandate) {
  constexpr std::string_view kKind =
      R"(an object that names "reason", "approval" or "clean" for tools)";
  if (!is_filled_object(member.value)) return wrong_type(member.name, kKind);
  for (const json::Member& tool : member.value.object()) {
    if (!read_requirements(tool.value, mandate.require[std::string(tool.name)]))
      return wrong_type(member.name, kKind);
  }
  return {};
}

bool is_thumbprint(const json::Value& value) {
  if (!value.is_string()) return false;
  const auto bytes = decode_base64url(value.string());
  return bytes && bytes->size() == std::tuple_size_v<Sha256>;
}

Checked<void> read_approvers(const json::Member& member, Approvers& out) {
  constexpr std::string_view kKind =
      R"(an object of "keys", a list of JWK thumbprints, and "min", how many of them)";
  const json::Value* keys = member.value.find("keys");
  const json::Value* min = member.value.find("min");
  if (keys == nullptr || !keys->is_array() || min == nullptr || !count(*min) ||
      member.value.object().size() != 2) {
    return wrong_type(member.name, kKind);
  }
  for (const json::Value& key : keys->array()) {
    if (!is_thumbprint(key)) return wrong_type(member.name, kKind);
    out.keys.emplace(key.string());
  }
  out.min = *count(*min);
  if (out.min == 0 || out.min > out.keys.size()) return wrong_type(member.name, kKind);
  return {};
}

Checked<void> read_status(const json::Member& member, StatusReference& out) {
  constexpr std::string_view kKind = R"(an object of "uri", an https URI, and "idx", an index)";
  const std::optional<std::string_view> uri = member.value.find_string("uri");
  const json::Value* index = member.value.find("idx");
  if (!uri || !is_uri(*uri) || !uri->starts_with("https://") || index == nullptr ||
      !count(*index) || member.value.object().size() != 2) {
    return wrong_type(member.name, kKind);
  }
  out = {std::string(*uri), *count(*index)};
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
  if (member.name == "instance") return read_instance(member, mandate.instance.emplace());
  if (member.name == "budget") return read_budget(member, mandate.budget.emplace());
  if (member.name == "require") return read_require(member, mandate);
  if (member.name == "approvers") return read_approvers(member, mandate.approvers.emplace());
  if (member.name == "status") return read_status(member, mandate.status.emplace());
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

Checked<void> instance_within(const Mandate& child, const Mandate& parent) {
  if (!parent.instance || child.instance) return {};
  return widens("instance", "is missing, and its parent carries it");
}

bool figures_within(const Budget::Figures& child, const Budget::Figures& parent) {
  return std::all_of(parent.begin(), parent.end(), [&](const auto& entry) {
    const auto mine = child.find(entry.first);
    return mine != child.end() && mine->second <= entry.second;
  });
}

Checked<void> budget_within(const Mandate& child, const Mandate& parent) {
  if (!parent.budget) return {};
  if (!child.budget) return widens("budget", "is missing, and its parent carries it");
  const Budget& mine = *child.budget;
  const Budget& theirs = *parent.budget;
  const bool calls = !theirs.calls || (mine.calls && *mine.calls <= *theirs.calls);
  if (calls && figures_within(mine.tools, theirs.tools) && figures_within(mine.sums, theirs.sums))
    return {};
  return widens("budget", "drops or raises a figure of its parent's");
}

Checked<void> require_within(const Mandate& child, const Capability& granted,
                             const Mandate& parent) {
  if (!parent.require.empty() && child.require.empty())
    return widens("require", "is missing, and its parent carries it");
  for (const auto& [tool, wanted] : parent.require) {
    if (granted.find(tool) == nullptr) continue;
    const auto mine = child.require.find(tool);
    if (mine == child.require.end() ||
        !std::includes(mine->second.begin(), mine->second.end(), wanted.begin(), wanted.end())) {
      return widens("require", "drops what its parent requires before " + shown(tool));
    }
  }
  return {};
}

Checked<void> approvers_within(const Mandate& child, const Mandate& parent) {
  if (!parent.approvers) return {};
  if (!child.approvers) return widens("approvers", "is missing, and its parent carries it");
  const Approvers& mine = *child.approvers;
  const Approvers& theirs = *parent.approvers;
  if (!std::includes(theirs.keys.begin(), theirs.keys.end(), mine.keys.begin(), mine.keys.end()))
    return widens("approvers", "lists keys that its parent's does not");
  if (mine.min < theirs.min) return widens("approvers", "asks for fewer than its parent's");
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

std::optional<std::uint64_t> millionths_spent(const json::Value& value) {
  const std::optional<double> exact = in_millionths(value);
  if (!exact) return std::nullopt;
  return static_cast<std::uint64_t>(std::ceil(*exact));
}

std::optional<std::uint64_t> millionths_allowed(const json::Value& value) {
  const std::optional<double> exact = in_millionths(value);
  if (!exact) return std::nullopt;
  return static_cast<std::uint64_t>(std::floor(*exact));
}

Checked<void> mandate_within(const Mandate& child, const Capability& granted,
                             const Mandate& parent) {
  return same("user", child.user, parent.user)
      .and_then([&] { return same("intent", child.intent, parent.intent); })
      .and_then([&] { return holder_within(child, parent); })
      .and_then([&] { return subset("holders", child.holders, parent.holders); })
      .and_then([&] { return subset("aud", child.audience, parent.audience); })
      .and_then([&] { return later(child.not_before, parent.not_before); })
      .and_then([&] { return instance_within(child, parent); })
      .and_then([&] { return budget_within(child, parent); })
      .and_then([&] { return require_within(child, granted, parent); })
      .and_then([&] { return approvers_within(child, parent); });
}

}  // namespace mandated::receipt
