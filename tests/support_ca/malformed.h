// Certificates that no verifier of X509-SVIDs may take, each wrong in one point and named for it.
// Made at run time, with fresh keys.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support_ca/test_ca.h"

namespace mandated::test {

struct Malformed {
  std::string name;    ///< what is wrong
  std::string reason;  ///< what the refusal must say
  std::vector<std::string> chain_der;
};

/// All of them are presented to one who believes the authority `bundles()` of the default TestCa,
/// at its time, and are refused to clients and servers alike.
std::vector<Malformed> malformed_certificates();

}  // namespace mandated::test
