#include "tests/support_ca/test_ca.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <array>
#include <chrono>
#include <cstdlib>

namespace mandated::test {

namespace {

void check(bool step) {
  if (!step) std::abort();
}

bssl::UniquePtr<EVP_PKEY> ec_key(int curve) {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  check(EC_KEY_generate_key(ec.get()) == 1 && EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) == 1);
  return key;
}

bssl::UniquePtr<EVP_PKEY> rsa_key(int bits) {
  const bssl::UniquePtr<BIGNUM> exponent(BN_new());
  const bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  check(BN_set_word(exponent.get(), RSA_F4) == 1 &&
        RSA_generate_key_ex(rsa.get(), bits, exponent.get(), nullptr) == 1 &&
        EVP_PKEY_set1_RSA(key.get(), rsa.get()) == 1);
  return key;
}

void add(X509* certificate, int nid, void* value, bool critical) {
  check(X509_add1_ext_i2d(certificate, nid, value, critical ? 1 : 0, X509V3_ADD_APPEND) == 1);
}

bssl::UniquePtr<GENERAL_NAME> general_name(int type, const std::string& text) {
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  check(ASN1_STRING_set(value, text.data(), static_cast<ossl_ssize_t>(text.size())) == 1);
  GENERAL_NAME_set0_value(name.get(), type, value);
  return name;
}

void add_names(X509* certificate, const TestCertificate& says) {
  const bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  for (const std::string& uri : says.uris) {
    check(bssl::PushToStack(names.get(), general_name(GEN_URI, uri)));
  }
  for (const std::string& dns : says.dns_names) {
    check(bssl::PushToStack(names.get(), general_name(GEN_DNS, dns)));
  }
  if (sk_GENERAL_NAME_num(names.get()) == 0) return;
  add(certificate, NID_subject_alt_name, names.get(), says.san_critical);
  if (says.second_san) add(certificate, NID_subject_alt_name, names.get(), says.san_critical);
}

void add_usage(X509* certificate, const TestCertificate& says) {
  if (!says.key_usage.empty()) {
    const bssl::UniquePtr<ASN1_BIT_STRING> usage(ASN1_BIT_STRING_new());
    for (const int bit : says.key_usage) ASN1_BIT_STRING_set_bit(usage.get(), bit, 1);
    add(certificate, NID_key_usage, usage.get(), says.key_usage_critical);
  }
  if (!says.extended_usage.empty()) {
    const bssl::UniquePtr<EXTENDED_KEY_USAGE> usages(EXTENDED_KEY_USAGE_new());
    for (const int nid : says.extended_usage) {
      check(sk_ASN1_OBJECT_push(usages.get(), OBJ_nid2obj(nid)) > 0);
    }
    add(certificate, NID_ext_key_usage, usages.get(), false);
  }
}

void add_constraints(X509* certificate, const TestCertificate& says) {
  if (says.ca) {
    const bssl::UniquePtr<BASIC_CONSTRAINTS> constraints(BASIC_CONSTRAINTS_new());
    constraints->ca = *says.ca ? 0xff : 0;
    if (says.path_length) {
      constraints->pathlen = ASN1_INTEGER_new();
      check(ASN1_INTEGER_set_int64(constraints->pathlen, *says.path_length) == 1);
    }
    add(certificate, NID_basic_constraints, constraints.get(), true);
  }
  if (!says.permitted_uri_hosts.empty()) {
    const bssl::UniquePtr<NAME_CONSTRAINTS> limits(NAME_CONSTRAINTS_new());
    limits->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
    for (const std::string& host : says.permitted_uri_hosts) {
      GENERAL_SUBTREE* subtree = GENERAL_SUBTREE_new();
      GENERAL_NAME_free(subtree->base);
      subtree->base = general_name(GEN_URI, host).release();
      check(sk_GENERAL_SUBTREE_push(limits->permittedSubtrees, subtree) > 0);
    }
    add(certificate, NID_name_constraints, limits.get(), true);
  }
}

void add_unknown(X509* certificate, bool critical) {
  const bssl::UniquePtr<ASN1_OBJECT> object(OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1));
  const bssl::UniquePtr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new());
  check(ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const std::uint8_t*>("\x05\x00"), 2));
  const bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical ? 1 : 0, value.get()));
  check(X509_add_ext(certificate, extension.get(), -1) == 1);
}

void set_time(X509* certificate, int (*set)(X509*, const ASN1_TIME*), Clock::WallTime when) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count();
  const bssl::UniquePtr<ASN1_TIME> time(ASN1_TIME_set_posix(nullptr, seconds));
  check(time && set(certificate, time.get()) == 1);
}

std::string der_of(const X509* certificate) {
  std::uint8_t* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  check(size > 0);
  const bssl::UniquePtr<std::uint8_t> owner(bytes);
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

TestCertificate authority(const std::string& trust_domain) {
  TestCertificate says;
  says.uris = {"spiffe://" + trust_domain};
  says.san_critical = false;
  says.ca = true;
  says.key_usage = {5, 6};
  says.extended_usage = {};
  says.begins = -std::chrono::hours(24);
  says.ends = std::chrono::hours(365 * 24);
  return says;
}

}  // namespace

bssl::UniquePtr<EVP_PKEY> make_key(TestKey kind, std::uint64_t seed, std::uint64_t number) {
  switch (kind) {
    case TestKey::kEd25519: {
      const std::array<std::uint64_t, 2> from{seed, number};
      std::array<std::uint8_t, SHA256_DIGEST_LENGTH> secret{};
      SHA256(reinterpret_cast<const std::uint8_t*>(from.data()), sizeof(from), secret.data());
      return bssl::UniquePtr<EVP_PKEY>(
          EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size()));
    }
    case TestKey::kP256:
      return ec_key(NID_X9_62_prime256v1);
    case TestKey::kP384:
      return ec_key(NID_secp384r1);
    case TestKey::kP521:
      return ec_key(NID_secp521r1);
    case TestKey::kRsa2048:
      return rsa_key(2048);
    case TestKey::kRsa1024:
      return rsa_key(1024);
  }
  std::abort();
}

Clock::WallTime TestCa::sim_start() { return Clock::WallTime(std::chrono::seconds(1'780'272'000)); }

TestCa::TestCa(std::string trust_domain, Clock::WallTime now, TestKey key, std::uint64_t seed,
               const std::function<void(TestCertificate&)>& lie)
    : trust_domain_(std::move(trust_domain)), now_(now), seed_(seed) {
  TestCertificate says = authority(trust_domain_);
  says.key = key;
  if (lie) lie(says);
  key_ = make_key(says.key, seed_, next());
  certificate_ = build(says, key_.get(), nullptr, key_.get());
  certificate_der_ = der_of(certificate_.get());
}

bssl::UniquePtr<X509> TestCa::build(const TestCertificate& says, EVP_PKEY* key, const X509* issuer,
                                    EVP_PKEY* issuer_key) const {
  bssl::UniquePtr<X509> certificate(X509_new());
  X509* made = certificate.get();
  check(X509_set_version(made, X509_VERSION_3) == 1 && X509_set_pubkey(made, key) == 1);
  const std::uint64_t serial = next();
  check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial) == 1);
  set_time(made, X509_set1_notBefore, now_ + says.begins);
  set_time(made, X509_set1_notAfter, now_ + says.ends);
  if (says.ca.value_or(false)) {
    const std::string name =
        "test authority " + std::to_string(seed_) + "." + std::to_string(serial);
    check(X509_NAME_add_entry_by_NID(X509_get_subject_name(made), NID_commonName, MBSTRING_UTF8,
                                     reinterpret_cast<const std::uint8_t*>(name.data()),
                                     static_cast<ossl_ssize_t>(name.size()), -1, 0) == 1);
  }
  check(X509_set_issuer_name(made, X509_get_subject_name(issuer ? issuer : made)) == 1);
  add_names(made, says);
  add_usage(made, says);
  add_constraints(made, says);
  if (says.unknown_critical_extension) add_unknown(made, true);
  if (says.unknown_extension) add_unknown(made, false);
  if (says.version != X509_VERSION_3) check(X509_set_version(made, says.version) == 1);
  const EVP_MD* digest = says.digest ? says.digest : EVP_sha256();
  if (EVP_PKEY_id(issuer_key) == EVP_PKEY_ED25519) digest = nullptr;
  if (says.also) says.also(made);
  check(X509_sign(made, issuer_key, digest) != 0);
  return certificate;
}

identity::Svid TestCa::svid(std::string_view path,
                            const std::function<void(TestCertificate&)>& lie) const {
  TestCertificate says;
  says.uris = {"spiffe://" + trust_domain_ + std::string(path)};
  if (lie) lie(says);
  bssl::UniquePtr<EVP_PKEY> key = make_key(says.key, seed_, next());
  const bssl::UniquePtr<X509> made = build(says, key.get(), certificate_.get(), key_.get());
  identity::Svid svid;
  if (auto id = identity::SpiffeId::parse(says.uris.empty() ? "" : says.uris.front())) {
    svid.id = std::move(*id);
  }
  svid.chain_der.push_back(der_of(made.get()));
  if (says.break_signature) svid.chain_der.back().back() ^= 1;
  if (says.respell) says.respell(svid.chain_der.back());
  svid.chain_der.insert(svid.chain_der.end(), chain_der_.begin(), chain_der_.end());
  svid.private_key = std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free);
  svid.not_before = now_ + says.begins;
  svid.expires = now_ + says.ends;
  return svid;
}

identity::Svid TestCa::svid_at(std::string_view path, Clock::WallTime now,
                               std::chrono::seconds life) const {
  const auto later = std::chrono::floor<std::chrono::seconds>(now - now_);
  return svid(path, [&](TestCertificate& says) {
    says.begins = later - std::chrono::seconds(10);
    says.ends = later + life;
  });
}

TestCa TestCa::intermediate(const std::function<void(TestCertificate&)>& lie, TestKey key) const {
  TestCa below(*this);
  TestCertificate says = authority(trust_domain_);
  says.key = key;
  if (lie) lie(says);
  below.key_ = make_key(says.key, seed_, next());
  below.certificate_ = build(says, below.key_.get(), certificate_.get(), key_.get());
  below.certificate_der_ = der_of(below.certificate_.get());
  if (says.break_signature) below.certificate_der_.back() ^= 1;
  below.chain_der_.insert(below.chain_der_.begin(), below.certificate_der_);
  return below;
}

identity::Bundles TestCa::bundles() const { return {{trust_domain_, {certificate_der_}}}; }

identity::SnapshotPtr TestCa::snapshot(std::string_view path) const {
  return snapshot(svid(path), bundles());
}

identity::SnapshotPtr TestCa::snapshot(identity::Svid svid,
                                       const identity::Bundles& bundles) const {
  auto made = std::make_shared<identity::Snapshot>();
  made->svid = std::make_shared<const identity::Svid>(std::move(svid));
  made->bundles = bundles;
  return made;
}

}  // namespace mandated::test
