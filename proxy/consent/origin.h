// Where the consent service is found by browsers. Passkeys belong to the host (RP ID) and sign on
// pages of this origin only.
#pragma once

#include <string>
#include <string_view>

#include "proxy/base/result.h"

namespace mandated::consent {

struct Origin {
  std::string text;       ///< as browsers write it: "http://localhost:8700"
  std::string authority;  ///< "localhost:8700": what the Host field must say
  std::string rp_id;      ///< "localhost"

  /// `https://host[:port]`, or `http://localhost[:port]`: browsers let passkeys be used on no other
  /// pages. The host is a lower-case name, since an RP ID cannot be an address; a default port is
  /// left out. kInvalidConfig for anything else.
  static Result<Origin> parse(std::string_view text);
};

}  // namespace mandated::consent
