// The consent service without sockets: a folder, a clock that stands still, people with passkeys,
// and requests put to the handler as a codec would.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "proxy/consent/handler.h"
#include "tests/support/fake_stream.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_rng.h"
#include "tests/unit/receipt/authenticator.h"

namespace mandated::consent::test {

using mandated::test::FakeStream;
using mandated::test::SimClock;
using mandated::test::SimRng;
using receipt::forge::Json;
namespace forge = receipt::forge;

inline constexpr std::string_view kOrigin = "https://receipts.example.org";
inline constexpr std::string_view kAlice = "mailto:alice@example.org";
inline constexpr std::string_view kBob = "mailto:bob@example.org";

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("mandated-consent-" + std::to_string(::getpid()) + "-" + std::to_string(next_++))) {}
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path() const { return path_; }

 private:
  static inline int next_ = 0;
  std::filesystem::path path_;
};

/// SubjectPublicKeyInfo, as getPublicKey() gives it out.
inline std::string spki(const receipt::PublicKey& key) {
  const Json jwk = Json::parse(key.jwk());
  const auto part = [&](const char* name) {
    return *receipt::decode_base64url(jwk.at(name).get<std::string>());
  };
  if (key.type() == receipt::KeyType::kEd25519)
    return std::string("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12) + part("x");
  return std::string(
             "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03"
             "\x01\x07\x03\x42\x00\x04",
             27) +
         part("x") + part("y");
}

/// A person's passkey, as page and browser use it.
struct Person {
  explicit Person(int number, receipt::KeyType type = receipt::KeyType::kP256)
      : authenticator(number, type) {}

  const std::string& credential_id() const { return authenticator.credential_id; }

  /// What the page posts once `challenge` (base64url) was signed.
  Json answer(std::string_view challenge,
              const std::function<void(forge::Ceremony&)>& bend = {}) const {
    forge::Ceremony ceremony{forge::client_data(challenge, kOrigin),
                             forge::authenticator_data("receipts.example.org"), authenticator.key};
    if (bend) bend(ceremony);
    Json body = forge::respond(ceremony);
    body["credential_id"] = credential_id();
    return body;
  }

  receipt::Anchor anchor(std::string_view user) const {
    return {credential_id(), authenticator.key.public_key(), std::string(user),
            receipt::Passkey{"receipts.example.org", {std::string(kOrigin)}}, nullptr};
  }

  forge::Authenticator authenticator;
};

inline Json receipt_question() {
  return {{"kind", "receipt"},
          {"user", kAlice},
          {"holder", "spiffe://acme.example/agent/x"},
          {"holder_key", Json::parse(forge::key(1).public_key().jwk())},
          {"tools",
           {{"read_file", {{"path", {{"constraint_type", "path_containment"}, {"root", "/data"}}}}},
            {"list", Json::object()}}},
          {"lifetime", 3600},
          {"intent", "read the reports"}};
}

class ServiceTest : public testing::Test {
 protected:
  ServiceTest()
      : clock_(context_),
        drain_(context_.get_executor()),
        tasks_(context_.get_executor()),
        store_(RequestStore::Limits{.requests_max = 8, .bytes_max = 100000, .watchers_max = 2}) {}

  ~ServiceTest() override {
    drain_.drain();
    clock_.run_ready();
  }

  Seconds now() const { return clock_.wall_seconds(); }

  void admit(const Person& person, std::string_view user, const std::string& name) {
    const auto code = registry_.invite(std::string(user), name, rng_, now());
    ASSERT_TRUE(code) << code.error().text;
    const auto admitted = registry_.admit(*code, person.anchor(user), now());
    ASSERT_TRUE(admitted) << admitted.error().text;
  }

  /// As our own page sends it, or an agent.
  std::unique_ptr<FakeStream> stream(const std::string& method, const std::string& target,
                                     const std::string& body = {}) const {
    auto made = std::make_unique<FakeStream>(method, target, body);
    made->request.scheme = "http";
    made->request.authority = "receipts.example.org";
    if (method != "POST") return made;
    made->request.fields.set("content-type", "application/json");
    made->request.fields.set("origin", std::string(kOrigin));
    return made;
  }

  void start(FakeStream& stream) {
    tasks_.spawn(handler_.handle(stream));
    clock_.run_ready();
  }

  std::unique_ptr<FakeStream> call(const std::string& method, const std::string& target,
                                   const std::string& body = {}) {
    auto made = stream(method, target, body);
    start(*made);
    EXPECT_TRUE(made->ended);
    return made;
  }

  /// The id of a question that was taken.
  std::string ask(const Json& question = receipt_question()) {
    const auto asked = call("POST", "/requests", question.dump());
    EXPECT_EQ(asked->response.status, 201) << asked->sent;
    return asked->json().value("id", "");
  }

  std::string status(const std::string& id) {
    return call("GET", "/requests/" + id)->json().value("status", "");
  }

  /// The challenge of what that person has to sign.
  std::string challenge(const std::string& id, const Person& person) {
    const Json content = call("GET", "/requests/" + id + "/content")->json();
    for (const Json& passkey : content.at("passkeys")) {
      if (passkey.at("credential_id") == person.credential_id())
        return receipt::sha256_text(passkey.at("input").get<std::string>());
    }
    return {};
  }

  std::unique_ptr<FakeStream> sign(const std::string& id, const Person& person,
                                   const std::function<void(forge::Ceremony&)>& bend = {}) {
    return call("POST", "/requests/" + id + "/signature",
                person.answer(challenge(id, person), bend).dump());
  }

  Folder folder_;
  boost::asio::io_context context_{1};
  SimClock clock_;
  SimRng rng_{7};
  Gate drain_;
  Gate tasks_;
  Origin origin_ = *Origin::parse(kOrigin);
  Registry registry_ = *Registry::open(folder_.path(), identity::StateFolder::Missing::kCreate);
  RequestStore store_;
  Handler handler_{origin_, registry_, store_, rng_, clock_, drain_};
};

}  // namespace mandated::consent::test
