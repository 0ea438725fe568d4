#include "proxy/main/trust_commands.h"

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "proxy/base/clock.h"
#include "proxy/base/file.h"
#include "proxy/identity/bundle_document.h"
#include "proxy/identity/embedded.h"
#include "proxy/identity/pem.h"
#include "proxy/main/receipt_files.h"

namespace mandated {

namespace {

using identity::EmbeddedTrustDomain;

constexpr std::chrono::hours kRefreshHint{1};

struct TrustOptions {
  std::string state;
  std::string trust_domain;
  std::string out;
  std::string format = "pem";
  std::string spiffe_id;
  std::string ttl = "5m";
};

int failed(std::string_view why) {
  std::fprintf(stderr, "mandated: %.*s\n", static_cast<int>(why.size()), why.data());
  return 1;
}

Clock::WallTime wall_now() {
  boost::asio::io_context context;
  return RealClock(context).wall();
}

std::string utc(Clock::WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[sizeof("2026-07-28T12:00:00Z")];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string pem_bundle(const EmbeddedTrustDomain& domain) {
  std::string text;
  for (const std::string& der : domain.bundle()) text += identity::to_pem("CERTIFICATE", der);
  return text;
}

int show(const TrustOptions& options) {
  const Clock::WallTime now = wall_now();
  const auto domain = EmbeddedTrustDomain::open(options.state, options.trust_domain, now);
  if (!domain) return failed(domain.error().text);
  std::printf("trust domain  %s\n", (*domain)->trust_domain().c_str());
  for (const auto& authority : (*domain)->authorities(now)) {
    std::printf("authority     sha256:%s\n              from %s to %s%s\n",
                authority.fingerprint.c_str(), utc(authority.begins).c_str(),
                utc(authority.expires).c_str(), authority.signs ? ", signs" : "");
  }
  return 0;
}

int write_bundle(const TrustOptions& options) {
  const auto domain = EmbeddedTrustDomain::open(options.state, options.trust_domain, wall_now());
  if (!domain) return failed(domain.error().text);
  std::string text = pem_bundle(**domain);
  if (options.format == "spiffe") {
    identity::BundleDocument bundle;
    bundle.certificates_der = (*domain)->bundle();
    bundle.jwt_keys = (*domain)->wit_keys();
    bundle.refresh_hint = kRefreshHint;
    const auto document = identity::to_bundle_document(bundle);
    if (!document) return failed(document.error().text);
    text = *document;
  }
  if (options.out.empty()) {
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size()
               ? 0
               : failed("the bundle cannot be written");
  }
  const Result<void> written = replace_file(options.out, text, 0644);
  return written ? 0 : failed(written.error().text);
}

Result<void> write_svid(const EmbeddedTrustDomain& domain, const identity::Svid& svid,
                        const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(Code::kStorage, folder + ": " + error.message());
  std::string chain;
  for (const std::string& der : svid.chain_der) chain += identity::to_pem("CERTIFICATE", der);
  std::string key = identity::to_pem(svid.private_key.get());
  Result<void> key_written = replace_file(folder + "/key.pem", key, 0600);
  ::explicit_bzero(key.data(), key.size());
  if (!key_written) return key_written;
  CHECK(replace_file(folder + "/svid.pem", chain, 0644));
  CHECK(replace_file(folder + "/bundle.pem", pem_bundle(domain), 0644));
  return {};
}

int issue(const TrustOptions& options) {
  const auto id = identity::SpiffeId::parse(options.spiffe_id);
  if (!id) return failed(options.spiffe_id + ": " + id.error().text);
  const auto ttl = parse_duration(options.ttl);
  if (!ttl) return failed(options.ttl + " is no duration; expected e.g. 5m or 1h");
  const Clock::WallTime now = wall_now();
  const auto domain = EmbeddedTrustDomain::open(options.state, options.trust_domain, now);
  if (!domain) return failed(domain.error().text);
  // Beyond kTtlMax the number of nanoseconds might not fit; issue() refuses what is just beyond.
  const double most = std::chrono::duration<double>(EmbeddedTrustDomain::kTtlMax).count() + 1;
  const auto life = std::chrono::duration_cast<Clock::Duration>(
      std::chrono::duration<double>(std::min(*ttl, most)));
  const auto svid = (*domain)->issue(*id, identity::KeyType::kP256, life, now);
  if (!svid) return failed(svid.error().text);
  const Result<void> written = write_svid(**domain, *svid, options.out);
  if (!written) return failed(written.error().text);
  std::printf("%s until %s in %s\n", id->text().c_str(), utc(svid->expires).c_str(),
              options.out.c_str());
  return 0;
}

CLI::App* add_command(CLI::App& parent, const char* name, const char* words,
                      TrustOptions& options) {
  CLI::App* command = parent.add_subcommand(name, words);
  command->add_option("--state", options.state, "The state folder")->required();
  command->add_option("--trust-domain", options.trust_domain,
                      "Its name; makes the trust domain when the folder holds none yet");
  return command;
}

}  // namespace

void add_trust_commands(CLI::App& app, int& exit_code) {
  CLI::App* trust = app.add_subcommand("trust", "The embedded trust domain");
  trust->require_subcommand(1);
  auto options = std::make_shared<TrustOptions>();

  CLI::App* shown = add_command(*trust, "show", "Its name and its authorities", *options);
  shown->callback([options, &exit_code] { exit_code = show(*options); });

  CLI::App* exported =
      add_command(*trust, "export", "The CA certificates that others must trust", *options);
  exported->add_option("--out", options->out, "The file to write (default: standard output)");
  exported->add_option("--format", options->format, "pem, or spiffe for a SPIFFE bundle document")
      ->check(CLI::IsMember({"pem", "spiffe"}));
  exported->callback([options, &exit_code] { exit_code = write_bundle(*options); });

  CLI::App* issued =
      add_command(*trust, "issue", "An X.509-SVID for a client that cannot ask us", *options);
  issued->add_option("--spiffe-id", options->spiffe_id, "Whom it names")->required();
  issued->add_option("--ttl", options->ttl, "How long it is valid, at most 7d (default: 5m)");
  issued->add_option("--out", options->out, "The folder for svid.pem, key.pem and bundle.pem")
      ->required();
  issued->callback([options, &exit_code] { exit_code = issue(*options); });
}

}  // namespace mandated
