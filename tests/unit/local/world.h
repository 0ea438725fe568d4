// An agent's proxy with a wallet in a temporary folder, and the local API asked without a socket.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "filters/receipt/issue.h"
#include "proxy/audit/memory_sink.h"
#include "proxy/local/handler.h"
#include "tests/support/fake_stream.h"
#include "tests/support/run_now.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_rng.h"

namespace mandated::local {

using test::FakeStream;
using Json = nlohmann::json;

inline constexpr const char* kAgent = "spiffe://test.example/agent/x";
inline constexpr const char* kOther = "spiffe://test.example/agent/y";
inline constexpr const char* kTool = "spiffe://test.example/tool/files";
/// read_file below /data, and pay with any amount.
inline constexpr const char* kTools =
    R"({"read_file":{"path":{"constraint_type":"path_containment","root":"/data"}},)"
    R"("pay":{"amount":{"constraint_type":"wildcard"}}})";
inline constexpr const char* kReadOnly =
    R"({"read_file":{"path":{"constraint_type":"path_containment","root":"/data"}}})";

/// Answers as it was told, the last answer again and again.
class FakeFetcher final : public fetch::Fetcher {
 public:
  Task<Result<fetch::Response>> fetch(const fetch::Request& request, Clock::Time) override {
    asked.push_back(request);
    if (on_fetch) on_fetch();
    if (failing) co_return fail(Code::kRefused, Side::kUpstream, "nobody listens");
    fetch::Response answer = answers.front();
    if (answers.size() > 1) answers.pop_front();
    co_return answer;
  }
  void answer(int status, const std::string& body) { answers.push_back({status, {}, body}); }

  std::vector<fetch::Request> asked;
  std::deque<fetch::Response> answers;
  std::function<void()> on_fetch;
  bool failing = false;
};

/// A ledger that can be out of order.
class FragileLedger final : public Ledger {
 public:
  Task<Result<std::optional<std::size_t>>> charge(std::span<const receipt::Charge> charges,
                                                  receipt::Seconds now) override {
    return ledger_->charge(charges, now);
  }
  Task<Result<void>> give_back(std::span<const receipt::Charge> charges,
                               receipt::Seconds now) override {
    return ledger_->give_back(charges, now);
  }
  Task<Result<std::vector<std::uint64_t>>> spent(
      std::span<const receipt::Charge> charges) override {
    ++reads;
    if (failing) co_return fail(Code::kStorage, "the disk is gone");
    co_return co_await ledger_->spent(charges);
  }
  bool failing = false;
  int reads = 0;

 private:
  std::unique_ptr<Ledger> ledger_ = make_memory_ledger();
};

struct Answered {
  int status = 0;
  Json body;
  http::Fields fields;
  std::string code() const { return body.value("code", ""); }
};

class LocalTest : public testing::Test {
 protected:
  LocalTest() {
    std::string pattern = testing::TempDir() + "mandated_local_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(folder_ / "wallet");
    const std::string key_file = folder_ / "key.jwk";
    std::ofstream(key_file) << key_.jwk();
    ::chmod(key_file.c_str(), 0600);
    auto opened = WalletFolder::open(wallet_path(""), key_file, clock_, changes_);
    if (!opened) throw std::runtime_error(opened.error().text);
    wallet_ = std::move(*opened);
    make_holdings();
  }
  ~LocalTest() override {
    gate_.drain();
    clock_.run_until([this] { return gate_.active() == 0; });
    std::filesystem::remove_all(folder_);
  }

  void make_holdings(const std::string& own_spiffe_id = kAgent) {
    holdings_ = std::make_unique<Holdings>(*wallet_, ledger_, status_.get(), anchors_, limits_,
                                           own_spiffe_id);
    make_consent("https://consent.example");
  }
  void make_consent(const std::string& origin) {
    consent_ = std::make_unique<Consent>(origin, fetcher_, clock_, gate_);
    api_ = std::make_unique<Api>(Api{*holdings_, *consent_, audit_, clock_, rng_});
  }

  double now() const { return clock_.wall_seconds(); }
  std::string wallet_path(const std::string& name) const { return folder_ / "wallet" / name; }

  /// A root for our agent; `mandate` is added to its own.
  std::vector<std::string> root(const std::string& tools = kTools, Json mandate = Json::object(),
                                int depth_max = 3, double lifetime = 3600) const {
    receipt::Grant grant;
    grant.tools_json = tools;
    mandate["user"] = "mailto:alice@test.example";
    if (!mandate.contains("holder")) mandate["holder"] = kAgent;
    grant.mandate_json = mandate.dump();
    grant.holder = key_.public_key();
    grant.issued_at = now() - 10;
    grant.expires = now() + lifetime;
    grant.depth_max = depth_max;
    return {*receipt::issue_root(grant, "https://alice.test.example", person_)};
  }
  /// A chain in which our agent is the second holder.
  std::vector<std::string> handed_down(const Json& root_mandate, const Json& own_mandate,
                                       const std::string& tools = kReadOnly) const {
    const auto boss = receipt::PrivateKey::generate(receipt::KeyType::kEd25519);
    receipt::Grant grant;
    grant.tools_json = kTools;
    grant.mandate_json = root_mandate.dump();
    grant.holder = boss.public_key();
    grant.issued_at = now() - 10;
    grant.expires = now() + 3600;
    grant.depth_max = 4;
    std::vector<std::string> tokens = {
        *receipt::issue_root(grant, "https://alice.test.example", person_)};
    grant.tools_json = tools;
    grant.mandate_json = own_mandate.dump();
    grant.holder = key_.public_key();
    tokens.push_back(*receipt::derive(views(tokens), grant, boss));
    return tokens;
  }
  static std::vector<std::string_view> views(const std::vector<std::string>& tokens) {
    return {tokens.begin(), tokens.end()};
  }
  static std::string id_of(const std::vector<std::string>& tokens) {
    return receipt::chain_digest(views(tokens));
  }

  void hold(const std::string& name, const std::vector<std::string>& tokens) {
    std::ofstream(wallet_path(name)) << Json(tokens).dump();
    ++changes_;
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(wallet_path("")))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  }

  static Task<void> mark_done(Task<void> task, bool& done) {
    co_await std::move(task);
    done = true;
  }
  Answered run(FakeStream& stream, bool allowed = true) {
    Handler handler(*api_, allowed, nullptr);
    bool done = false;
    gate_.spawn(mark_done(handler.handle(stream), done));
    EXPECT_TRUE(clock_.run_until([&] { return done; }, std::chrono::seconds(10)));
    EXPECT_TRUE(stream.ended);
    Answered answered;
    answered.status = stream.response.status;
    answered.fields = stream.response.fields;
    answered.body = Json::parse(stream.sent);
    EXPECT_EQ(answered.fields.single("content-type"),
              answered.status < 300 ? "application/json" : "application/problem+json");
    EXPECT_EQ(answered.fields.single("cache-control"), "no-store");
    if (answered.status >= 300) {
      EXPECT_EQ(answered.body["status"], answered.status);
      EXPECT_TRUE(answered.body["detail"].get<std::string>().ends_with(".")) << stream.sent;
    }
    return answered;
  }
  Answered get(const std::string& target) {
    FakeStream stream("GET", target);
    return run(stream);
  }
  Answered post(const std::string& target, const Json& body) {
    FakeStream stream("POST", target, body.dump());
    stream.request.fields.set("content-type", "application/json");
    return run(stream);
  }

  boost::asio::io_context context_{1};
  test::SimClock clock_{context_};
  test::SimRng rng_{7};
  Gate gate_{context_.get_executor()};
  receipt::PrivateKey key_ = receipt::PrivateKey::generate(receipt::KeyType::kEd25519);
  receipt::PrivateKey other_ = receipt::PrivateKey::generate(receipt::KeyType::kP256);
  receipt::PrivateKey person_ = receipt::PrivateKey::generate(receipt::KeyType::kEd25519);
  receipt::AnchorSet anchors_{{receipt::Anchor{"alice", person_.public_key(), std::nullopt}}};
  receipt::Limits limits_;
  FragileLedger ledger_;
  audit::MemorySink audit_;
  FakeFetcher fetcher_;
  std::unique_ptr<StatusLists> status_;  // null: none are fetched
  WalletChanges changes_ = 0;
  std::filesystem::path folder_;
  std::unique_ptr<WalletFolder> wallet_;
  std::unique_ptr<Holdings> holdings_;
  std::unique_ptr<Consent> consent_;
  std::unique_ptr<Api> api_;
};

}  // namespace mandated::local
