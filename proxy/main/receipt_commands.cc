// Each command is one function from its options to an exit code; the rules are the engine's, here
// are only words.
#include "proxy/main/receipt_commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>

#include "filters/receipt/base64url.h"
#include "filters/receipt/constraint.h"
#include "filters/receipt/issue.h"
#include "filters/receipt/tokens.h"
#include "filters/receipt/words.h"
#include "proxy/base/clock.h"
#include "proxy/json/writer.h"
#include "proxy/main/receipt_files.h"
#include "proxy/main/receipt_stream.h"

namespace mandated {
namespace {

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int fail(const std::string& sentence) {
  std::fprintf(stderr, "mandated: %s\n", sentence.c_str());
  return 1;
}

int fail(const receipt::Refusal& refusal) {
  std::string where = std::string(receipt::to_string(refusal.code));
  if (refusal.hop >= 0) where += " at hop " + std::to_string(refusal.hop);
  return fail(refusal.sentence + " (" + where + ")");
}

// --- keygen

struct KeygenOptions {
  std::string type = "ed25519";
  std::string out;
};

int keygen(const KeygenOptions& options) {
  const auto type = options.type == "p256" ? receipt::KeyType::kP256 : receipt::KeyType::kEd25519;
  const auto key = receipt::PrivateKey::generate(type);
  if (auto written = write_file(options.out, key.jwk() + "\n", Overwrite::kNo); !written)
    return fail(written.error());
  print(key.public_key().jwk() + "\n");
  return 0;
}

// --- issue and delegate

struct GrantOptions {
  std::string key;
  std::string holder;
  std::string tools;
  std::string duration;
  std::string at;
  std::string out;
  int depth_max = -1;
  std::string user;
  std::string intent;
  std::string task;
  std::string holder_id;
  std::vector<std::string> holders;
  std::vector<std::string> audiences;
  std::string not_before;
  std::string mandate;
  // issue only
  std::string issuer;
  std::string kid;
  // delegate only
  std::string chain;
};

// The mandate claim of the options, or "" for none.
Read<std::string> mandate_of(const GrantOptions& options) {
  json::ObjectWriter claim;
  const auto add_text = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) claim.text(name, value);
  };
  const auto add_list = [&](std::string_view name, const std::vector<std::string>& values) {
    if (!values.empty()) claim.texts(name, values);
  };
  if (!options.mandate.empty()) {
    const auto document = read_argument(options.mandate).and_then([](const std::string& given) {
      return parse_json(given, "the mandate");
    });
    if (!document) return tl::unexpected(document.error());
    if (!document->root().is_object())
      return tl::unexpected(std::string("the mandate is not a JSON object"));
    for (const json::Member& member : document->root().object())
      claim.json(member.name, json::canonical(member.value));
  }
  add_text("user", options.user);
  add_text("intent", options.intent);
  add_text("task", options.task);
  add_text("holder", options.holder_id);
  add_list("holders", options.holders);
  add_list("aud", options.audiences);
  if (!options.not_before.empty()) {
    const auto time = time_of(options.not_before);
    if (!time) return tl::unexpected(time.error());
    claim.number("nbf", *time);
  }
  std::string text = claim.take();
  return text == "{}" ? std::string() : text;
}

// What both commands read alike; times and depth are filled in by each.
Read<receipt::Grant> grant_of(const GrantOptions& options) {
  receipt::Grant grant;
  auto tools = read_argument(options.tools);
  if (!tools) return tl::unexpected(tools.error());
  auto mandate = mandate_of(options);
  if (!mandate) return tl::unexpected(mandate.error());
  const auto holder = read_public_key(options.holder);
  if (!holder) return tl::unexpected(holder.error());
  const auto now = time_of(options.at);
  if (!now) return tl::unexpected(now.error());
  grant.tools_json = std::move(*tools);
  grant.mandate_json = std::move(*mandate);
  grant.holder = *holder;
  grant.issued_at = std::floor(*now);
  return grant;
}

Read<double> expiry_of(const std::string& duration, double from) {
  const auto seconds = parse_duration(duration);
  if (!seconds) return tl::unexpected(duration + " is no duration; write 2h, 90m or 1h30m");
  return from + *seconds;
}

int put_chain(const std::vector<std::string>& tokens, const std::string& out) {
  if (out.empty()) {
    print(receipt::tokens_text(tokens));
    return 0;
  }
  const auto written = write_file(out, receipt::tokens_text(tokens), Overwrite::kYes);
  return written ? 0 : fail(written.error());
}

int issue(const GrantOptions& options) {
  const auto key = read_private_key(options.key);
  if (!key) return fail(key.error());
  auto grant = grant_of(options);
  if (!grant) return fail(grant.error());
  const auto expires = expiry_of(options.duration, grant->issued_at);
  if (!expires) return fail(expires.error());
  grant->expires = *expires;
  grant->depth_max = std::max(0, options.depth_max);
  const auto token = receipt::issue_root(*grant, options.issuer, *key, options.kid);
  return token ? put_chain({*token}, options.out) : fail(token.error());
}

// What a chain's last receipt says, before it is verified: delegate takes its defaults from there.
Read<json::Document> last_claims(const std::vector<std::string>& tokens) {
  if (tokens.empty()) return tl::unexpected(std::string("the chain holds no receipt"));
  const std::string& leaf = tokens.back();
  const std::size_t first = std::min(leaf.find('.'), leaf.size());
  const std::size_t second = std::min(leaf.find('.', first + 1), leaf.size());
  const auto payload = receipt::decode_base64url(std::string_view(leaf).substr(
      std::min(first + 1, leaf.size()), second - std::min(first + 1, second)));
  if (!payload) return tl::unexpected(std::string("the chain's last receipt is unreadable"));
  return parse_json(*payload, "the last receipt");
}

int delegate(const GrantOptions& options) {
  const auto key = read_private_key(options.key);
  if (!key) return fail(key.error());
  auto tokens = read_chain_file(options.chain);
  if (!tokens) return fail(tokens.error());
  const auto parent = last_claims(*tokens);
  if (!parent) return fail(parent.error());
  auto grant = grant_of(options);
  if (!grant) return fail(grant.error());
  const auto number = [&](std::string_view claim, double otherwise) {
    const json::Value* value = parent->root().find(claim);
    return value != nullptr && value->is_number() ? value->number() : otherwise;
  };
  // Clocks differ a little; a child must not be older than its parent (AAT section 6, step 2).
  grant->issued_at = std::max(grant->issued_at, number("iat", grant->issued_at));
  grant->expires = number("exp", grant->issued_at);
  if (!options.duration.empty()) {
    const auto expires = expiry_of(options.duration, grant->issued_at);
    if (!expires) return fail(expires.error());
    grant->expires = *expires;
  }
  grant->depth_max = options.depth_max < 0 ? static_cast<int>(tokens->size()) : options.depth_max;
  const std::vector<std::string_view> views(tokens->begin(), tokens->end());
  const auto token = receipt::derive(views, *grant, *key);
  if (!token) return fail(token.error());
  tokens->push_back(*token);
  return put_chain(*tokens, options.out);
}

// --- show and check

int show(const std::string& file) {
  const auto tokens = read_chain_file(file);
  if (!tokens) return fail(tokens.error());
  if (tokens->empty()) return fail("the chain holds no receipt");
  int code = 0;
  for (std::size_t hop = 0; hop < tokens->size(); ++hop) {
    const auto claims = last_claims({(*tokens)[hop]});
    print("Receipt " + std::to_string(hop + 1) + " of " + std::to_string(tokens->size()) +
          (hop == 0 ? " (root)\n" : " (hop " + std::to_string(hop) + ")\n"));
    if (!claims) {
      print("  unreadable\n");
      code = 1;
      continue;
    }
    print(receipt::receipt_in_words(claims->root()));
    print("  claims " + json::canonical(claims->root()) + "\n\n");
  }
  print("Nothing was verified; `receipt check` does that.\n");
  return code;
}

struct CheckOptions {
  std::string chain;
  std::vector<std::string> anchors;
  std::string tool;
  std::string arguments = "{}";
  std::string proof;
  std::vector<std::string> audiences;
  std::string peer;
  std::string at;
};

int explain_refusal(const receipt::Refusal& refusal) {
  std::string text = "refused: " + std::string(receipt::to_string(refusal.code));
  if (refusal.hop >= 0) text += " at hop " + std::to_string(refusal.hop);
  text += "\n" + refusal.sentence + "\n";
  if (const auto constraint = json::Document::parse(refusal.constraint); constraint) {
    text += "The receipt admits " + receipt::constraint_in_words(constraint->root()) + ".\n";
  }
  print(text);
  return 1;
}

// The whole decision, in the order in which the proxy takes it.
receipt::Checked<receipt::ChainPtr> decide(const CheckOptions& options,
                                           const receipt::AnchorSet& anchors,
                                           std::span<const std::string_view> chain,
                                           const json::Value& arguments, const std::string& proof,
                                           double now) {
  auto verified = receipt::verify_chain(chain, anchors, now);
  if (!verified) return verified;
  auto checked = receipt::check_presenter(**verified, {options.peer, options.audiences});
  if (checked) checked = receipt::check_call(**verified, options.tool, arguments);
  if (checked) checked = receipt::check_conditions(**verified, options.tool);
  if (!checked) return tl::unexpected(checked.error());
  if (proof.empty()) return verified;
  const auto proven =
      receipt::verify_proof(**verified, proof, options.tool, arguments, options.audiences, now);
  if (!proven) return tl::unexpected(proven.error());
  return verified;
}

int check(const CheckOptions& options) {
  const auto tokens = read_chain_file(options.chain);
  if (!tokens) return fail(tokens.error());
  const auto anchors = read_anchor_files(options.anchors);
  if (!anchors) return fail(anchors.error());
  const auto arguments = read_argument(options.arguments).and_then([](const std::string& text) {
    return parse_json(text, "the arguments");
  });
  if (!arguments) return fail(arguments.error());
  auto proof = read_argument(options.proof);
  if (!proof) return fail(proof.error());
  while (proof->ends_with('\n')) proof->pop_back();
  const auto now = time_of(options.at);
  if (!now) return fail(now.error());
  const std::vector<std::string_view> views(tokens->begin(), tokens->end());
  const auto decision = decide(options, *anchors, views, arguments->root(), *proof, *now);
  if (!decision) return explain_refusal(decision.error());
  const receipt::VerifiedChain& chain = **decision;
  print("permitted\n");
  print("The call of " + receipt::shown(options.tool) + " is granted by " +
        std::to_string(chain.size()) +
        (chain.size() == 1 ? " receipt" : " receipts, each within the one before") + ".\n");
  print(proof->empty() ? "No proof was given, so who sends the call was not checked.\n"
                       : "The proof is that of the receipt's holder.\n");
  print(receipt::receipt_in_words(chain.claims(chain.size() - 1)));
  return 0;
}

// --- the command line

void add_keygen(CLI::App& parent, int& exit_code) {
  auto options = std::make_shared<KeygenOptions>();
  CLI::App* command = parent.add_subcommand("keygen", "Make a key pair; prints the public JWK");
  command->add_option("--type", options->type, "ed25519 (default) or p256")
      ->check(CLI::IsMember({"ed25519", "p256"}));
  command->add_option("--out", options->out, "A new file for the private JWK (mode 0600)")
      ->required();
  command->callback([options, &exit_code] { exit_code = keygen(*options); });
}

void add_grant_options(CLI::App& command, GrantOptions& options) {
  command.add_option("--key", options.key, "The signer's private JWK")->required();
  command.add_option("--holder", options.holder, "The new holder's public JWK")->required();
  command.add_option("--tools", options.tools, "The tools map, as JSON or @FILE")->required();
  command
      .add_option("--max-depth", options.depth_max,
                  "The deepest hop allowed (default: none below this receipt)")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--user", options.user,
                     "URI of the person on whose behalf, e.g. mailto:jane@example.com");
  command.add_option("--intent", options.intent, "The task in the person's words");
  command.add_option("--task", options.task, "This hop's narrower task");
  command.add_option("--holder-id", options.holder_id, "SPIFFE ID that must present the receipt");
  command.add_option("--holders", options.holders,
                     "SPIFFE ID pattern of holders below; may be repeated");
  command.add_option("--aud", options.audiences, "Where the receipt may be used; may be repeated");
  command.add_option("--not-before", options.not_before,
                     "2026-07-28T12:00:00Z, or seconds since 1970");
  command.add_option(
      "--mandate", options.mandate,
      "More members of the mandate, as JSON or @FILE, e.g. '{\"budget\":{\"calls\":5}}'");
  command.add_option("--at", options.at, "The time of issue (default: now)");
  command.add_option("--out", options.out, "The chain file to write (default: standard output)");
}

void add_issue(CLI::App& parent, int& exit_code) {
  auto options = std::make_shared<GrantOptions>();
  CLI::App* command = parent.add_subcommand("issue", "Sign a root receipt");
  add_grant_options(*command, *options);
  command->add_option("--issuer", options->issuer, "URI of the issuer")->required();
  command->add_option("--kid", options->kid, "The signing key's name, a hint for verifiers");
  command->add_option("--for", options->duration, "How long it is valid, e.g. 2h")->required();
  command->callback([options, &exit_code] { exit_code = issue(*options); });
}

void add_delegate(CLI::App& parent, int& exit_code) {
  auto options = std::make_shared<GrantOptions>();
  CLI::App* command =
      parent.add_subcommand("delegate", "Sign a narrower receipt under the last one of a chain");
  add_grant_options(*command, *options);
  command->add_option("--chain", options->chain, "The chain file to extend")->required();
  command->add_option("--for", options->duration,
                      "How long it is valid (default: as long as its parent)");
  command->callback([options, &exit_code] { exit_code = delegate(*options); });
}

void add_show(CLI::App& parent, int& exit_code) {
  auto file = std::make_shared<std::string>();
  CLI::App* command =
      parent.add_subcommand("show", "Tell in words what the receipts of a chain say");
  command->add_option("file", *file, "The chain file, or - for standard input")->required();
  command->callback([file, &exit_code] { exit_code = show(*file); });
}

void add_check(CLI::App& parent, int& exit_code) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = parent.add_subcommand("check", "Decide on one call, and say why");
  command->add_option("--chain", options->chain, "The chain file")->required();
  command
      ->add_option("--anchor", options->anchors,
                   "A trusted public JWK or JWK Set, or a passkey; may be repeated")
      ->required();
  command->add_option("--tool", options->tool, "The tool that is called")->required();
  command->add_option("--args", options->arguments,
                      "Its arguments, as JSON or @FILE (default: none)");
  command->add_option("--proof", options->proof,
                      "The proof of the call, as text or @FILE (default: not checked)");
  command->add_option("--aud", options->audiences,
                      "A name of the place where the call is made; may be repeated");
  command->add_option("--peer", options->peer, "SPIFFE ID of the workload that presents the chain");
  command->add_option("--at", options->at, "The time to decide for (default: now)");
  command->callback([options, &exit_code] { exit_code = check(*options); });
}

void add_verify(CLI::App& parent, int& exit_code) {
  CLI::App* command =
      parent.add_subcommand("verify", "Decide on many calls, one JSON object per line");
  auto batch = std::make_shared<bool>(false);
  auto jobs = std::make_shared<unsigned>(std::max(1U, std::thread::hardware_concurrency()));
  command->add_flag("--batch", *batch, "Read standard input, write standard output")->required();
  command->add_option("--jobs", *jobs, "Threads (default: as many as the machine has cores)")
      ->check(CLI::Range(1, 256));
  command->callback([batch, jobs, &exit_code] {
    boost::asio::io_context context;
    const RealClock clock(context);
    const auto now = [&clock] { return clock.wall_seconds(); };
    const bool answered = answer_lines(STDIN_FILENO, STDOUT_FILENO, *jobs, now);
    exit_code = answered ? 0 : fail("cannot read or write the lines");
  });
}

void add_rules(CLI::App& parent) {
  parent
      .add_subcommand("rules",
                      "Print which types of constraint may stand below which, one JSON object per "
                      "line, from the table that decides")
      ->callback([] { print(receipt::Constraint::rules()); });
}

}  // namespace

void add_receipt_commands(CLI::App& app, int& exit_code) {
  CLI::App* receipts =
      app.add_subcommand("receipt", "Delegation receipts: keys, signing, checking");
  receipts->require_subcommand(1);
  add_keygen(*receipts, exit_code);
  add_issue(*receipts, exit_code);
  add_delegate(*receipts, exit_code);
  add_show(*receipts, exit_code);
  add_check(*receipts, exit_code);
  add_verify(*receipts, exit_code);
  add_rules(*receipts);
}

}  // namespace mandated
