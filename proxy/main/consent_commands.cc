#include "proxy/main/consent_commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "filters/receipt/claims.h"
#include "proxy/base/random.h"
#include "proxy/consent/registry.h"
#include "proxy/consent/service.h"
#include "proxy/main/receipt_files.h"

namespace mandated {
namespace {

using consent::Registry;
using identity::StateFolder;

struct ConsentOptions {
  std::string folder;
  std::vector<std::string> addresses;
  std::string origin = "http://localhost:8700";
  std::string user;
  std::string name;
};

int finish(const Result<std::string>& words) {
  if (words) {
    std::fwrite(words->data(), 1, words->size(), stdout);
    return 0;
  }
  std::fprintf(stderr, "mandated: %s\n", words.error().text.c_str());
  return 1;
}

Result<double> now() {
  const auto time = time_of("");
  if (!time) return fail(Code::kInternal, time.error());
  return *time;
}

Result<std::string> serve(const ConsentOptions& options) {
  TRY(consent::Origin origin, consent::Origin::parse(options.origin));
  CHECK(consent::run_service({options.folder, options.addresses, std::move(origin)}));
  return std::string();
}

Result<std::string> invite(const ConsentOptions& options) {
  TRY(const consent::Origin origin, consent::Origin::parse(options.origin));
  TRY(Registry registry, Registry::open(options.folder, StateFolder::Missing::kCreate));
  TRY(const double time, now());
  SystemRng rng;
  TRY(const std::string code, registry.invite(options.user, options.name, rng, time));
  TRY(const Registry::Invitation invitation, registry.invitation(code, time));
  return "Good once, until " + receipt::time_text(invitation.expires) + ", for " + invitation.user +
         " to register a passkey:\n\n  " + origin.text + "/register#" + code +
         "\n\nIt will be the trust anchor in " + registry.path_of(invitation.name) + "\n";
}

Result<std::string> list(const ConsentOptions& options) {
  TRY(const Registry registry, Registry::open(options.folder, StateFolder::Missing::kFail));
  TRY(const std::vector<Registry::Passkey> passkeys, registry.passkeys());
  std::string words;
  for (const Registry::Passkey& passkey : passkeys) {
    words += passkey.name + "\n  user        " + receipt::shown(passkey.anchor.user.value_or("")) +
             "\n  signs at    " + receipt::shown(passkey.anchor.passkey->origins.front()) +
             "\n  thumbprint  " + passkey.anchor.key.thumbprint() + "\n  anchor      " +
             registry.path_of(passkey.name) + "\n";
  }
  return words.empty() ? "No passkey is registered.\n" : words;
}

Result<std::string> remove(const ConsentOptions& options) {
  TRY(Registry registry, Registry::open(options.folder, StateFolder::Missing::kFail));
  CHECK(registry.remove(options.name));
  return options.name +
         " signs nothing here any more. Proxies that have its file as an anchor go on trusting it "
         "until they are started again without it.\n";
}

void add_folder(CLI::App& command, ConsentOptions& options) {
  command.add_option("--folder", options.folder, "The service's folder (mode 0700)")->required();
}

void add_origin(CLI::App& command, ConsentOptions& options) {
  command.add_option("--origin", options.origin,
                     "Where browsers find the service (default: http://localhost:8700)");
}

}  // namespace

void add_consent_commands(CLI::App& app, int& exit_code) {
  CLI::App* group =
      app.add_subcommand("consent", "The pages on which people sign receipts with their passkeys");
  group->require_subcommand(1);
  auto options = std::make_shared<ConsentOptions>();

  CLI::App* served = group->add_subcommand("serve", "Serve the pages until SIGTERM or SIGINT");
  add_folder(*served, *options);
  served->add_option("--address", options->addresses,
                     "Loopback or Unix socket; may be repeated (default: 127.0.0.1:8700 and "
                     "[::1]:8700)");
  add_origin(*served, *options);
  served->callback([options, &exit_code] { exit_code = finish(serve(*options)); });

  CLI::App* invited = group->add_subcommand(
      "invite", "Print a link with which one person can register one passkey, for ten minutes");
  add_folder(*invited, *options);
  invited->add_option("--user", options->user, "The person's URI, e.g. mailto:alice@example.org")
      ->required();
  invited->add_option("--name", options->name, "The passkey's name (default: from the user)");
  add_origin(*invited, *options);
  invited->callback([options, &exit_code] { exit_code = finish(invite(*options)); });

  CLI::App* listed = group->add_subcommand("list", "List the passkeys that are registered");
  add_folder(*listed, *options);
  listed->callback([options, &exit_code] { exit_code = finish(list(*options)); });

  CLI::App* removed = group->add_subcommand("remove", "Remove a passkey");
  add_folder(*removed, *options);
  removed->add_option("name", options->name, "The passkey's name")->required();
  removed->callback([options, &exit_code] { exit_code = finish(remove(*options)); });
}

}  // namespace mandated
