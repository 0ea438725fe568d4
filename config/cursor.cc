#include "config/cursor.h"

namespace mandated::config {

void Cursor::size(std::string_view name, std::size_t& out) const {
  const nlohmann::json* const member = find(name);
  if (member == nullptr) return;
  if (!member->is_string()) return number(name, out);
  const Parsed<std::size_t> parsed = parse_size(member->get<std::string>());
  check(name, parsed);
  if (parsed) out = *parsed;
}

void Cursor::duration(std::string_view name, Duration& out) const {
  const nlohmann::json* const member = find(name);
  if (member == nullptr || !member->is_string()) return;
  const Parsed<Duration> parsed = parse_duration(member->get<std::string>());
  check(name, parsed);
  if (parsed) out = *parsed;
}

void Cursor::lower_size(std::string_view name, std::size_t& out) const {
  const std::size_t ceiling = out;
  size(name, out);
  if (out > ceiling) problem(name, "expected at most " + std::to_string(ceiling) + " bytes");
}

void Cursor::lower_duration(std::string_view name, Duration& out) const {
  const Duration ceiling = out;
  duration(name, out);
  if (out > ceiling) {
    problem(name, "expected at most " +
                      std::to_string(std::chrono::duration_cast<seconds>(ceiling).count()) + "s");
  }
}

}  // namespace mandated::config
