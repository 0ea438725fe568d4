// What an agent may send in the body of an answer, and after it. Properties: however the bytes are
// cut, the same messages come out and the same error; and every SVID that a message is believed to
// have is one that its own bundle vouches for.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "proxy/identity/jwt_keys.h"
#include "proxy/workload_api/grpc_frames.h"
#include "proxy/workload_api/messages.h"

namespace mandated::workload_api {
namespace {

struct Outcome {
  std::vector<std::string> messages;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view bytes, std::size_t piece) {
  MessageReader reader(1U << 16U);
  Outcome outcome;
  while (!bytes.empty()) {
    reader.add(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    while (true) {
      const auto message = reader.next();
      if (!message) {
        outcome.error = message.error().text;
        return outcome;
      }
      if (!*message) break;
      outcome.messages.emplace_back((*message)->bytes());
    }
  }
  if (!reader.empty()) outcome.error = "cut off";
  return outcome;
}

void require(bool holds, const char* law) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", law);
  std::abort();
}

void read_as_everything(const std::string& message) {
  const Clock::WallTime now = Clock::WallTime(std::chrono::seconds(1780272000));
  if (const auto update = read_x509_svids(message, now)) {
    require(!update->svids.empty(), "an update has an SVID");
    for (const HintedSvid& one : update->svids) {
      const auto id = identity::verify_x509_svid(one.svid.chain_der, update->bundles,
                                                 identity::Purpose::kServer, now);
      require(id && *id == one.svid.id, "an SVID's bundle vouches for it");
      require(one.svid.expires > now, "an SVID is alive");
    }
  }
  std::vector<std::string> ignored;
  (void)read_x509_bundles(message, ignored);
  (void)read_jwt_svids(message);
  (void)read_validated_jwt(message);
  if (const auto bundles = read_jwt_bundles(message)) {
    for (const auto& [name, keys] : *bundles) (void)identity::read_jwt_keys(keys);
  }
}

}  // namespace
}  // namespace mandated::workload_api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::workload_api;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read(bytes, SIZE_MAX);
  require(whole == read(bytes, 1), "split invariance");
  require(whole == read(bytes, 13), "split invariance");
  for (const std::string& message : whole.messages) read_as_everything(message);
  mandated::http::Fields trailers;
  trailers.add("grpc-status", std::string(bytes.substr(0, 2)));
  trailers.add("grpc-message", std::string(bytes));
  (void)read_status(trailers);
  return 0;
}
