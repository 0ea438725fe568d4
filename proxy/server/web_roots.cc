#include "proxy/server/web_roots.h"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "proxy/base/file.h"

namespace mandated::server {

namespace {

constexpr char kSystemFile[] = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t kFileBytesMax = 16U << 20U;

}  // namespace

Result<tls::WebRootsPtr> load_web_roots(const config::Fetch& config) {
  std::error_code ignored;
  if (config.ca_file.empty() && !std::filesystem::exists(kSystemFile, ignored)) {
    return tls::WebRootsPtr();
  }
  return read_web_roots(config.ca_file.empty() ? kSystemFile : config.ca_file, "/fetch/ca_file");
}

Result<tls::WebRootsPtr> read_web_roots(const std::string& path, std::string_view member) {
  const auto unfit = [&](const std::string& why) {
    return fail(Code::kInvalidConfig, std::string(member) + " (" + path + "): " + why);
  };
  const std::optional<std::string> pem = read_file(path, kFileBytesMax);
  if (!pem) return unfit("cannot be read, or is longer than 16 MiB");
  auto roots = tls::parse_web_roots(*pem);
  if (!roots) return unfit(roots.error().text);
  return std::move(*roots);
}

}  // namespace mandated::server
