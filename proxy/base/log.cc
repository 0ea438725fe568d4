#include "proxy/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

namespace mandated::log {

namespace {

struct State {
  spdlog::logger logger{"mandated", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  std::atomic<Format> format{Format::kText};
  std::mutex mutex;  // guards limiter
  Limiter limiter;

  State() { configure(Level::kInfo, Format::kText); }

  void configure(Level level, Format wanted) {
    // The pattern writes what spdlog knows, a message begins where it ends.
    const char* pattern = wanted == Format::kJson
                              ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                              : "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
    logger.set_formatter(
        std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
    format = wanted;
    static constexpr spdlog::level::level_enum kLevels[] = {
        spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};
    logger.set_level(kLevels[static_cast<std::size_t>(level)]);
  }
};

// Never destroyed: threads may log until the process is gone.
State& state() {
  static State* const kState = new State;
  return *kState;
}

/// A JSON string; bytes that are no UTF-8 become U+FFFD.
std::string quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_value(const Field& field) {
  return std::visit(
      [](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>)
          return quoted(value);
        else
          return nlohmann::json(value).dump();
      },
      field.value());
}

/// As it is when one plain word, else as a JSON string, so that a line stays one line.
std::string text_value(const Field& field) {
  const auto* text = std::get_if<std::string_view>(&field.value());
  if (text == nullptr) return json_value(field);
  const bool plain = !text->empty() && std::all_of(text->begin(), text->end(), [](char byte) {
    return byte > ' ' && byte < 0x7f && byte != '"' && byte != '=' && byte != '\\';
  });
  return plain ? std::string(*text) : quoted(*text);
}

std::string message(Format format, std::string_view event, Fields fields, std::uint64_t left_out) {
  std::string line;
  if (format == Format::kJson) {
    line = "\"event\":" + quoted(event);
    for (const Field& field : fields) line += "," + quoted(field.name()) + ":" + json_value(field);
    if (left_out > 0) line += ",\"left_out\":" + std::to_string(left_out);
    return line;
  }
  line = event;
  for (const Field& field : fields)
    line.append(" ").append(field.name()).append("=").append(text_value(field));
  if (left_out > 0) line += " left_out=" + std::to_string(left_out);
  return line;
}

void write(spdlog::level::level_enum level, std::string_view event, Fields fields,
           std::uint64_t left_out = 0) {
  State& log = state();
  if (!log.logger.should_log(level)) return;
  const std::string line = message(log.format, event, fields, left_out);
  log.logger.log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void init(Level level, Format format) { state().configure(level, format); }

void debug(std::string_view event, Fields fields) { write(spdlog::level::debug, event, fields); }
void info(std::string_view event, Fields fields) { write(spdlog::level::info, event, fields); }
void error(std::string_view event, Fields fields) { write(spdlog::level::err, event, fields); }

void warn(std::string_view event, Fields fields) {
  std::optional<std::uint64_t> left_out;
  {
    const std::lock_guard lock(state().mutex);
    left_out = state().limiter.admit(event, std::chrono::steady_clock::now());
  }
  if (left_out) write(spdlog::level::warn, event, fields, *left_out);
}

std::optional<std::uint64_t> Limiter::admit(std::string_view event, Time now) {
  auto found = buckets_.find(event);
  if (found == buckets_.end())
    found = buckets_.emplace(std::string(event), Bucket{kBurst, now, 0}).first;
  Bucket& bucket = found->second;
  const double passed = std::chrono::duration<double>(now - bucket.updated).count();
  bucket.tokens = std::min(kBurst, bucket.tokens + passed * kPerSecond);
  bucket.updated = now;
  if (bucket.tokens < 1) {
    ++bucket.left_out;
    return std::nullopt;
  }
  bucket.tokens -= 1;
  return std::exchange(bucket.left_out, 0);
}

}  // namespace mandated::log
