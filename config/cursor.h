// Walks a parsed file and fills structs from it. Members that are absent, or of a type that the
// schema has already complained about, leave the default as it is; what a grammar of units.h
// refuses becomes a problem with its place.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/units.h"
#include "config/yaml.h"

namespace mandated::config {

class Cursor {
 public:
  Cursor(const Document& document, std::vector<Problem>& problems)
      : positions_(document.positions), value_(document.value), problems_(problems) {}

  bool has(std::string_view name) const {
    return value_.is_object() && value_.contains(std::string(name));
  }
  bool is_string() const { return value_.is_string(); }
  bool is_object() const { return value_.is_object(); }
  const std::string& pointer() const { return pointer_; }
  const nlohmann::json& value() const { return value_; }
  Position position() const { return positions_.of_value(pointer_); }

  /// At this value.
  void problem(std::string text) const { add(positions_.of_value(pointer_), pointer_, text); }
  /// At a member of it, present or missing.
  void problem(std::string_view name, std::string text) const {
    const std::string child = child_pointer(pointer_, name);
    add(has(name) ? positions_.of_value(child) : positions_.of_value(pointer_), child, text);
  }
  /// As problem(), when `parsed` holds one.
  template <class T>
  void check(std::string_view name, const Parsed<T>& parsed) const {
    if (!parsed) problem(name, parsed.error());
  }

  void text(std::string_view name, std::string& out) const {
    if (const nlohmann::json* member = find(name); member != nullptr && member->is_string())
      out = member->get<std::string>();
  }
  void boolean(std::string_view name, bool& out) const {
    if (const nlohmann::json* member = find(name); member != nullptr && member->is_boolean())
      out = member->get<bool>();
  }
  template <class T>
  void number(std::string_view name, T& out) const {
    const nlohmann::json* const member = find(name);
    if (member != nullptr && member->is_number_integer() && *member >= 0 && *member <= 1U << 30U)
      out = member->get<T>();
  }
  void size(std::string_view name, std::size_t& out) const;
  void duration(std::string_view name, Duration& out) const;
  /// Downwards only: `out` holds the ceiling.
  void lower_size(std::string_view name, std::size_t& out) const;
  void lower_duration(std::string_view name, Duration& out) const;

  template <class E>
  void choice(std::string_view name, std::initializer_list<std::pair<const char*, E>> words,
              E& out) const {
    const nlohmann::json* const member = find(name);
    if (member == nullptr) return;
    const std::string given = member->is_string() ? member->get<std::string>() : member->dump();
    for (const auto& [word, meaning] : words)
      if (given == word) out = meaning;
  }

  /// A list of strings, each refused by `check` or kept.
  template <class Check>
  void strings(std::string_view name, std::vector<std::string>& out, Check&& check) const {
    each(name, [&](const Cursor& item) {
      if (!item.is_string()) return;
      std::string text = item.value_.get<std::string>();
      const Parsed<void> parsed = check(text);
      if (!parsed) item.problem(parsed.error());
      out.push_back(std::move(text));
    });
  }

  /// Calls back for a member that is an object or a string.
  template <class Callback>
  void member(std::string_view name, Callback&& callback) const {
    const nlohmann::json* const found = find(name);
    if (found == nullptr) return;
    callback(Cursor(positions_, *found, child_pointer(pointer_, name), problems_));
  }
  /// Calls back for each item of a list, or member of an object.
  template <class Callback>
  void each(std::string_view name, Callback&& callback) const {
    member(name, [&](const Cursor& list) {
      if (!list.value_.is_array()) return;
      for (std::size_t i = 0; i < list.value_.size(); ++i)
        callback(Cursor(positions_, list.value_[i], child_pointer(list.pointer_, std::to_string(i)),
                        problems_));
    });
  }

 private:
  Cursor(const Positions& positions, const nlohmann::json& value, std::string pointer,
         std::vector<Problem>& problems)
      : positions_(positions), value_(value), pointer_(std::move(pointer)), problems_(problems) {}

  const nlohmann::json* find(std::string_view name) const {
    return has(name) ? &value_[std::string(name)] : nullptr;
  }
  void add(Position at, const std::string& path, std::string& text) const {
    problems_.push_back({"", at.line, at.column, path, std::move(text)});
  }

  const Positions& positions_;
  const nlohmann::json& value_;
  std::string pointer_;
  std::vector<Problem>& problems_;
};

}  // namespace mandated::config
