// A SPIFFE agent on the simulated network, its HTTP/2 frames made by hand: says what each test
// wants, when it wants it.
#pragma once

#include <workloadapi.pb.h>

#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/gate.h"
#include "proxy/identity/identity.h"
#include "tests/sim/sim_network.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::test {

inline constexpr char kAgentAddress[] = "unix:/agent.sock";

/// The PKCS#8 form of a key.
std::string to_pkcs8(const EVP_PKEY* key);
X509SVID to_message(const identity::Svid& svid, const TestCa& ca, std::string_view hint = {});
/// A message with these SVIDs.
X509SVIDResponse to_response(const std::vector<X509SVID>& svids);

class FakeAgent {
 public:
  FakeAgent(sim::Network& network, SimClock& clock);
  ~FakeAgent();
  FakeAgent(const FakeAgent&) = delete;
  FakeAgent& operator=(const FakeAgent&) = delete;

  struct Asked {
    std::string method;  ///< the path, without the service
    std::map<std::string, std::string> fields;
    std::string message;
  };
  std::vector<Asked> asked;
  std::size_t times_asked(std::string_view method) const;

  /// What a method is answered with: messages, then, unless `status` is empty, that grpc-status.
  struct Answer {
    std::vector<std::string> messages;
    std::string status;
    std::string words{};  ///< grpc-message
  };
  std::map<std::string, Answer, std::less<>> answers;
  /// Answers nothing at all, while it is true.
  bool silent = false;

  /// Sends one more message on the open streams of that method.
  void push(std::string_view method, const std::string& message);
  /// Ends them with that grpc-status.
  void finish(std::string_view method, const std::string& status);
  /// Sends these bytes, as they are, on every connection.
  void push_raw(const std::string& bytes);
  /// Dies: all connections are cut, and nobody listens any more.
  void die();
  void live();
  std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection;
  Task<void> accept();
  Task<void> serve(std::shared_ptr<Connection> connection);
  Task<void> write(std::shared_ptr<Connection> connection, std::string bytes);
  void answer(Connection& connection, const Asked& call);
  void send(Connection& connection, std::string bytes);

  sim::Network& network_;
  SimClock& clock_;
  Gate gate_;
  std::unique_ptr<net::Listener> listener_;
  std::list<std::shared_ptr<Connection>> connections_;
};

}  // namespace mandated::test
