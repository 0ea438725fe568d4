// A passkey on its way into the registry. Its key comes as the browser gives it out; that whoever
// sends it holds it is shown by a first signature over our challenge, with user verification. So no
// attestation need be parsed: which make of authenticator it is does not matter here.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "proxy/consent/origin.h"
#include "proxy/consent/registry.h"

namespace mandated::consent {

class Registrations {
 public:
  static constexpr std::size_t kPendingMax = 64;
  static constexpr Seconds kLifetime = 300;

  struct Begun {
    std::string id;
    std::string challenge;  ///< base64url of 32 random bytes
    Registry::Invitation invitation;
  };

  Registrations(Registry& registry, const Origin& origin, Rng& rng)
      : registry_(registry), origin_(origin), rng_(rng) {}

  /// For the holder of an invitation's code, which stays good. kDenied, kOverloaded.
  Result<Begun> begin(std::string_view code, Seconds now);

  /// `body` is the JSON that the page sends: `credential_id`, `public_key` (SPKI) and the first
  /// assertion's `authenticatorData`, `clientDataJSON` and `signature`, each base64url. Registers
  /// the passkey, uses the invitation up and returns the passkey's name. kMalformed, kDenied (the
  /// signature is not good), kNotFound (nothing was begun), kProtocol.
  Result<std::string> finish(std::string_view id, std::string_view body, Seconds now);

 private:
  struct Pending {
    std::string code;
    Begun begun;
    Seconds until = 0;
  };
  void expire(Seconds now);

  Registry& registry_;
  const Origin& origin_;
  Rng& rng_;
  std::map<std::string, Pending, std::less<>> pending_;
};

}  // namespace mandated::consent
