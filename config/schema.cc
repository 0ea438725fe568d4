#include "config/schema.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace mandated::config {

namespace {

using nlohmann::json;
using Tokens = std::vector<std::string>;

struct Schema {
  json text = json::parse(schema_text());
  valijson::Schema rules;

  Schema() {
    // Patterns serve editors: std::regex recurses once per character, so that a long text would
    // overflow the stack. load.cc checks the same values with the parsers of units.h.
    json rules_text = text;
    remove_patterns(rules_text);
    valijson::SchemaParser().populateSchema(valijson::adapters::NlohmannJsonAdapter(rules_text),
                                            rules);
  }

  static void remove_patterns(json& node) {
    if (node.is_object() && node.contains("pattern") && node["pattern"].is_string())
      node.erase("pattern");
    for (json& child : node)
      if (child.is_structured()) remove_patterns(child);
  }
};

const Schema& schema() {
  static const Schema kSchema;
  return kSchema;
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

/// `; did you mean "address"?` when one of `known` is near enough.
std::string suggestion(std::string_view given, const std::vector<std::string>& known) {
  if (given.size() > 64) return "";
  const std::string* best = nullptr;
  std::size_t best_distance = 1 + std::max<std::size_t>(given.size() / 3, 1);
  for (const std::string& name : known) {
    const std::size_t distant = distance(given, name);
    if (distant >= best_distance) continue;
    best = &name;
    best_distance = distant;
  }
  return best == nullptr ? "" : "; did you mean \"" + *best + "\"?";
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::string plain(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::vector<std::string> choices(const json& rule) {
  std::vector<std::string> words;
  for (const json& value : rule.at("enum"))
    if (std::find(words.begin(), words.end(), plain(value)) == words.end())
      words.push_back(plain(value));
  return words;
}

std::string kind_of(const json& value) {
  if (value.is_object()) return "members";
  if (value.is_array()) return "a list";
  if (value.is_string()) return "text";
  if (value.is_boolean()) return "true or false";
  if (value.is_null()) return "nothing";
  return value.is_number_float() ? "a fraction" : "a number";
}

std::string kind_of_type(const json& rule, const std::string& type) {
  if (type == "object") return "members";
  if (type == "array") return "a list";
  if (type == "boolean") return "true or false";
  if (type == "integer") return rule.at("type").is_array() ? "a size" : "a whole number";
  return "text";
}

std::vector<std::string> types(const json& rule) {
  if (!rule.contains("type")) return {};
  const json& type = rule["type"];
  return type.is_array() ? type.get<std::vector<std::string>>()
                         : std::vector<std::string>{type.get<std::string>()};
}

/// "text such as 127.0.0.1:8080"
std::string expectation(const json& rule) {
  if (rule.contains("enum")) return listed(choices(rule));
  std::vector<std::string> kinds;
  for (const std::string& type : types(rule)) kinds.push_back(kind_of_type(rule, type));
  // Only sizes are a number or text, only `mandate` is members or text, and that text is "off".
  if (kinds.size() == 2) kinds.resize(1);
  std::string wanted = kinds.front();
  if (rule.contains("pattern") && rule["pattern"] == "^off$") wanted += " or off";
  const json* example = rule.contains("examples")  ? &rule["examples"].front()
                        : rule.contains("default") ? &rule["default"]
                                                   : nullptr;
  const bool shown = example != nullptr && !(example->is_structured() && example->empty()) &&
                     !example->is_boolean();
  if (shown) wanted += " such as " + plain(*example);
  return wanted;
}

bool has_type(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  return value.is_number_integer();
}

/// Collects what is wrong with one value itself, not with what it holds.
class Explainer {
 public:
  Explainer(const Document& document, std::vector<Problem>& problems)
      : positions_(document.positions), problems_(problems) {}

  bool explain(const json& rule, const json& value, const std::string& pointer) {
    const std::size_t before = problems_.size();
    const std::vector<std::string> allowed = types(rule);
    const bool fits = allowed.empty() ||
                      std::any_of(allowed.begin(), allowed.end(),
                                  [&value](const auto& type) { return has_type(value, type); });
    if (!fits) {
      add(pointer, "expected " + expectation(rule) + ", found " + kind_of(value));
      return true;
    }
    if (rule.contains("enum")) explain_enum(rule, value, pointer);
    if (value.is_object()) explain_object(rule, value, pointer);
    if (value.is_array()) explain_array(rule, value, pointer);
    if (value.is_string() && rule.contains("minLength") &&
        value.get_ref<const std::string&>().empty())
      add(pointer, "expected " + expectation(rule) + ", found nothing");
    if (value.is_number_integer()) explain_number(rule, value, pointer);
    return problems_.size() > before;
  }

  void add(const std::string& pointer, std::string text) {
    const Position at = positions_.of_value(pointer);
    problems_.push_back({"", at.line, at.column, pointer, std::move(text)});
  }

 private:
  void explain_enum(const json& rule, const json& value, const std::string& pointer) {
    const json& allowed = rule["enum"];
    if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
    const std::vector<std::string> words = choices(rule);
    add(pointer, "expected " + listed(words) +
                     (value.is_string() ? suggestion(value.get<std::string>(), words) : ""));
  }

  void explain_object(const json& rule, const json& value, const std::string& pointer) {
    std::vector<std::string> known;
    if (rule.contains("properties"))
      for (const auto& [name, ignored] : rule["properties"].items()) known.push_back(name);
    const bool closed =
        rule.contains("additionalProperties") && rule["additionalProperties"].is_boolean();
    for (const auto& [name, ignored] : value.items()) {
      if (!closed || std::find(known.begin(), known.end(), name) != known.end()) continue;
      const std::string suggested = suggestion(name, known);
      const std::string child = child_pointer(pointer, name);
      const Position at = positions_.of_member(child);
      problems_.push_back(
          {"", at.line, at.column, child,
           "unknown member" + (suggested.empty() ? "; expected " + listed(known) : suggested)});
    }
    for (const json& name : rule.value("required", json::array())) {
      if (value.contains(name.get<std::string>())) continue;
      const Position at = positions_.of_value(pointer);
      const std::string child = child_pointer(pointer, name.get<std::string>());
      problems_.push_back(
          {"", at.line, at.column, child,
           "missing; expected " + expectation(rule["properties"][name.get<std::string>()])});
    }
    if (rule.contains("maxProperties") && value.size() > rule["maxProperties"].get<std::size_t>())
      add(pointer, "expected at most " + rule["maxProperties"].dump() + " members");
  }

  void explain_array(const json& rule, const json& value, const std::string& pointer) {
    if (rule.contains("minItems") && value.size() < rule["minItems"].get<std::size_t>())
      add(pointer, "expected at least one item");
    if (rule.contains("maxItems") && value.size() > rule["maxItems"].get<std::size_t>())
      add(pointer, "expected at most " + rule["maxItems"].dump() + " items");
  }

  void explain_number(const json& rule, const json& value, const std::string& pointer) {
    if (rule.contains("minimum") && value < rule["minimum"])
      add(pointer, "expected at least " + rule["minimum"].dump());
    if (rule.contains("maximum") && value > rule["maximum"])
      add(pointer, "expected at most " + rule["maximum"].dump());
  }

  const Positions& positions_;
  std::vector<Problem>& problems_;
};

/// valijson's "<root>", "[listeners]", "[0]" into tokens.
Tokens tokens(const std::vector<std::string>& context) {
  Tokens result;
  for (std::size_t i = 1; i < context.size(); ++i)
    result.push_back(context[i].substr(1, context[i].size() - 2));
  return result;
}

/// The rule and the value at a place, or null where the schema does not reach.
struct Place {
  const json* rule;
  const json* value;
  std::string pointer;
};
std::optional<Place> find(const json& rule, const json& value, const Tokens& path) {
  Place place{&rule, &value, ""};
  for (const std::string& token : path) {
    if (place.value->is_array()) {
      const std::size_t index = std::stoul(token);
      if (index >= place.value->size() || !place.rule->contains("items")) return std::nullopt;
      place.rule = &(*place.rule)["items"];
      place.value = &(*place.value)[index];
    } else {
      if (!place.value->is_object() || !place.value->contains(token)) return std::nullopt;
      const json* const known =
          place.rule->contains("properties") ? &(*place.rule)["properties"] : nullptr;
      if (known != nullptr && known->contains(token))
        place.rule = &(*known)[token];
      else if (place.rule->contains("additionalProperties") &&
               (*place.rule)["additionalProperties"].is_object())
        place.rule = &(*place.rule)["additionalProperties"];
      else
        return std::nullopt;
      place.value = &(*place.value)[token];
    }
    place.pointer = child_pointer(place.pointer, token);
  }
  return place;
}

}  // namespace

std::vector<Problem> check_schema(const Document& document) {
  valijson::ValidationResults results;
  valijson::Validator validator;
  const valijson::adapters::NlohmannJsonAdapter target(document.value);
  if (validator.validate(schema().rules, target, &results)) return {};

  // valijson decides; what it names is looked up again to say it in words.
  std::vector<Problem> problems;
  Explainer explainer(document, problems);
  std::set<Tokens> seen;
  for (const valijson::ValidationResults::Error& error : results) {
    Tokens path = tokens(error.context);
    if (!seen.insert(path).second) continue;
    if (const std::optional<Place> place = find(schema().text, document.value, path))
      explainer.explain(*place->rule, *place->value, place->pointer);
  }
  if (problems.empty()) {
    const valijson::ValidationResults::Error& last = *std::prev(results.end());
    explainer.add("", "refused by the schema: " + last.description);
  }
  return problems;
}

}  // namespace mandated::config
