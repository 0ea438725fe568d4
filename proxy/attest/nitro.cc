// AWS Nitro attestation documents, as the enclaves' documentation has them ("Verifying the root of
// trust"): a COSE_Sign1 (RFC 9052 section 4.2) with ES384, whose payload is a CBOR map.
#include <openssl/digest.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

#include <set>
#include <utility>

#include "proxy/attest/cbor.h"
#include "proxy/attest/evidence.h"
#include "proxy/attest/evidence_keys.h"
#include "proxy/identity/certificate.h"

namespace mandated::attest {

namespace {

constexpr std::size_t kCertificatesMax = 8;
constexpr std::size_t kCertificateMax = 1024;
constexpr std::size_t kMembersMax = 16;
constexpr std::size_t kPcrsMax = 32;
constexpr std::size_t kPcrSize = 48;  // SHA-384
constexpr std::size_t kPublicKeyMax = 1024;
constexpr std::size_t kTextMax = 512;  // of user_data and nonce
constexpr std::size_t kSignatureSize = 96;
constexpr std::string_view kProtected("\xA1\x01\x38\x22", 4);  // {alg: ES384}, and nothing else
constexpr std::string_view kTag("\xD2", 1);                    // COSE_Sign1, which may be left out
constexpr Clock::Duration kSkew = std::chrono::seconds(30);

struct Envelope {
  std::string_view payload;
  std::string_view signature;
};

struct Document {
  std::string module_id;
  std::uint64_t timestamp = 0;  // milliseconds since the epoch
  std::map<std::uint64_t, std::string> pcrs;
  std::string certificate;
  std::vector<std::string> authorities;  // root first
  std::string user_data;
  std::string nonce;
};

Failure unfit(std::string_view why) {
  return fail(Code::kPeerIdentity, "the Nitro document is unfit: " + std::string(why));
}

std::optional<Envelope> read_envelope(std::string_view bytes) {
  if (bytes.starts_with(kTag)) bytes.remove_prefix(kTag.size());
  CborReader reader(bytes);
  Envelope envelope;
  int at = 0;
  const bool whole = reader.array(4, [&] {
    const int element = at++;
    if (element == 1) return reader.map(0, [] { return false; });
    const auto content = reader.bytes();
    if (!content) return false;
    if (element == 2) envelope.payload = *content;
    if (element == 3) envelope.signature = *content;
    return element != 0 || *content == kProtected;
  });
  if (!whole || at != 4 || !reader.at_end()) return std::nullopt;
  return envelope;
}

bool read_text(CborReader& reader, std::string& out) {
  const auto text = reader.text();
  if (text) out = *text;
  return text.has_value();
}

bool read_bytes(CborReader& reader, std::size_t most, std::string& out) {
  const auto content = reader.bytes();
  if (content) out = *content;
  return content && !out.empty() && out.size() <= most;
}

/// Absent and null are the same.
bool read_optional(CborReader& reader, std::size_t most, std::string& out) {
  const auto content = reader.bytes_or_null();
  if (content && *content) out = **content;
  return content && out.size() <= most;
}

bool read_pcrs(CborReader& reader, std::map<std::uint64_t, std::string>& out) {
  return reader.map(kPcrsMax, [&] {
    const auto index = reader.unsigned_integer();
    std::string value;
    return index && *index < kPcrsMax && read_bytes(reader, kPcrSize, value) &&
           value.size() == kPcrSize && out.emplace(*index, std::move(value)).second;
  });
}

bool read_authorities(CborReader& reader, std::vector<std::string>& out) {
  return reader.array(kCertificatesMax,
                      [&] { return read_bytes(reader, kCertificateMax, out.emplace_back()); });
}

bool read_member(CborReader& reader, std::string_view name, Document& out) {
  if (name == "module_id") return read_text(reader, out.module_id) && !out.module_id.empty();
  if (name == "digest") return reader.text() == "SHA384";
  if (name == "timestamp") {
    const auto time = reader.unsigned_integer();
    out.timestamp = time.value_or(0);
    return out.timestamp > 0;
  }
  if (name == "pcrs") return read_pcrs(reader, out.pcrs) && !out.pcrs.empty();
  if (name == "certificate") return read_bytes(reader, kCertificateMax, out.certificate);
  if (name == "cabundle") return read_authorities(reader, out.authorities);
  if (name == "user_data") return read_optional(reader, kTextMax, out.user_data);
  if (name == "nonce") return read_optional(reader, kTextMax, out.nonce);
  std::string ignored;
  return name == "public_key" && read_optional(reader, kPublicKeyMax, ignored);
}

std::optional<Document> read_document(std::string_view bytes) {
  CborReader reader(bytes);
  Document document;
  std::set<std::string, std::less<>> seen;
  const bool whole = reader.map(kMembersMax, [&] {
    const auto name = reader.text();
    return name && seen.emplace(*name).second && read_member(reader, *name, document);
  });
  if (!whole || !reader.at_end()) return std::nullopt;
  for (const std::string_view name :
       {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}) {
    if (!seen.contains(name)) return std::nullopt;
  }
  return document;
}

Result<identity::Certificates> read_chain(const Document& document) {
  identity::Certificates chain;
  chain.push_back(identity::parse_certificate(document.certificate));
  for (auto each = document.authorities.rbegin(); each != document.authorities.rend(); ++each)
    chain.push_back(identity::parse_certificate(*each));
  for (const auto& certificate : chain) {
    if (!certificate) return unfit("a certificate cannot be read");
  }
  return chain;
}

/// Sig_structure of RFC 9052 section 4.4.
std::string signed_bytes(std::string_view payload) {
  const std::string context = "\x6ASignature1";
  return "\x84" + context + cbor_bytes(kProtected) + cbor_bytes("") + cbor_bytes(payload);
}

Clock::WallTime time_of(const Document& document) {
  constexpr std::uint64_t kMax = std::uint64_t{1} << 42U;  // of milliseconds: the year 2109
  return Clock::WallTime(std::chrono::milliseconds(std::min(document.timestamp, kMax)));
}

class NitroVerifier final : public EvidenceVerifier {
 public:
  NitroVerifier(Roots roots, Clock::Duration age_max)
      : roots_(std::move(roots)), age_max_(age_max) {}

  std::string_view kind() const override { return "nitro"; }

  Result<Statement> verify(std::string_view document, Clock::WallTime now) const override {
    if (document.size() > kBytesMax) return unfit("it is too large");
    const std::optional<Envelope> envelope = read_envelope(document);
    if (!envelope || envelope->signature.size() != kSignatureSize) {
      return unfit("it is no COSE_Sign1 with ES384");
    }
    const std::optional<Document> read = read_document(envelope->payload);
    if (!read) return unfit("its payload is no attestation document");
    TRY(const identity::Certificates chain, read_chain(*read));
    CHECK(check_evidence_path(roots_, chain, now));
    if (!ecdsa_verifies(X509_get0_pubkey(chain.front().get()), NID_secp384r1, EVP_sha384(),
                        signed_bytes(envelope->payload), envelope->signature)) {
      return unfit("its signature is wrong");
    }
    const auto image = read->pcrs.find(0);
    if (image == read->pcrs.end() || all_zero(image->second)) {
      return unfit("PCR 0 is zero: the enclave is in debug mode");
    }
    return state(*read);
  }

  Result<void> check(const Statement& statement, const Binding& binding,
                     Clock::WallTime now) const override {
    if (statement.bound != binding.holder_key) return unfit("it was made for another key");
    if (statement.nonce != binding.nonce) return unfit("its nonce is another");
    if (!statement.made || *statement.made > now + kSkew || now - *statement.made > age_max_) {
      return unfit("it was not made just now");
    }
    return {};
  }

 private:
  static Statement state(const Document& document) {
    Statement statement;
    statement.selectors["nitro:module-id"] = document.module_id;
    for (const auto& [index, value] : document.pcrs) {
      if (!all_zero(value))
        statement.selectors["nitro:pcr" + std::to_string(index)] = to_hex(value);
    }
    statement.bound = document.user_data;
    statement.nonce = document.nonce;
    statement.made = time_of(document);
    return statement;
  }

  Roots roots_;
  Clock::Duration age_max_;
};

}  // namespace

Result<std::unique_ptr<const EvidenceVerifier>> make_nitro_verifier(
    const std::vector<std::string>& roots, Clock::Duration age_max) {
  TRY(Roots store, make_roots(roots));
  return std::make_unique<NitroVerifier>(std::move(store), age_max);
}

}  // namespace mandated::attest
