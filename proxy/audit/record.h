// What the audit trail says about a call: one record of the decision, one of the outcome. Built by
// server/exchange, written by a Sink, checked by verify.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/task.h"
#include "proxy/json/json.h"

namespace mandated::audit {

/// A decision is written before the call is let out, the outcome when it is over. A call that ended
/// before anything could be decided (bad TLS, bad HTTP) has an outcome only. An alert is about a
/// call that was permitted, and should be looked at.
enum class Phase : std::uint8_t { kDecision, kOutcome, kAlert };
std::string_view to_string(Phase phase);

struct Refusal {
  std::string code;
  int hop = -1;  ///< index of the token in the chain; -1: none
  std::string argument;
  std::string constraint;  ///< as JSON text
  std::string sentence;
};

/// Members that are empty (or -1) are left out of the line.
struct Record {
  Clock::WallTime time;
  std::string exchange;  ///< the same in both records of a call
  Phase phase = Phase::kDecision;
  std::string role;  ///< "outbound" or "inbound"
  std::string route;
  std::string caller;             ///< SPIFFE ID
  std::string caller_proof;       ///< "x509_svid", "local_socket" or "none"
  std::string caller_executable;  ///< path, of a local process that is known; with the next two
  std::string caller_sha256;      ///< of that file
  std::int64_t caller_pid = -1;
  std::string protocol;  ///< "mcp", "http"
  std::string method;
  std::string tool;
  std::string arguments_hash;  ///< arguments_hash() below
  std::string arguments;       ///< JSON text, only where the configuration says `full`
  std::string receipt;         ///< VerifiedChain::digest: the par_hash that its child would carry
  std::vector<std::string> chain;  ///< jti of each hop, root first
  std::string user;
  std::string intent;
  std::string ticket;                    ///< of the question that people answered with yes
  std::vector<std::string> approved_by;  ///< thumbprints (RFC 7638) of the keys that signed it
  std::vector<std::string> instances;    ///< of an alert: who use the receipt at once
  bool permit = false;
  std::optional<Refusal> refusal;
  std::string upstream;
  int status = -1;
  std::int64_t duration_us = -1;
  std::int64_t bytes_in = -1;   ///< of the request's body
  std::int64_t bytes_out = -1;  ///< of the answer's body
  std::string error;            ///< to_string(Code), where the call failed
};

/// SHA-256 over the RFC 8785 form, base64url.
std::string arguments_hash(const json::Value& arguments);

/// The record's members as JSON without braces: what a line holds besides `seq` and `prev`.
std::string serialize(const Record& record);

/// Where records go.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Where records are written before the call: completes when this one is durable. Else: at once.
  /// kStorage: it is not recorded, so the call must not go out.
  virtual Task<Result<void>> append(Record record) = 0;
};

}  // namespace mandated::audit
