// Bytes of a stranger as a JWT-SVID, as what an authority signs, and as a bundle document.
//
// The first byte chooses. A token that nobody signed is never taken; of header and payload (a line
// break between), signed by the authority, whatever is taken says what the standard asks for; a
// bundle document that is read is written and read as the same.
#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/identity/bundle_document.h"
#include "proxy/identity/jwt_svid.h"
#include "tests/support_ca/test_ca.h"
#include "tests/support_ca/test_jwt.h"

namespace mandated::identity {
namespace {

constexpr char kAudience[] = "reports";

void require(bool holds) {
  if (!holds) std::abort();
}

const JwtBundles& bundles() {
  static const JwtBundles made{
      {"test.example",
       {JwtKey{"one", {test::make_key(test::TestKey::kP256).release(), EVP_PKEY_free}}}}};
  return made;
}

Result<JwtSvid> verify(std::string_view token) {
  return verify_jwt_svid(token, bundles(), kAudience, test::TestCa::sim_start());
}

void verify_token(std::string_view token) {
  const auto svid = verify(token);
  require(!svid && svid.error().code == Code::kPeerIdentity && !svid.error().text.empty());
}

void verify_signed(std::string_view text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return;
  EVP_PKEY* key = bundles().at("test.example").front().key.get();
  const auto svid = verify(test::sign_jwt(text.substr(0, end), text.substr(end + 1), key, "ES256"));
  if (!svid) return;
  require(svid->id.trust_domain() == "test.example" && !svid->id.path().empty());
  require(SpiffeId::parse(svid->id.text()).has_value());
  require(svid->expires > test::TestCa::sim_start());
  require(std::find(svid->audience.begin(), svid->audience.end(), kAudience) !=
          svid->audience.end());
}

void read_bundle(std::string_view text) {
  const auto document = parse_bundle_document(text);
  if (!document) return;
  const auto written = to_bundle_document(*document);
  require(written.has_value());
  const auto again = parse_bundle_document(*written);
  require(again && again->certificates_der == document->certificates_der);
  require(again->jwt_keys.size() == document->jwt_keys.size());
  require(again->sequence == document->sequence && again->refresh_hint == document->refresh_hint);
  require(to_bundle_document(*again) == *written);
}

}  // namespace
}  // namespace mandated::identity

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      mandated::identity::verify_token(rest);
      break;
    case 1:
      mandated::identity::verify_signed(rest);
      break;
    default:
      mandated::identity::read_bundle(rest);
      break;
  }
  return 0;
}
