// What to do about it: a sentence for whoever meets an error of the Workload API.
#pragma once

#include <string>

#include "proxy/base/result.h"
#include "proxy/net/address.h"

namespace mandated::workload_api {

std::string advice_for(const Error& error, const net::Address& endpoint);

}  // namespace mandated::workload_api
