#include "proxy/server/versions.h"

#include <boost/version.hpp>

namespace mandated::server {

admin::BuildInfo build_info() {
  std::string boost = BOOST_LIB_VERSION;  // "1_81"
  for (char& c : boost) {
    if (c == '_') c = '.';
  }
  return {MANDATED_VERSION, MANDATED_BORINGSSL_VERSION, MANDATED_NGHTTP2_VERSION, boost};
}

std::string version_text() {
  const admin::BuildInfo build = build_info();
  return "mandated " + build.version + "\nBoringSSL " + build.boringssl + "\nnghttp2 " +
         build.nghttp2 + "\nBoost " + build.boost + "\n";
}

}  // namespace mandated::server
