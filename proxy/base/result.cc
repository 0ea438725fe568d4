#include "proxy/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace mandated {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::kEnd:
      return "end";
    case Code::kReset:
      return "reset";
    case Code::kCancelled:
      return "cancelled";
    case Code::kTimeout:
      return "timeout";
    case Code::kRefused:
      return "refused";
    case Code::kHandshake:
      return "handshake";
    case Code::kPeerIdentity:
      return "peer_identity";
    case Code::kMalformed:
      return "malformed";
    case Code::kTooLarge:
      return "too_large";
    case Code::kProtocol:
      return "protocol";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kNotFound:
      return "not_found";
    case Code::kOverloaded:
      return "overloaded";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kDenied:
      return "denied";
    case Code::kStorage:
      return "storage";
    case Code::kInvalidConfig:
      return "invalid_config";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "mandated: assertion failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace mandated
