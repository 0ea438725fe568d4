// The program's log: one line per event on stderr, JSON or text, for people and collectors. Never
// bodies, arguments or secrets: what must be provable stands in the audit file, what must alarm in
// the metrics. Safe from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace mandated::log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };
enum class Format : std::uint8_t { kJson, kText };

/// One key and its value. Views: valid for the call only.
class Field {
 public:
  Field(std::string_view name, std::string_view value) : name_(name), value_(value) {}
  Field(std::string_view name, const std::string& value)
      : name_(name), value_(std::string_view(value)) {}
  Field(std::string_view name, const char* value) : name_(name), value_(std::string_view(value)) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view name, T value) : name_(name) {
    if constexpr (std::is_same_v<T, bool>)
      value_ = value;
    else if constexpr (std::is_floating_point_v<T>)
      value_ = static_cast<double>(value);
    else if constexpr (std::is_signed_v<T>)
      value_ = static_cast<std::int64_t>(value);
    else
      value_ = static_cast<std::uint64_t>(value);
  }

  std::string_view name() const { return name_; }
  const auto& value() const { return value_; }

 private:
  std::string_view name_;
  std::variant<std::string_view, bool, std::int64_t, std::uint64_t, double> value_;
};
using Fields = std::initializer_list<Field>;

/// May be called again. Before the first call: text, from info up.
void init(Level level, Format format);

/// `event` is a literal such as "connection.closed": it names the kind of event, never its data.
void debug(std::string_view event, Fields fields = {});
void info(std::string_view event, Fields fields = {});
/// At most ten at once and one a second after that, per event; the next line says how many were
/// left out.
void warn(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});

/// The token bucket behind warn(), one per event name. Not thread-safe by itself.
class Limiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr double kBurst = 10;
  static constexpr double kPerSecond = 1;

  /// How many were left out since the last one that passed; nullopt: leave this one out too.
  std::optional<std::uint64_t> admit(std::string_view event, Time now);

 private:
  struct Bucket {
    double tokens = kBurst;
    Time updated;
    std::uint64_t left_out = 0;
  };
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace mandated::log
