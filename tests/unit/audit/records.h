// Fixed records for the audit tests: one with every member set, one with few.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "proxy/audit/memory_sink.h"
#include "proxy/audit/record.h"

namespace mandated::audit::test {

inline Clock::WallTime at(double seconds) {
  return Clock::WallTime(std::chrono::microseconds(std::llround(seconds * 1e6)));
}

inline Record full_record() {
  Record record;
  record.time = at(1780000000.25);
  record.exchange = "0123456789abcdef0123456789abcdef";
  record.phase = Phase::kDecision;
  record.role = "inbound";
  record.route = "files";
  record.caller = "spiffe://example.org/agent/x";
  record.caller_proof = "x509_svid";
  record.protocol = "mcp";
  record.method = "tools/call";
  record.tool = "read_file";
  record.arguments_hash = arguments_hash(json::Document::parse(R"({"path":"/data/f"})")->root());
  record.arguments = "{\"path\":\n\"/data/f\"}";
  record.receipt = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
  record.chain = {"root-1", "leaf-\"2\""};
  record.user = "mailto:alice@example.org";
  record.intent = "Summarise the \xE2\x80\x9Cquarter\xE2\x80\x9D\nreports";
  record.permit = false;
  record.refusal = Refusal{"argument_denied", 1, "path", R"({"type":"exact","value":"/data/e"})",
                           "The receipt does not grant this path."};
  record.upstream = "files";
  return record;
}

inline Record outcome_record() {
  Record record;
  record.time = at(1780000001);
  record.exchange = "0123456789abcdef0123456789abcdef";
  record.phase = Phase::kOutcome;
  record.role = "inbound";
  record.permit = true;
  record.status = 200;
  record.duration_us = 1234;
  record.bytes_in = 0;
  record.bytes_out = 77;
  record.error = "reset";
  return record;
}

/// The lines of a trail of `count` records, without their newlines.
inline std::vector<std::string> trail(std::size_t count) {
  Chain chain(0, "");
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < count; ++i) {
    std::string line = chain.next(serialize(i % 2 == 0 ? full_record() : outcome_record()));
    line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace mandated::audit::test
