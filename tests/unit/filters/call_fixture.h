// A person, an agent, a receipt and a call, for tests of filters: each test changes what it is
// about.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "filters/filter.h"
#include "filters/mandate/wallet.h"
#include "filters/receipt/issue.h"
#include "proxy/protocol/mcp.h"
#include "tests/support/fake_fetcher.h"
#include "tests/support/sim_clock.h"

namespace mandated::test {

inline constexpr double kNow = 1780000000;
inline constexpr std::string_view kAgent = "spiffe://test.example/agent/x";
inline constexpr std::string_view kTool = "spiffe://test.example/tool/files";

/// Grants read_file and list_directory below /data.
inline constexpr std::string_view kTools =
    R"({"read_file":{"path":{"constraint_type":"path_containment","root":"/data"}},)"
    R"("list_directory":{"path":{"constraint_type":"path_containment","root":"/data"}}})";

struct CallFixture {
  CallFixture() {
    route.name = "files";
    route.upstream = "files";
    route.mandate.audiences = {std::string(kTool)};
    upstream.name = "files";
  }

  receipt::Grant grant(std::string_view tools = kTools) const {
    receipt::Grant made;
    made.tools_json = tools;
    made.mandate_json =
        R"({"user":"mailto:alice@test.example","holder":"spiffe://test.example/agent/x"})";
    made.holder = holder.public_key();
    made.issued_at = kNow - 10;
    made.expires = kNow + 3600;
    made.depth_max = 3;
    return made;
  }
  std::vector<std::string> chain(std::string_view tools = kTools) const {
    return {*receipt::issue_root(grant(tools), "https://alice.test.example", person)};
  }

  /// Understands a tools/call as the server would; the exchange stands on this fixture.
  Exchange exchange(std::string_view tool = "read_file",
                    std::string_view arguments = R"({"path":"/data/a"})") const {
    return request(R"("tools/call","params":{"name":")" + std::string(tool) + R"(","arguments":)" +
                   std::string(arguments) + "}");
  }
  Exchange listing() const { return request(R"("tools/list")"); }

  Exchange request(const std::string& method_and_params) const {
    http::RequestHead head;
    head.method = "POST";
    head.target = "/mcp";
    head.fields.set("content-type", "application/json");
    head.fields.set("accept", "application/json, text/event-stream");
    const std::string body = R"({"jsonrpc":"2.0","id":1,"method":)" + method_and_params + "}";
    Exchange made;
    made.call = std::move(*protocol::understand(head, body, protocol::UnderstandOptions{}));
    made.now = kNow;
    made.route = &route;
    made.upstream = &upstream;
    made.caller.proof = identity::PeerIdentity::Proof::kX509Svid;
    made.caller.spiffe_id = kAgent;
    return made;
  }

  /// Puts a receipt and, unless told otherwise, a proof of the holder on the call.
  void attach(Exchange& made, const std::vector<std::string>& tokens, double at = kNow) const {
    made.call.receipts = tokens;
    const std::vector<std::string_view> views{tokens.begin(), tokens.end()};
    const receipt::ChainPtr verified = *receipt::verify_chain(views, anchors, kNow);
    made.call.proof =
        receipt::prove(*verified, holder, made.call.tool, *made.call.arguments, kTool, at);
  }

  void give_wallet(std::vector<Wallet::Entry> entries) {
    auto held = std::make_shared<Wallet>();
    held->key = holder;
    held->entries = std::move(entries);
    wallet = std::make_unique<FixedWallet>(std::move(held));
    route.mandate.mode = config::MandateMode::kAttach;
  }

  FilterDeps deps() {
    return FilterDeps{config, clock,    rng,     std::string(kAgent), anchors, receipt::Limits{},
                      cache,  *replays, *ledger, approvals,           fetcher, wallet.get(),
                      status, evidence};
  }

  receipt::PrivateKey person = receipt::PrivateKey::generate(receipt::KeyType::kEd25519);
  receipt::PrivateKey holder = receipt::PrivateKey::generate(receipt::KeyType::kEd25519);
  receipt::AnchorSet anchors{{receipt::Anchor{"alice", person.public_key(), std::nullopt}}};
  receipt::ChainCache cache;
  std::unique_ptr<Replays> replays = make_memory_replays();
  std::unique_ptr<Ledger> ledger = make_memory_ledger();
  Approvals approvals{"https://consent.test.example", anchors, receipt::Limits{}};
  FakeFetcher fetcher;
  boost::asio::io_context context{1};
  SimClock clock{context};
  SystemRng rng;
  config::Config config;
  config::Route route;
  config::Upstream upstream;
  std::unique_ptr<WalletSource> wallet;
  StatusLists* status = nullptr;
  attest::EvidenceDesk* evidence = nullptr;
};

}  // namespace mandated::test
