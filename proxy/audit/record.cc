#include "proxy/audit/record.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "proxy/audit/chain.h"

namespace mandated::audit {

namespace {

// A line stays small whatever the peer sent: what is longer is cut, larger arguments are left to
// their hash.
constexpr std::size_t kTextBytesMax = 4096;
constexpr std::size_t kJsonBytesMax = 1U << 20U;

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

/// A JSON string; what is no UTF-8 becomes U+FFFD, since a line that is none would not verify.
void append_text(std::string_view text, std::string& out) {
  const bool ascii = std::all_of(text.begin(), text.end(),
                                 [](char byte) { return static_cast<unsigned char>(byte) < 0x80; });
  if (ascii) return json::append_quoted(text, out);
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class Line {
 public:
  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    open(name);
    append(value);
  }
  void number(std::string_view name, std::int64_t value) {
    if (value < 0) return;
    open(name);
    bytes_ += std::to_string(value);
  }
  void texts(std::string_view name, const std::vector<std::string>& values) {
    if (values.empty()) return;
    open(name);
    char separator = '[';
    for (const std::string& value : values) {
      bytes_ += separator;
      separator = ',';
      append(value);
    }
    bytes_ += ']';
  }
  /// JSON text as it is; line breaks in it can only be insignificant white space.
  void json(std::string_view name, std::string_view value) {
    if (value.empty() || value.size() > kJsonBytesMax) return;
    open(name);
    const std::size_t begin = bytes_.size();
    bytes_ += value;
    for (std::size_t i = begin; i < bytes_.size(); ++i)
      if (bytes_[i] == '\n' || bytes_[i] == '\r') bytes_[i] = ' ';
  }
  void refusal(const Refusal& refusal) {
    open("refusal");
    Line members;
    members.text("code", refusal.code);
    members.number("hop", refusal.hop);
    members.text("argument", refusal.argument);
    members.text("constraint", refusal.constraint);
    members.text("sentence", refusal.sentence);
    bytes_ += '{' + std::move(members).take() + '}';
  }
  std::string take() && { return std::move(bytes_); }

 private:
  void open(std::string_view name) {
    if (!bytes_.empty()) bytes_ += ',';
    bytes_.append("\"").append(name).append("\":");
  }
  void append(std::string_view value) {
    if (value.size() <= kTextBytesMax) return append_text(value, bytes_);
    std::size_t size = kTextBytesMax;
    while (size > 0 && is_continuation(value[size])) --size;
    append_text(std::string(value.substr(0, size)) + "\xE2\x80\xA6", bytes_);  // an ellipsis
  }

  std::string bytes_;
};

}  // namespace

std::string arguments_hash(const json::Value& arguments) {
  return hash(json::canonical(arguments));
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::kDecision:
      return "decision";
    case Phase::kOutcome:
      return "outcome";
    case Phase::kAlert:
      return "alert";
  }
  return "outcome";
}

std::string serialize(const Record& record) {
  Line line;
  line.text("time", time_text(record.time));
  line.text("phase", to_string(record.phase));
  line.text("exchange", record.exchange);
  line.text("role", record.role);
  line.text("route", record.route);
  line.text("caller", record.caller);
  line.text("caller_proof", record.caller_proof);
  line.text("caller_executable", record.caller_executable);
  line.text("caller_sha256", record.caller_sha256);
  line.number("caller_pid", record.caller_pid);
  line.text("protocol", record.protocol);
  line.text("method", record.method);
  line.text("tool", record.tool);
  line.text("arguments_hash", record.arguments_hash);
  line.json("arguments", record.arguments);
  line.text("receipt", record.receipt);
  line.texts("chain", record.chain);
  line.text("user", record.user);
  line.text("intent", record.intent);
  line.text("ticket", record.ticket);
  line.texts("approved_by", record.approved_by);
  line.texts("instances", record.instances);
  line.text("verdict", record.permit ? "permit" : "deny");
  if (record.refusal) line.refusal(*record.refusal);
  line.text("upstream", record.upstream);
  line.number("status", record.status);
  line.number("duration_us", record.duration_us);
  line.number("bytes_in", record.bytes_in);
  line.number("bytes_out", record.bytes_out);
  line.text("error", record.error);
  return std::move(line).take();
}

}  // namespace mandated::audit
