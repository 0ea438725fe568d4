#include "proxy/workload_api/messages.h"

#include <google/protobuf/stubs/logging.h>
#include <workloadapi.pb.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "proxy/identity/svid_der.h"
#include "proxy/workload_api/grpc_frames.h"

namespace mandated::workload_api {

namespace {

constexpr std::size_t kSvidsMax = 64;
constexpr std::size_t kBundlesMax = 1000;
constexpr std::size_t kHintMax = 1024;

Failure malformed(std::string text) {
  return fail(Code::kMalformed, Side::kUpstream, std::move(text));
}

Failure with_context(const std::string& what, Error error) {
  error.side = Side::kUpstream;
  error.text = what + ": " + error.text;
  return Failure(std::move(error));
}

/// What is wrong with a message is our error to tell; protobuf's own words would go to stderr.
void silence_protobuf() {
  static google::protobuf::LogHandler* const before = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(before);
}

template <class Message>
Result<Message> parse(std::string_view bytes) {
  silence_protobuf();
  Message message;
  if (bytes.size() > INT_MAX ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return malformed("a message that is not of its kind");
  }
  return message;
}

/// Wipes the keys that protobuf holds, however the message is left.
class WipedKeys {
 public:
  explicit WipedKeys(X509SVIDResponse& message) : message_(message) {}
  ~WipedKeys() {
    for (X509SVID& svid : *message_.mutable_svids()) wipe(*svid.mutable_x509_svid_key());
  }
  WipedKeys(const WipedKeys&) = delete;
  WipedKeys& operator=(const WipedKeys&) = delete;

 private:
  X509SVIDResponse& message_;
};

/// The name of the trust domain whose SPIFFE ID this is.
Result<std::string> trust_domain_of(const std::string& id) {
  const Result<identity::SpiffeId> parsed = identity::SpiffeId::parse(id);
  if (!parsed || !parsed->path().empty()) {
    return malformed("a bundle whose key is no trust domain's SPIFFE ID");
  }
  return std::string(parsed->trust_domain());
}

Result<std::vector<std::string>> read_bundle(const std::string& trust_domain,
                                             const std::string& der) {
  TRY(std::vector<std::string> certificates, identity::split_certificates(der));
  CHECK(identity::check_bundle(trust_domain, certificates));
  return certificates;
}

/// Refuses two bundles of one trust domain that differ: nobody could say which one counts.
Result<void> add_bundle(identity::Bundles& bundles, const std::string& trust_domain,
                        std::vector<std::string> certificates) {
  const auto [found, fresh] = bundles.try_emplace(trust_domain, certificates);
  if (!fresh && found->second != certificates) {
    return malformed("two bundles of the trust domain " + trust_domain);
  }
  return {};
}

template <class Map>
Result<void> add_foreign_bundles(const Map& foreign, identity::Bundles& bundles,
                                 std::vector<std::string>& ignored) {
  if (foreign.size() > kBundlesMax) return malformed("more than 1000 bundles");
  for (const auto& [id, der] : foreign) {
    TRY(const std::string trust_domain, trust_domain_of(id));
    Result<std::vector<std::string>> certificates = read_bundle(trust_domain, der);
    if (certificates) {
      CHECK(add_bundle(bundles, trust_domain, std::move(*certificates)));
    } else {
      ignored.push_back("the bundle of " + trust_domain + ": " + certificates.error().text);
    }
  }
  return {};
}

Result<void> add_svid(const X509SVID& given, Clock::WallTime now, X509Update& update) {
  if (given.spiffe_id().empty() || given.x509_svid().empty() || given.x509_svid_key().empty() ||
      given.bundle().empty()) {
    return malformed("an SVID without its ID, certificate, key or bundle");
  }
  if (given.hint().size() > kHintMax) return malformed("a hint of more than 1024 bytes");
  const Result<identity::SpiffeId> id = identity::SpiffeId::parse(given.spiffe_id());
  if (!id) return with_context("an SVID", id.error());
  const std::string trust_domain(id->trust_domain());
  Result<std::vector<std::string>> bundle = read_bundle(trust_domain, given.bundle());
  if (!bundle) return with_context("the bundle of " + trust_domain, bundle.error());
  Result<identity::Svid> svid = identity::read_svid(given.spiffe_id(), given.x509_svid(),
                                                    given.x509_svid_key(), *bundle, now);
  if (!svid) return with_context("the SVID " + id->text(), svid.error());
  update.svids.push_back(HintedSvid{std::move(*svid), given.hint()});
  return add_bundle(update.bundles, trust_domain, std::move(*bundle));
}

}  // namespace

Result<X509Update> read_x509_svids(std::string_view message, Clock::WallTime now) {
  TRY(X509SVIDResponse response, parse<X509SVIDResponse>(message));
  const WipedKeys wiped(response);
  if (response.svids().empty()) return malformed("a message without an SVID");
  if (static_cast<std::size_t>(response.svids_size()) > kSvidsMax) {
    return malformed("more than 64 SVIDs");
  }
  X509Update update;
  for (const X509SVID& svid : response.svids()) {
    CHECK(add_svid(svid, now, update));
  }
  CHECK(add_foreign_bundles(response.federated_bundles(), update.bundles, update.ignored));
  if (!response.crl().empty()) {
    update.ignored.emplace_back("revocation lists, which are not supported");
  }
  return update;
}

Result<identity::Bundles> read_x509_bundles(std::string_view message,
                                            std::vector<std::string>& ignored) {
  TRY(const X509BundlesResponse response, parse<X509BundlesResponse>(message));
  if (response.bundles().empty()) return malformed("a message without a bundle");
  identity::Bundles bundles;
  CHECK(add_foreign_bundles(response.bundles(), bundles, ignored));
  if (!response.crl().empty()) ignored.emplace_back("revocation lists, which are not supported");
  return bundles;
}

Result<std::map<std::string, std::string>> read_jwt_bundles(std::string_view message) {
  TRY(const JWTBundlesResponse response, parse<JWTBundlesResponse>(message));
  if (response.bundles().empty()) return malformed("a message without a bundle");
  if (response.bundles().size() > kBundlesMax) return malformed("more than 1000 bundles");
  std::map<std::string, std::string> bundles;
  for (const auto& [id, keys] : response.bundles()) {
    TRY(std::string trust_domain, trust_domain_of(id));
    bundles[std::move(trust_domain)] = keys;
  }
  return bundles;
}

std::string jwt_svid_request(std::string_view audience, std::string_view spiffe_id) {
  JWTSVIDRequest request;
  request.add_audience(std::string(audience));
  request.set_spiffe_id(std::string(spiffe_id));
  return request.SerializeAsString();
}

Result<std::vector<JwtSvidToken>> read_jwt_svids(std::string_view message) {
  TRY(const JWTSVIDResponse response, parse<JWTSVIDResponse>(message));
  if (response.svids().empty()) return malformed("a message without an SVID");
  if (static_cast<std::size_t>(response.svids_size()) > kSvidsMax) {
    return malformed("more than 64 SVIDs");
  }
  std::vector<JwtSvidToken> tokens;
  for (const JWTSVID& svid : response.svids()) {
    if (svid.svid().empty()) return malformed("a JWT-SVID without its token");
    if (svid.hint().size() > kHintMax) return malformed("a hint of more than 1024 bytes");
    Result<identity::SpiffeId> id = identity::SpiffeId::parse(svid.spiffe_id());
    if (!id) return with_context("a JWT-SVID", id.error());
    tokens.push_back(JwtSvidToken{std::move(*id), svid.svid(), svid.hint()});
  }
  return tokens;
}

std::string validate_jwt_request(std::string_view audience, std::string_view token) {
  ValidateJWTSVIDRequest request;
  request.set_audience(std::string(audience));
  request.set_svid(std::string(token));
  return request.SerializeAsString();
}

Result<ValidatedJwt> read_validated_jwt(std::string_view message) {
  TRY(const ValidateJWTSVIDResponse response, parse<ValidateJWTSVIDResponse>(message));
  ValidatedJwt validated;
  Result<identity::SpiffeId> id = identity::SpiffeId::parse(response.spiffe_id());
  if (!id) return with_context("the answer", id.error());
  validated.id = std::move(*id);
  const auto& claims = response.claims().fields();
  const auto expires = claims.find("exp");
  if (expires != claims.end() && expires->second.has_number_value()) {
    validated.expires = expires->second.number_value();
  }
  return validated;
}

}  // namespace mandated::workload_api
