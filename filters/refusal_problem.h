// A refusal as a client reads it that asked over HTTP and not in JSON-RPC.
#pragma once

#include <string>

#include "filters/receipt/refusal.h"

namespace mandated {

/// The problem document (RFC 9457), with what the refusal is about in members of their own.
std::string to_problem(int status, const receipt::Refusal& refusal);

}  // namespace mandated
