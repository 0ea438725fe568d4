// Parsing and the `check` predicates of AAT section 3.4. The subsumption rules stand in
// subsumption.cc, the extension types in files of their own.
#include "filters/receipt/constraint.h"

#include <algorithm>
#include <array>

namespace mandated::receipt {
namespace {

struct TypeRow {
  std::string_view name;
  ConstraintType type;
  std::array<std::string_view, 4> members;  // beside constraint_type
  // Extension types only: how the members are read, and what they must be.
  std::optional<Extension> (*parse)(const json::Value& source) = nullptr;
  std::string_view wanted = "";
};

template <class Type>
std::optional<Extension> parse_as(const json::Value& source) {
  return Type::parse(source);
}

constexpr std::array kTypes{
    TypeRow{"exact", ConstraintType::kExact, {"value"}},
    TypeRow{"range", ConstraintType::kRange, {"min", "max", "min_inclusive", "max_inclusive"}},
    TypeRow{"one_of", ConstraintType::kOneOf, {"values"}},
    TypeRow{"not_one_of", ConstraintType::kNotOneOf, {"excluded"}},
    TypeRow{"contains", ConstraintType::kContains, {"required"}},
    TypeRow{"subset", ConstraintType::kSubset, {"allowed"}},
    TypeRow{"wildcard", ConstraintType::kWildcard, {}},
    TypeRow{"all", ConstraintType::kAll, {"constraints"}},
    TypeRow{"any", ConstraintType::kAny, {"constraints"}},
    TypeRow{"path_containment",
            ConstraintType::kPathContainment,
            {"root"},
            parse_as<PathContainment>,
            "a root that is an absolute path"},
    TypeRow{
        "url_containment",
        ConstraintType::kUrlContainment,
        {"scheme", "host", "port", "path"},
        parse_as<UrlContainment>,
        "a scheme (https, http, wss, ws or ftp), a host, and perhaps a port and a path, each in "
        "the form that a URL parser prints"},
    TypeRow{"string_prefix",
            ConstraintType::kStringPrefix,
            {"prefix"},
            parse_as<StringPrefix>,
            "a prefix that is a string"},
    TypeRow{"cidr",
            ConstraintType::kCidr,
            {"net"},
            parse_as<AddressBlock>,
            "a net like \"10.0.0.0/8\" or \"2001:db8::/32\", without host bits"},
    TypeRow{"length",
            ConstraintType::kLength,
            {"max"},
            parse_as<LengthBound>,
            "a max that is a whole number, not below 0"},
    TypeRow{"glob",
            ConstraintType::kGlob,
            {"pattern"},
            parse_as<Glob>,
            "a pattern that is a string, without ***, and with a character after each backslash"},
    TypeRow{
        "shell_command",
        ConstraintType::kShellCommand,
        {"programs", "flags"},
        parse_as<ShellCommand>,
        "an array of programs, and perhaps of flags that begin with -, all of them strings that "
        "are not empty"},
};

Checked<const TypeRow*> read_row(const json::Value& source) {
  if (!source.is_object()) return refuse(Code::kMalformed, "A constraint is not a JSON object.");
  const auto name = source.find_string("constraint_type");
  if (!name)
    return refuse(Code::kMalformed, "A constraint has no constraint_type that is a string.");
  const auto* row = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&](const TypeRow& each) { return each.name == *name; });
  if (row == kTypes.end()) {
    return refuse(Code::kUnknownConstraint,
                  "The constraint type " + shown(*name) + " is not known here.");
  }
  for (const json::Member& member : source.object()) {
    const bool known = member.name == "constraint_type" ||
                       (!member.name.empty() &&
                        std::count(row->members.begin(), row->members.end(), member.name) > 0);
    if (!known) {
      return refuse(Code::kMalformed, "A constraint of type " + shown(*name) + " has no member " +
                                          shown(member.name) + ".");
    }
  }
  return row;
}

Checked<void> check_length(const json::Value& value, const Limits& limits) {
  const std::size_t length = value.is_string() ? value.string().size() : value.raw().size();
  if (length <= limits.constraint_value_bytes_max) return {};
  return refuse(Code::kTooLarge, "A constraint's value is longer than " +
                                     std::to_string(limits.constraint_value_bytes_max) + " bytes.");
}

tl::unexpected<Refusal> missing(ConstraintType type, std::string_view member,
                                std::string_view kind) {
  return refuse(Code::kMalformed, "A constraint of type " + shown(to_string(type)) +
                                      " needs a member " + shown(member) + " that is " +
                                      std::string(kind) + ".");
}

const TypeRow& row_of(ConstraintType type) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [&](const TypeRow& each) { return each.type == type; });
}

}  // namespace

std::string_view to_string(ConstraintType type) { return row_of(type).name; }

Checked<Constraint> Constraint::parse(const json::Value& source, const Limits& limits,
                                      std::size_t depth) {
  if (depth > limits.constraint_depth_max) {
    return refuse(Code::kTooLarge, "A constraint nests deeper than " +
                                       std::to_string(limits.constraint_depth_max) + " levels.");
  }
  const auto row = read_row(source);
  if (!row) return tl::unexpected(row.error());
  Constraint constraint;
  constraint.type_ = (*row)->type;
  constraint.source_ = &source;
  Checked<void> read;
  switch (constraint.type_) {
    case ConstraintType::kExact:
      read = constraint.read_value(limits);
      break;
    case ConstraintType::kRange:
      read = constraint.read_range();
      break;
    case ConstraintType::kOneOf:
    case ConstraintType::kNotOneOf:
    case ConstraintType::kContains:
    case ConstraintType::kSubset:
      read = constraint.read_values((*row)->members.front(), limits);
      break;
    case ConstraintType::kAll:
    case ConstraintType::kAny:
      read = constraint.read_clauses(limits, depth);
      break;
    case ConstraintType::kPathContainment:
    case ConstraintType::kUrlContainment:
    case ConstraintType::kStringPrefix:
    case ConstraintType::kCidr:
    case ConstraintType::kLength:
    case ConstraintType::kGlob:
    case ConstraintType::kShellCommand:
      read = constraint.read_extension(limits);
      break;
    case ConstraintType::kWildcard:
      break;
  }
  if (!read) return tl::unexpected(std::move(read.error()));
  return constraint;
}

Checked<void> Constraint::read_value(const Limits& limits) {
  value_ = source_->find("value");
  if (value_ == nullptr || value_->is_array() || value_->is_object())
    return missing(type_, "value", "a scalar");
  return check_length(*value_, limits);
}

Checked<void> Constraint::read_values(std::string_view member, const Limits& limits) {
  const json::Value* values = source_->find(member);
  if (values == nullptr || !values->is_array()) return missing(type_, member, "an array");
  for (const json::Value& value : values->array()) {
    if (auto checked = check_length(value, limits); !checked) return checked;
  }
  values_ = ValueSet(values->array());
  return {};
}

Checked<void> Constraint::read_range() {
  return read_bound("min", "min_inclusive", min_).and_then([this] {
    return read_bound("max", "max_inclusive", max_);
  });
}

Checked<void> Constraint::read_bound(std::string_view member, std::string_view inclusive,
                                     std::optional<Bound>& bound) {
  const json::Value* value = source_->find(member);
  if (value != nullptr && !value->is_number()) return missing(type_, member, "a number, or none");
  const json::Value* flag = source_->find(inclusive);
  if (flag != nullptr && !flag->is_bool())
    return missing(type_, inclusive, "true or false, or none");
  if (value != nullptr) bound = Bound{value->number(), flag == nullptr || flag->boolean()};
  return {};
}

Checked<void> Constraint::read_clauses(const Limits& limits, std::size_t depth) {
  const json::Value* clauses = source_->find("constraints");
  if (clauses == nullptr || !clauses->is_array()) return missing(type_, "constraints", "an array");
  clauses_.reserve(clauses->array().size());
  for (const json::Value& clause : clauses->array()) {
    auto parsed = parse(clause, limits, depth + 1);
    if (!parsed) return tl::unexpected(std::move(parsed.error()));
    clauses_.push_back(std::move(*parsed));
  }
  return {};
}

Checked<void> Constraint::read_extension(const Limits& limits) {
  const auto check_lengths = [&](const json::Value& member) -> Checked<void> {
    if (!member.is_array()) return check_length(member, limits);
    for (const json::Value& value : member.array()) {
      if (auto checked = check_length(value, limits); !checked) return checked;
    }
    return {};
  };
  const TypeRow& row = row_of(type_);
  extension_ = row.parse(*source_);
  if (!extension_) {
    return refuse(Code::kMalformed, "A constraint of type " + shown(row.name) + " needs " +
                                        std::string(row.wanted) + ".");
  }
  for (const json::Member& member : source_->object()) {
    if (auto checked = check_lengths(member.value); !checked) return checked;
  }
  return {};
}

bool Constraint::check(const json::Value& argument, Effort& effort) const {
  if (!effort.spend(1)) return false;
  const auto accepts = [&](const Constraint& clause) { return clause.check(argument, effort); };
  switch (type_) {
    case ConstraintType::kExact:
      return json::equal(*value_, argument);
    case ConstraintType::kRange:
      return argument.is_number() && in_range(argument.number());
    case ConstraintType::kOneOf:
      return values_.contains(argument, effort);
    case ConstraintType::kNotOneOf:
      return !values_.contains(argument, effort);
    case ConstraintType::kContains:
      return holds_required(argument, effort);
    case ConstraintType::kSubset:
      return holds_allowed_only(argument, effort);
    case ConstraintType::kWildcard:
      return true;
    case ConstraintType::kAll:
      return std::all_of(clauses_.begin(), clauses_.end(), accepts);
    case ConstraintType::kAny:
      return std::any_of(clauses_.begin(), clauses_.end(), accepts);
    case ConstraintType::kPathContainment:
    case ConstraintType::kUrlContainment:
    case ConstraintType::kStringPrefix:
    case ConstraintType::kCidr:
    case ConstraintType::kLength:
    case ConstraintType::kGlob:
    case ConstraintType::kShellCommand:
      break;
  }
  return extension_accepts(argument, effort);
}

bool Constraint::in_range(double number) const {
  const bool above = !min_ || number > min_->value || (min_->inclusive && number == min_->value);
  const bool below = !max_ || number < max_->value || (max_->inclusive && number == max_->value);
  return above && below;
}

// One pass over the argument, which may be far longer than the list of required values.
bool Constraint::holds_required(const json::Value& argument, Effort& effort) const {
  if (!argument.is_array()) return false;
  std::vector<bool> seen(values_.values().size(), false);
  for (const json::Value& element : argument.array()) {
    if (const auto at = values_.find(element, effort)) seen[*at] = true;
  }
  // A value that is required twice is marked at its first place only.
  return std::all_of(values_.values().begin(), values_.values().end(),
                     [&](const json::Value& required) {
                       const auto at = values_.find(required, effort);
                       return at && seen[*at];
                     });
}

bool Constraint::holds_allowed_only(const json::Value& argument, Effort& effort) const {
  if (!argument.is_array()) return false;
  return std::all_of(argument.array().begin(), argument.array().end(),
                     [&](const json::Value& element) { return values_.contains(element, effort); });
}

// Reading the argument once; what costs more spends its own.
bool Constraint::extension_accepts(const json::Value& argument, Effort& effort) const {
  constexpr std::size_t kBytesPerStep = 4;
  if (!effort.spend(1 + argument.raw().size() / kBytesPerStep)) return false;
  return std::visit([&](const auto& type) { return type.accepts(argument, effort); }, *extension_);
}

}  // namespace mandated::receipt
