#include "proxy/identity/authority.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>

#include "filters/receipt/jose.h"
#include "proxy/identity/certificate.h"
#include "proxy/json/writer.h"

namespace mandated::identity {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::hours kAuthorityLife{365 * 24};
constexpr std::chrono::seconds kBackdate{10};

// RFC 5280 section 4.2.1.3: bit numbers of KeyUsage.
constexpr int kDigitalSignature = 0;
constexpr int kKeyCertSign = 5;
constexpr int kCrlSign = 6;

bssl::UniquePtr<EVP_PKEY> generate_p256() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!ec || !key || EC_KEY_generate_key(ec.get()) != 1 ||
      EVP_PKEY_assign_EC_KEY(key.get(), ec.get()) != 1) {
    return nullptr;
  }
  (void)ec.release();  // the EVP_PKEY owns it now
  return key;
}

bssl::UniquePtr<EVP_PKEY> generate_ed25519() {
  const bssl::UniquePtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_keygen(context.get(), &key) != 1) {
    return nullptr;
  }
  return bssl::UniquePtr<EVP_PKEY>(key);
}

/// Builds one certificate; any step that fails makes sign() give null.
class CertificateBuilder {
 public:
  CertificateBuilder(EVP_PKEY* subject_key, Clock::WallTime begins, Clock::WallTime expires)
      : certificate_(X509_new()) {
    require(certificate_ && X509_set_version(certificate_.get(), X509_VERSION_3));
    require(sound_ && X509_set_pubkey(certificate_.get(), subject_key));
    if (!sound_) return;
    set_serial();
    const bssl::UniquePtr<ASN1_TIME> from(ASN1_TIME_set_posix(nullptr, to_posix(begins)));
    const bssl::UniquePtr<ASN1_TIME> until(ASN1_TIME_set_posix(nullptr, to_posix(expires)));
    require(from && until && X509_set1_notBefore(certificate_.get(), from.get()) &&
            X509_set1_notAfter(certificate_.get(), until.get()));
  }

  void set_common_name(std::string_view name) {
    if (!sound_) return;
    require(X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate_.get()), NID_commonName,
                                       MBSTRING_UTF8,
                                       reinterpret_cast<const std::uint8_t*>(name.data()),
                                       static_cast<ossl_ssize_t>(name.size()), -1, 0));
  }

  void set_authority() {
    const bssl::UniquePtr<BASIC_CONSTRAINTS> constraints(BASIC_CONSTRAINTS_new());
    if (!require(constraints != nullptr)) return;
    constraints->ca = 0xff;
    constraints->pathlen = ASN1_INTEGER_new();
    require(constraints->pathlen && ASN1_INTEGER_set_uint64(constraints->pathlen, 0));
    add(NID_basic_constraints, constraints.get(), true);
  }

  void set_key_usage(std::initializer_list<int> bits) {
    const bssl::UniquePtr<ASN1_BIT_STRING> usage(ASN1_BIT_STRING_new());
    if (!require(usage != nullptr)) return;
    for (const int bit : bits) require(ASN1_BIT_STRING_set_bit(usage.get(), bit, 1));
    add(NID_key_usage, usage.get(), true);
  }

  /// Section 4.4 of the X509-SVID standard: both sides of TLS.
  void set_extended_usage() {
    const bssl::UniquePtr<EXTENDED_KEY_USAGE> usages(EXTENDED_KEY_USAGE_new());
    if (!require(usages != nullptr)) return;
    for (const int nid : {NID_server_auth, NID_client_auth}) {
      require(sk_ASN1_OBJECT_push(usages.get(), OBJ_nid2obj(nid)) > 0);
    }
    add(NID_ext_key_usage, usages.get(), false);
  }

  void set_uri(const std::string& uri, bool critical) {
    const bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
    bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
    bssl::UniquePtr<ASN1_IA5STRING> text(ASN1_IA5STRING_new());
    if (!require(names && name && text &&
                 ASN1_STRING_set(text.get(), uri.data(), static_cast<ossl_ssize_t>(uri.size())))) {
      return;
    }
    GENERAL_NAME_set0_value(name.get(), GEN_URI, text.release());
    require(bssl::PushToStack(names.get(), std::move(name)));
    add(NID_subject_alt_name, names.get(), critical);
  }

  /// RFC 5280 section 4.2.1.2, with the hash of RFC 7093 section 2 (1).
  void set_subject_key_id(const EVP_PKEY* key) {
    bssl::ScopedCBB spki;
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
    if (!require(CBB_init(spki.get(), 128) && EVP_marshal_public_key(spki.get(), key) &&
                 CBB_flush(spki.get()))) {
      return;
    }
    SHA256(CBB_data(spki.get()), CBB_len(spki.get()), digest.data());
    const bssl::UniquePtr<ASN1_OCTET_STRING> id(ASN1_OCTET_STRING_new());
    if (!require(id && ASN1_OCTET_STRING_set(id.get(), digest.data(), 20))) return;
    add(NID_subject_key_identifier, id.get(), false);
  }

  void set_authority_key_id(const ASN1_OCTET_STRING* id) {
    const bssl::UniquePtr<AUTHORITY_KEYID> authority(AUTHORITY_KEYID_new());
    if (!require(authority && id)) return;
    authority->keyid = ASN1_OCTET_STRING_dup(id);
    if (!require(authority->keyid != nullptr)) return;
    add(NID_authority_key_identifier, authority.get(), false);
  }

  bssl::UniquePtr<X509> sign(const X509* issuer, EVP_PKEY* issuer_key) {
    if (!sound_) return nullptr;
    const X509_NAME* issuer_name = X509_get_subject_name(issuer ? issuer : certificate_.get());
    const EVP_MD* digest = EVP_PKEY_id(issuer_key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
    if (X509_set_issuer_name(certificate_.get(), issuer_name) != 1 ||
        X509_sign(certificate_.get(), issuer_key, digest) == 0) {
      return nullptr;
    }
    return std::move(certificate_);
  }

 private:
  bool require(bool step) { return sound_ = sound_ && step; }
  bool require(int step) { return require(step != 0); }

  void add(int nid, void* value, bool critical) {
    if (sound_) {
      require(
          X509_add1_ext_i2d(certificate_.get(), nid, value, critical ? 1 : 0, X509V3_ADD_APPEND));
    }
  }

  /// 127 random bits: the top one stays clear, so that the integer is positive in 16 bytes.
  void set_serial() {
    std::array<std::uint8_t, 16> bytes{};
    RAND_bytes(bytes.data(), bytes.size());
    bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x7fU) | 0x40U);
    const bssl::UniquePtr<BIGNUM> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
    require(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate_.get())));
  }

  bssl::UniquePtr<X509> certificate_;
  bool sound_ = true;
};

Failure no_certificate() { return fail(Code::kInternal, "a certificate cannot be made"); }

/// The trust domain a CA certificate names (X509-SVID standard section 3).
Result<std::string> authority_trust_domain(const X509* certificate) {
  const bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names && sk_GENERAL_NAME_num(names.get()) == 1) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), 0);
    if (name->type == GEN_URI) {
      const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
      const Result<SpiffeId> id =
          SpiffeId::parse({reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                           static_cast<std::size_t>(ASN1_STRING_length(uri))});
      if (id && id->path().empty()) return std::string(id->trust_domain());
    }
  }
  return fail(Code::kMalformed, "a CA certificate that names no trust domain");
}

}  // namespace

Result<Authority> Authority::create(const std::string& trust_domain, Clock::WallTime now) {
  bssl::UniquePtr<EVP_PKEY> key = generate_p256();
  if (!key) return no_certificate();
  CertificateBuilder builder(key.get(), now - kBackdate, now + kAuthorityLife);
  // Two authorities of one domain overlap; the key identifier tells them apart.
  builder.set_common_name("mandated authority");
  builder.set_authority();
  builder.set_key_usage({kKeyCertSign, kCrlSign});
  builder.set_uri("spiffe://" + trust_domain, false);
  builder.set_subject_key_id(key.get());
  const bssl::UniquePtr<X509> certificate = builder.sign(nullptr, key.get());
  if (!certificate) return no_certificate();
  TRY(Authority made, load(to_der(certificate.get())));
  made.key_ = std::move(key);
  return made;
}

Result<Authority> Authority::load(std::string certificate_der) {
  Authority loaded;
  loaded.certificate_ = parse_certificate(certificate_der);
  if (!loaded.certificate_) return fail(Code::kMalformed, "a certificate cannot be read");
  if ((X509_get_extension_flags(loaded.certificate_.get()) & EXFLAG_CA) == 0) {
    return fail(Code::kMalformed, "a certificate of no CA");
  }
  TRY(loaded.trust_domain_, authority_trust_domain(loaded.certificate_.get()));
  loaded.certificate_der_ = std::move(certificate_der);
  loaded.begins_ = not_before(loaded.certificate_.get());
  loaded.expires_ = not_after(loaded.certificate_.get());
  return loaded;
}

Result<void> Authority::load_key(std::string_view key_der) {
  CBS bytes;
  CBS_init(&bytes, reinterpret_cast<const std::uint8_t*>(key_der.data()), key_der.size());
  bssl::UniquePtr<EVP_PKEY> key(EVP_parse_private_key(&bytes));
  if (!key || CBS_len(&bytes) != 0 || X509_check_private_key(certificate_.get(), key.get()) != 1) {
    return fail(Code::kMalformed, "a key that is not that of its certificate");
  }
  key_ = std::move(key);
  return {};
}

Result<Svid> Authority::issue(const SpiffeId& id, KeyType key_type, Clock::Duration ttl,
                              Clock::WallTime now) const {
  bssl::UniquePtr<EVP_PKEY> key = key_type == KeyType::kP256 ? generate_p256() : generate_ed25519();
  if (!key) return no_certificate();
  const Clock::WallTime until =
      std::min(now + std::chrono::duration_cast<Clock::WallTime::duration>(ttl), expires_);
  CertificateBuilder builder(key.get(), now - kBackdate, until);
  builder.set_key_usage({kDigitalSignature});
  builder.set_extended_usage();
  // The subject is empty, so the name must be critical (RFC 5280 section 4.2.1.6).
  builder.set_uri(id.text(), true);
  builder.set_authority_key_id(X509_get0_subject_key_id(certificate_.get()));
  const bssl::UniquePtr<X509> certificate = builder.sign(certificate_.get(), key_.get());
  if (!certificate) return no_certificate();
  Svid svid;
  svid.id = id;
  svid.chain_der.push_back(to_der(certificate.get()));
  svid.private_key = std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free);
  svid.not_before = not_before(certificate.get());
  svid.expires = not_after(certificate.get());
  return svid;
}

JwtKey Authority::wit_key() const {
  const std::shared_ptr<EVP_PKEY> key(X509_get_pubkey(certificate_.get()), EVP_PKEY_free);
  const auto named = receipt::PublicKey::from_handle(key.get());
  return {named ? named->thumbprint() : std::string(), key, JwtKey::Use::kWitSvid};
}

Result<WorkloadToken> Authority::issue_wit(const SpiffeId& id, Clock::Duration ttl,
                                           Clock::WallTime now) const {
  WorkloadToken token;
  token.id = id;
  token.private_key = std::shared_ptr<EVP_PKEY>(generate_p256().release(), EVP_PKEY_free);
  token.expires =
      std::min<Clock::WallTime>(std::chrono::floor<std::chrono::seconds>(now + ttl), expires_);
  const auto holder = receipt::PublicKey::from_handle(token.private_key.get());
  const auto signer = receipt::PrivateKey::from_handle(key_.get());
  if (!holder || !signer) return fail(Code::kInternal, "a token cannot be made");
  // The key's own alg comes first: it is the one member that its JWK lacks (workload-creds).
  std::string jwk = holder->jwk();
  jwk.insert(1, R"("alg":"ES256",)");
  json::ObjectWriter payload;
  payload.json("cnf", json::ObjectWriter().json("jwk", jwk).take())
      .number("exp", static_cast<double>(to_posix(token.expires)))
      .number("iat", static_cast<double>(to_posix(now)))
      .text("iss", "spiffe://" + trust_domain_)
      .text("sub", id.text());
  token.token = receipt::sign_compact(payload.take(), receipt::TokenKind::kWorkloadIdentity,
                                      wit_key().kid, *signer);
  return token;
}

}  // namespace mandated::identity
