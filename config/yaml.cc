#include "config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>
#include <vector>

namespace mandated::config {

namespace {

using nlohmann::json;

// Thrown through yaml-cpp's parser, caught in parse_yaml.
struct Stop {
  Problem problem;
};

[[noreturn]] void stop(Position at, std::string path, std::string text) {
  throw Stop{{"", at.line, at.column, std::move(path), std::move(text)}};
}

Position position(const YAML::Mark& mark) {
  // Marks count from 0; some of yaml-cpp's are "null": -1.
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view without_sign(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return text;
}

/// Float of the core schema: [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_float(std::string_view text) {
  text = without_sign(text);
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    if (!is_digits(without_sign(text.substr(exponent + 1)))) return false;
    text = text.substr(0, exponent);
  }
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return is_digits(text);
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = text.substr(point + 1);
  if (whole.empty()) return is_digits(fraction);
  return is_digits(whole) && (fraction.empty() || is_digits(fraction));
}

bool is_special_float(std::string_view text) {
  const std::string_view plain = without_sign(text);
  return plain == ".inf" || plain == ".Inf" || plain == ".INF" || text == ".nan" ||
         text == ".NaN" || text == ".NAN";
}

template <class T>
T parsed(std::string_view text, int base, Position at, const std::string& path) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size())
    stop(at, path, "the number is too large");
  return value;
}

std::optional<json> integer(std::string_view text, Position at, const std::string& path) {
  if (text.starts_with("0x") || text.starts_with("0o")) {
    const bool hex = text[1] == 'x';
    const std::string_view digits = text.substr(2);
    const auto belongs = [hex](char c) {
      return (c >= '0' && c <= '7') ||
             (hex && (c == '8' || c == '9' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
    };
    if (digits.empty() || !std::all_of(digits.begin(), digits.end(), belongs)) return std::nullopt;
    return json(parsed<std::int64_t>(digits, hex ? 16 : 8, at, path));
  }
  const std::string_view digits = without_sign(text);
  if (!is_digits(digits)) return std::nullopt;
  // Decimal by YAML 1.2, octal by YAML 1.1: refused rather than guessed.
  if (digits.size() > 1 && digits.front() == '0')
    stop(at, path, "a number must not begin with 0; write it without, or in quotes as text");
  const std::int64_t value = parsed<std::int64_t>(digits, 10, at, path);
  return json(text.front() == '-' ? -value : value);
}

/// A plain scalar by the core schema of YAML 1.2, section 10.3.2.
json resolved(const std::string& text, Position at, const std::string& path) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (std::optional<json> number = integer(text, at, path)) return *std::move(number);
  if (is_special_float(text)) stop(at, path, "the number must be finite");
  if (!is_float(text)) return text;
  std::string_view digits = text;
  if (digits.front() == '+') digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || !std::isfinite(value)) stop(at, path, "the number is too large");
  return value;
}

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(Document& document) : document_(document) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    // The mark of a value that is not there is wherever the next token stands.
    const bool named = !open_.empty() && open_.back().name;
    add(named ? document_.positions.of_member(next_pointer()) : position(mark), nullptr);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    stop(position(mark), path(), "aliases are not supported; write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const Position at = position(mark);
    check(at, tag, anchor);
    if (awaits_name()) return name_member(at, text);
    const std::string pointer = next_pointer();
    // yaml-cpp's names for an untagged scalar: "?" plain, "!" quoted.
    add(at, tag == "!" ? json(text) : resolved(text, at, pointer));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check(position(mark), tag, anchor);
    open(position(mark), json::array());
  }
  void OnSequenceEnd() override { open_.pop_back(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check(position(mark), tag, anchor);
    open(position(mark), json::object());
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  struct Open {
    json* container;
    std::string pointer;
    std::optional<std::string> name;  // of the member whose value comes next
  };

  std::string path() const { return open_.empty() ? "" : open_.back().pointer; }

  void check(Position at, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor)
      stop(at, path(), "anchors are not supported; write the value out");
    if (!tag.empty() && tag != "?" && tag != "!")
      stop(at, path(), "tags are not supported; quote a value to make it text");
  }

  bool awaits_name() const {
    return !open_.empty() && open_.back().container->is_object() && !open_.back().name;
  }

  void name_member(Position at, const std::string& name) {
    Open& map = open_.back();
    const std::string pointer = child_pointer(map.pointer, name);
    if (map.container->contains(name)) {
      const Position first = document_.positions.of_member(pointer);
      stop(at, pointer,
           "stands here for the second time; first in line " + std::to_string(first.line));
    }
    document_.positions.members[pointer] = at;
    map.name = name;
  }

  std::string next_pointer() const {
    if (open_.empty()) return "";
    const Open& parent = open_.back();
    return child_pointer(parent.pointer,
                         parent.name ? *parent.name : std::to_string(parent.container->size()));
  }

  json* add(Position at, json value) {
    if (++nodes_ > kNodesMax) stop(at, "", "more than " + std::to_string(kNodesMax) + " values");
    if (awaits_name()) stop(at, path(), "a member's name must be plain text");
    const std::string pointer = next_pointer();
    document_.positions.values[pointer] = at;
    if (open_.empty()) {
      document_.value = std::move(value);
      return &document_.value;
    }
    Open& parent = open_.back();
    if (parent.name) {
      json& member = (*parent.container)[*parent.name];
      parent.name.reset();
      return &(member = std::move(value));
    }
    document_.positions.members[pointer] = at;
    parent.container->push_back(std::move(value));
    return &parent.container->back();
  }

  void open(Position at, json container) {
    if (open_.size() >= kDepthMax)
      stop(at, path(), "nested more than " + std::to_string(kDepthMax) + " deep");
    std::string pointer = next_pointer();
    // Stays where it is: its parent does not grow before it is closed.
    json* const added = add(at, std::move(container));
    open_.push_back({added, std::move(pointer), std::nullopt});
  }

  Document& document_;
  std::vector<Open> open_;
  std::size_t nodes_ = 0;
};

bool is_utf8(std::string_view text) {
  try {
    static_cast<void>(json(text).dump());
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

std::optional<Problem> check_bytes(std::string_view text) {
  if (text.size() > kFileBytesMax) return Problem{"", 1, 1, "", "the file is larger than 1 MiB"};
  int line = 1;
  for (std::size_t begin = 0; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view bytes = text.substr(begin, end - begin);
    if (!is_utf8(bytes)) return Problem{"", line, 1, "", "the line is not UTF-8"};
    if (bytes.find('\0') != std::string_view::npos)
      return Problem{"", line, 1, "", "the line holds a NUL byte"};
    begin = end + 1;
  }
  return std::nullopt;
}

/// What a second document would be.
class Refuser final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    stop(position(mark), "", "expected one document, found a second");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

}  // namespace

Position Positions::of_member(const std::string& pointer) const {
  const auto found = members.find(pointer);
  return found != members.end() ? found->second : of_value(pointer);
}

Position Positions::of_value(const std::string& pointer) const {
  const auto found = values.find(pointer);
  return found != values.end() ? found->second : Position{};
}

std::string child_pointer(const std::string& pointer, std::string_view token) {
  std::string child = pointer + "/";
  for (const char byte : token) {
    if (byte == '~')
      child += "~0";
    else if (byte == '/')
      child += "~1";
    else
      child += byte;
  }
  return child;
}

tl::expected<Document, Problem> parse_yaml(std::string_view text) {
  if (std::optional<Problem> problem = check_bytes(text)) return tl::unexpected(*problem);
  Document document;
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    Builder builder(document);
    if (!parser.HandleNextDocument(builder))
      return tl::unexpected(Problem{"", 1, 1, "", "the file is empty"});
    Refuser refuser;
    parser.HandleNextDocument(refuser);
  } catch (Stop& stopped) {
    return tl::unexpected(std::move(stopped.problem));
  } catch (const YAML::Exception& error) {
    const Position at = position(error.mark);
    return tl::unexpected(Problem{"", at.line, at.column, "", "not YAML: " + error.msg});
  }
  return document;
}

}  // namespace mandated::config
