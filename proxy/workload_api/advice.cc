#include "proxy/workload_api/advice.h"

#include <unistd.h>

namespace mandated::workload_api {

std::string advice_for(const Error& error, const net::Address& endpoint) {
  const std::string own = "unix:uid:" + std::to_string(::getuid());
  switch (error.code) {
    case Code::kRefused:
    case Code::kReset:
    case Code::kEnd:
      return "Is the SPIFFE agent running, is " + endpoint.to_string() +
             " its endpoint, and may this user (uid " + std::to_string(::getuid()) +
             ") connect to it?";
    case Code::kDenied:
      return "No registration entry fits this process: make one for it, for instance with the "
             "selector " +
             own + "; `mandated identity check` names its other selectors.";
    case Code::kNotFound:
      return "Make a registration entry for it, or change identity.workload_api.spiffe_id or hint.";
    case Code::kTimeout:
      return "The agent is there but gave nothing in time: its own log says why.";
    case Code::kMalformed:
    case Code::kPeerIdentity:
      return "No peer would believe that: do the clocks of the agent and its server agree with "
             "this one, and what does the agent's log say?";
    case Code::kUnsupported:
    case Code::kProtocol:
      return "Is " + endpoint.to_string() + " the endpoint of a SPIFFE Workload API?";
    case Code::kInternal:
      return "That is a mistake in mandated: please report it.";
    default:
      return "The agent's own log may say why.";
  }
}

}  // namespace mandated::workload_api
