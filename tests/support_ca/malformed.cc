#include "tests/support_ca/malformed.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <cstdint>
#include <cstdlib>
#include <initializer_list>

namespace mandated::test {

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using Lie = std::function<void(TestCertificate&)>;

constexpr char kPath[] = "/agent/x";
constexpr char kId[] = "spiffe://test.example/agent/x";

void check(bool step) {
  if (!step) std::abort();
}

/// One extension, as its bytes.
void add_raw(X509* certificate, const char* oid, std::string_view value, bool critical) {
  const bssl::UniquePtr<ASN1_OBJECT> object(OBJ_txt2obj(oid, 1));
  const bssl::UniquePtr<ASN1_OCTET_STRING> octets(ASN1_OCTET_STRING_new());
  check(object &&
        ASN1_OCTET_STRING_set(octets.get(), reinterpret_cast<const std::uint8_t*>(value.data()),
                              static_cast<int>(value.size())) == 1);
  const bssl::UniquePtr<X509_EXTENSION> extension(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical ? 1 : 0, octets.get()));
  check(X509_add_ext(certificate, extension.get(), -1) == 1);
}

constexpr char kSubjectAltName[] = "2.5.29.17";
constexpr char kKeyUsage[] = "2.5.29.15";
constexpr char kBasicConstraints[] = "2.5.29.19";
constexpr char kNameConstraints[] = "2.5.29.30";
constexpr char kExtendedKeyUsage[] = "2.5.29.37";
constexpr char kPreCertificatePoison[] = "1.3.6.1.4.1.11129.2.4.3";

Lie raw(const char* oid, std::string_view value, bool critical) {
  return [oid, bytes = std::string(value), critical](TestCertificate& says) {
    says.also = [oid, bytes, critical](X509* certificate) {
      add_raw(certificate, oid, bytes, critical);
    };
  };
}

/// The extension that the certificate would have had, in these bytes instead.
Lie instead(int nid, const char* oid, std::string_view value) {
  return [nid, oid, bytes = std::string(value)](TestCertificate& says) {
    says.also = [nid, oid, bytes](X509* certificate) {
      const int at = X509_get_ext_by_NID(certificate, nid, -1);
      X509_EXTENSION_free(X509_delete_ext(certificate, at));
      add_raw(certificate, oid, bytes, true);
    };
  };
}

Lie names(std::vector<std::string> uris) {
  return [uris = std::move(uris)](TestCertificate& says) { says.uris = uris; };
}

Lie usage(std::vector<int> bits) {
  return [bits = std::move(bits)](TestCertificate& says) { says.key_usage = bits; };
}

Lie extended(std::vector<int> nids) {
  return [nids = std::move(nids)](TestCertificate& says) { says.extended_usage = nids; };
}

Lie with_key(std::function<bssl::UniquePtr<EVP_PKEY>()> make) {
  return [make = std::move(make)](TestCertificate& says) {
    says.also = [make](X509* certificate) {
      check(X509_set_pubkey(certificate, make().get()) == 1);
    };
  };
}

Lie of_kind(TestKey kind) {
  return [kind](TestCertificate& says) { says.key = kind; };
}

Lie respelt(std::function<void(std::string&)> change) {
  return [change = std::move(change)](TestCertificate& says) { says.respell = change; };
}

bssl::UniquePtr<EVP_PKEY> p224() {
  const bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_secp224r1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  check(EC_KEY_generate_key(ec.get()) == 1 && EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) == 1);
  return key;
}

bssl::UniquePtr<EVP_PKEY> x25519() {
  const std::vector<std::uint8_t> bytes(32, 9);
  return bssl::UniquePtr<EVP_PKEY>(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, bytes.data(), bytes.size()));
}

/// No key that anybody has, only one that is dear to compute with.
bssl::UniquePtr<EVP_PKEY> rsa_of(unsigned bits) {
  const std::vector<std::uint8_t> bytes(bits / 8, 0xff);
  const bssl::UniquePtr<BIGNUM> modulus(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  const bssl::UniquePtr<BIGNUM> exponent(BN_new());
  check(BN_set_word(exponent.get(), RSA_F4) == 1);
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  const bssl::UniquePtr<RSA> rsa(RSA_new_public_key(modulus.get(), exponent.get()));
  check(rsa && EVP_PKEY_set1_RSA(key.get(), rsa.get()) == 1);
  return key;
}

/// `der` with its last `from` as `to`, of the same size.
void replace_last(std::string& der, std::string_view from, std::string_view to) {
  const std::size_t at = der.rfind(from);
  check(at != std::string::npos && from.size() == to.size());
  der.replace(at, from.size(), to);
}

class Collection {
 public:
  void leaf(std::string name, std::string reason, const Lie& lie) {
    chain(std::move(name), std::move(reason), ca_.svid(kPath, lie).chain_der);
  }
  void issuer(std::string name, std::string reason, const Lie& lie,
              TestKey key = TestKey::kEd25519) {
    const TestCa lying = ca_.intermediate(lie, key);
    chain("an issuer " + std::move(name), std::move(reason), lying.svid(kPath).chain_der);
  }
  void chain(std::string name, std::string reason, std::vector<std::string> chain_der) {
    all_.push_back({std::move(name), std::move(reason), std::move(chain_der)});
  }
  const TestCa& ca() const { return ca_; }
  std::vector<Malformed> take() { return std::move(all_); }

 private:
  TestCa ca_;
  std::vector<Malformed> all_;
};

// X509-SVID standard section 2: exactly one URI name.
void add_wrong_counts(Collection& to) {
  to.leaf("no SAN", "0 URI names", names({}));
  to.leaf("only a DNS name", "0 URI names", [](TestCertificate& says) {
    says.uris = {};
    says.dns_names = {"test.example"};
  });
  to.leaf("two SPIFFE IDs", "2 URI names", names({kId, "spiffe://test.example/agent/y"}));
  to.leaf("the same SPIFFE ID twice", "2 URI names", names({kId, kId}));
  to.leaf("a SPIFFE ID and a URL", "2 URI names", names({kId, "https://test.example/"}));
  to.leaf("a URL and a SPIFFE ID", "2 URI names", names({"https://test.example/", kId}));
  to.leaf("nine URI names", "9 URI names", names(std::vector<std::string>(9, kId)));
  to.leaf("the SAN extension twice", "stands twice",
          [](TestCertificate& says) { says.second_san = true; });
  to.leaf("a SAN without names", "0 URI names",
          instead(NID_subject_alt_name, kSubjectAltName, "\x30\x00"s));
  to.leaf("a SAN that is no sequence", "extension cannot be read",
          instead(NID_subject_alt_name, kSubjectAltName, "x"));
  to.leaf("a SAN not critical beside an empty subject", "not critical",
          [](TestCertificate& says) { says.san_critical = false; });
}

// SPIFFE-ID standard section 2.
void add_wrong_ids(Collection& to) {
  const std::pair<const char*, std::string> schemes[] = {
      {"a URL for a name", "https://test.example/agent/x"},
      {"a wimse URI", "wimse://test.example/agent/x"},
      {"the scheme in upper case", "SPIFFE://test.example/agent/x"},
      {"the scheme in mixed case", "Spiffe://test.example/agent/x"},
      {"a scheme that begins so", "spiffes://test.example/agent/x"},
      {"no scheme", "test.example/agent/x"},
      {"one slash after the scheme", "spiffe:/test.example/agent/x"},
      {"no slash after the scheme", "spiffe:test.example/agent/x"},
      {"a space before the ID", " spiffe://test.example/agent/x"},
      {"an empty URI name", ""},
  };
  for (const auto& [name, uri] : schemes)
    to.leaf(name, "does not begin with spiffe://", names({uri}));
  const std::pair<const char*, std::string> domains[] = {
      {"upper case in the trust domain", "spiffe://Test.example/agent/x"},
      {"a port", "spiffe://test.example:443/agent/x"},
      {"user information", "spiffe://user@test.example/agent/x"},
      {"percent-encoding in the trust domain", "spiffe://test%2eexample/agent/x"},
      {"an IPv6 address for a trust domain", "spiffe://[::1]/agent/x"},
      {"a query without a path", "spiffe://test.example?x"},
      {"a fragment without a path", "spiffe://test.example#x"},
      {"a NUL in the trust domain", "spiffe://test.example\0.evil/agent/x"s},
      {"a backslash in the trust domain", "spiffe://test.example\\agent/x"},
  };
  for (const auto& [name, uri] : domains) {
    to.leaf(name, "trust domain has a character other", names({uri}));
  }
  to.leaf("an empty trust domain", "trust domain is empty", names({"spiffe:///agent/x"}));
  to.leaf("a trust domain of 256 bytes", "longer than 255",
          names({"spiffe://" + std::string(256, 'a') + "/agent/x"}));
  const std::pair<const char*, std::string> paths[] = {
      {"a query", "spiffe://test.example/agent/x?y"},
      {"a fragment", "spiffe://test.example/agent/x#y"},
      {"percent-encoding in the path", "spiffe://test.example/agent%2fx"},
      {"percent-encoded dots in the path", "spiffe://test.example/a/%2e%2e/x"},
      {"a NUL in the path", "spiffe://test.example/agent/x\0/y"s},
      {"a line break in the path", "spiffe://test.example/agent/x\n"},
      {"a space in the path", "spiffe://test.example/agent x"},
      {"UTF-8 in the path", "spiffe://test.example/\xc3\xa4gent"},
      {"a backslash in the path", "spiffe://test.example/agent\\x"},
      {"a colon in the path", "spiffe://test.example/agent:x"},
  };
  for (const auto& [name, uri] : paths) {
    to.leaf(name, "path has a character other", names({uri}));
  }
  to.leaf("path traversal", "dot segment", names({"spiffe://test.example/a/../agent/x"}));
  to.leaf("path traversal at the end", "dot segment", names({"spiffe://test.example/agent/.."}));
  to.leaf("a dot segment", "dot segment", names({"spiffe://test.example/./agent/x"}));
  to.leaf("an empty segment", "empty segment", names({"spiffe://test.example//agent/x"}));
  to.leaf("a slash at the end", "ends in a slash", names({"spiffe://test.example/agent/x/"}));
  to.leaf("the root path", "ends in a slash", names({"spiffe://test.example/"}));
  to.leaf("no path", "has no path", names({"spiffe://test.example"}));
  to.leaf("an ID of 2049 bytes", "longer than 2048",
          names({"spiffe://test.example/" + std::string(2027, 'a')}));
}

// X509-SVID standard sections 3.1, 4 and 5.2.
void add_wrong_usages(Collection& to) {
  to.leaf("a CA leaf", "is a CA", [](TestCertificate& says) {
    says.ca = true;
    says.key_usage = {5, 6};
  });
  to.leaf("a CA leaf that also signs data", "is a CA", [](TestCertificate& says) {
    says.ca = true;
    says.key_usage = {0, 5};
  });
  to.leaf("a CA leaf without keyCertSign", "is a CA",
          [](TestCertificate& says) { says.ca = true; });
  to.leaf("a path length on a leaf", "cannot be read",
          [](TestCertificate& says) { says.path_length = 1; });
  to.leaf("basicConstraints twice", "stands twice", raw(kBasicConstraints, "\x30\x00"s, true));
  to.leaf("basicConstraints that are no sequence", "cannot be read",
          instead(NID_basic_constraints, kBasicConstraints, "\x01\x01\xff"));
  to.leaf("no key usage", "no key usage", usage({}));
  to.leaf("key usage not critical", "not critical",
          [](TestCertificate& says) { says.key_usage_critical = false; });
  to.leaf("key usage without a bit", "lacks digitalSignature",
          instead(NID_key_usage, kKeyUsage, "\x03\x01\x00"s));
  to.leaf("key usage that is no bit string", "cannot be read",
          instead(NID_key_usage, kKeyUsage, "\x02\x01\x01"));
  to.leaf("key usage twice", "stands twice", raw(kKeyUsage, "\x03\x02\x07\x80", true));
  to.leaf("keyEncipherment alone", "lacks digitalSignature", usage({2}));
  to.leaf("nonRepudiation alone", "lacks digitalSignature", usage({1}));
  to.leaf("keyCertSign", "has keyCertSign", usage({0, 5}));
  to.leaf("cRLSign", "has cRLSign", usage({0, 6}));
  to.leaf("keyCertSign and cRLSign", "has keyCertSign", usage({0, 5, 6}));
  to.leaf("serverAuth alone", "lacks clientAuth", extended({NID_server_auth}));
  to.leaf("clientAuth alone", "lacks serverAuth", extended({NID_client_auth}));
  to.leaf("anyExtendedKeyUsage", "lacks clientAuth", extended({NID_anyExtendedKeyUsage}));
  to.leaf("codeSigning alone", "lacks clientAuth", extended({NID_code_sign}));
  to.leaf("extended key usage without a purpose", "lacks clientAuth",
          instead(NID_ext_key_usage, kExtendedKeyUsage, "\x30\x00"s));
  to.leaf("extended key usage twice", "stands twice",
          raw(kExtendedKeyUsage, "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", false));
  to.leaf("name constraints on a leaf", "has name constraints",
          [](TestCertificate& says) { says.permitted_uri_hosts = {"test.example"}; });
  to.leaf("an unknown critical extension", "critical extension is unknown",
          [](TestCertificate& says) { says.unknown_critical_extension = true; });
  to.leaf("the poison of Certificate Transparency", "critical extension is unknown",
          raw(kPreCertificatePoison, "\x05\x00"s, true));
  to.leaf("an unknown extension twice", "stands twice", [](TestCertificate& says) {
    says.unknown_extension = true;
    says.also = [](X509* made) { add_raw(made, "1.3.6.1.4.1.99999.1", "\x05\x00"s, false); };
  });
}

void add_wrong_keys(Collection& to) {
  to.leaf("RSA of 1024 bits", "shorter than 2048", of_kind(TestKey::kRsa1024));
  to.leaf("RSA of 2040 bits", "shorter than 2048", with_key([] { return rsa_of(2040); }));
  to.leaf("RSA of 8200 bits", "longer than 8192", with_key([] { return rsa_of(8200); }));
  to.leaf("P-521", "neither P-256 nor P-384", of_kind(TestKey::kP521));
  to.leaf("P-224", "neither P-256 nor P-384", with_key(p224));
  to.leaf("X25519", "of an unknown kind", with_key(x25519));
  to.leaf("an Ed448 key", "cannot be read", respelt([](std::string& der) {
            const std::string ed25519("\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 10);
            const std::string ed448("\x30\x05\x06\x03\x2b\x65\x71\x03\x21\x00", 10);
            replace_last(der, ed25519, ed448);
          }));
}

void add_wrong_signatures(Collection& to) {
  to.leaf("a broken signature", "signature failure",
          [](TestCertificate& says) { says.break_signature = true; });
  to.leaf("a bit of the ID changed", "signature failure",
          respelt([](std::string& der) { replace_last(der, "/agent/x", "/agent/y"); }));
  const TestCa p256("test.example", TestCa::sim_start(), TestKey::kP256);
  const auto inside_out = respelt([](std::string& der) {
    replace_last(der, "\x2a\x86\x48\xce\x3d\x04\x03\x02", "\x2a\x86\x48\xce\x3d\x04\x03\x03");
  });
  to.chain("another algorithm inside than outside", "algorithms differ",
           p256.svid(kPath, inside_out).chain_der);
  const auto by = [&](const char* name, TestKey key, const EVP_MD* digest) {
    const TestCa weak("test.example", TestCa::sim_start(), key);
    to.chain(name, "weak or unknown algorithm",
             weak.svid(kPath, [&](TestCertificate& says) { says.digest = digest; }).chain_der);
  };
  by("SHA-1 with ECDSA", TestKey::kP256, EVP_sha1());
  by("SHA-1 with RSA", TestKey::kRsa2048, EVP_sha1());
  const auto rsa_with = [&](const char* name, char algorithm) {
    const TestCa rsa("test.example", TestCa::sim_start(), TestKey::kRsa2048);
    to.chain(name, "weak or unknown algorithm",
             rsa.svid(kPath, respelt([algorithm](std::string& der) {
                        // PKCS #1: sha256WithRSAEncryption, inside and outside
                        const std::string_view sha256("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 9);
                        for (std::size_t at = der.find(sha256); at != std::string::npos;
                             at = der.find(sha256)) {
                          der[at + 8] = algorithm;
                        }
                      }))
                 .chain_der);
  };
  rsa_with("MD5 with RSA", '\x04');
  rsa_with("SHA-224 with RSA", '\x0e');

  const TestCa stranger("test.example", TestCa::sim_start(), TestKey::kEd25519, 2);
  to.chain("an unknown authority", "issuer", stranger.svid(kPath).chain_der);
  auto with_root = stranger.svid(kPath).chain_der;
  with_root.push_back(stranger.certificate_der());
  to.chain("an unknown authority that is in the chain", "self signed", with_root);
  const TestCa alone("test.example", TestCa::sim_start(), TestKey::kEd25519, 3,
                     [](TestCertificate& says) {
                       says.uris = {kId};
                       says.san_critical = true;
                       says.ca = false;
                       says.key_usage = {0};
                     });
  to.chain("a self-signed leaf", "issuer", {alone.certificate_der()});
  to.leaf("an ID of an unknown trust domain", "other.example is unknown",
          names({"spiffe://other.example/agent/x"}));
  to.leaf("an ID of a trust domain that ends so", "sub.test.example is unknown",
          names({"spiffe://sub.test.example/agent/x"}));
}

void add_wrong_times(Collection& to) {
  to.leaf("expired", "has expired", [](TestCertificate& says) { says.ends = -1s; });
  to.leaf("not yet valid", "not yet valid", [](TestCertificate& says) { says.begins = 1s; });
  to.leaf("an end before its beginning", "not yet valid", [](TestCertificate& says) {
    says.begins = 100s;
    says.ends = -100s;
  });
  to.leaf("a time that is none", "cannot be read", respelt([](std::string& der) {
            const std::size_t at = der.find("\x17\x0d");  // the first UTCTime
            check(at != std::string::npos);
            der.replace(at + 4, 2, "13");  // the month
          }));
}

void add_wrong_spellings(Collection& to) {
  to.chain("no certificate", "no certificate", {});
  to.chain("an empty certificate", "cannot be read", {""});
  to.chain("text for a certificate", "cannot be read", {"-----BEGIN CERTIFICATE-----"});
  to.leaf("a byte too many", "cannot be read", respelt([](std::string& der) { der += '\0'; }));
  to.leaf("a byte too few", "cannot be read", respelt([](std::string& der) { der.pop_back(); }));
  to.leaf("an indefinite length", "cannot be read",
          respelt([](std::string& der) { der = "\x30\x80" + der.substr(4) + "\0\0"s; }));
  to.leaf("a length in more bytes than it needs", "cannot be read",
          respelt([](std::string& der) { der = "\x30\x83\0"s + der.substr(2); }));
  to.leaf("16 KiB and more", "larger than 16 KiB",
          respelt([](std::string& der) { der.append(16384, 'x'); }));
  to.leaf("version 1", "cannot be read",
          [](TestCertificate& says) { says.version = X509_VERSION_1; });
  to.leaf("version 2", "cannot be read",
          [](TestCertificate& says) { says.version = X509_VERSION_2; });
}

// X509-SVID standard sections 3.2 and 4, RFC 5280 section 6.
void add_wrong_issuers(Collection& to) {
  to.issuer("that is no CA", "CA", [](TestCertificate& says) { says.ca = false; });
  to.issuer("without basicConstraints", "CA",
            [](TestCertificate& says) { says.ca = std::nullopt; });
  to.issuer("without keyCertSign", "issuer", usage({6}));
  to.issuer("without key usage", "issuer has no key usage", usage({}));
  to.issuer("whose key usage is not critical", "issuer's key usage is not critical",
            [](TestCertificate& says) { says.key_usage_critical = false; });
  to.issuer("that expired", "has expired", [](TestCertificate& says) { says.ends = -1s; });
  to.issuer("that is not yet valid", "not yet valid",
            [](TestCertificate& says) { says.begins = 1s; });
  to.issuer("of another trust domain", "not that of the trust domain",
            names({"spiffe://other.example"}));
  to.issuer("with a path in its ID", "not that of the trust domain", names({kId}));
  to.issuer("with its scheme in upper case", "not that of the trust domain",
            names({"SPIFFE://test.example"}));
  to.issuer("with two SPIFFE IDs", "more than one URI name",
            names({"spiffe://test.example", "spiffe://other.example"}));
  to.issuer("with a SPIFFE ID and a URL", "more than one URI name",
            names({"spiffe://test.example", "https://test.example/"}));
  to.issuer("with a weak key", "shorter than 2048", {}, TestKey::kRsa1024);
  to.issuer("for servers only", "purpose", extended({NID_email_protect}));
  to.issuer("with an unknown critical extension", "critical extension",
            [](TestCertificate& says) { says.unknown_critical_extension = true; });
  to.issuer("with a broken signature", "signature failure",
            [](TestCertificate& says) { says.break_signature = true; });
  to.issuer("held to another trust domain by name constraints", "permitted",
            [](TestCertificate& says) { says.permitted_uri_hosts = {"other.example"}; });
  // GeneralSubtrees of excludedSubtrees [1]: the URI [6] "test.example".
  to.issuer("kept from its trust domain by name constraints", "excluded",
            raw(kNameConstraints, "\x30\x12\xa1\x10\x30\x0e\x86\x0ctest.example", true));

  const TestCa& ca = to.ca();
  const TestCa last = ca.intermediate([](TestCertificate& says) { says.path_length = 0; });
  to.chain("an issuer below one that may have none", "path length",
           last.intermediate().svid(kPath).chain_der);
  const TestCa deep = ca.intermediate().intermediate().intermediate().intermediate().intermediate();
  to.chain("more than 5 certificates", "more than 5", deep.svid(kPath).chain_der);
  auto missing = ca.intermediate().svid(kPath).chain_der;
  missing.pop_back();
  to.chain("an issuer that is not there", "issuer", missing);
  auto reversed = ca.intermediate().svid(kPath).chain_der;
  std::swap(reversed.front(), reversed.back());
  to.chain("the issuer before the leaf", "is a CA", reversed);
}

}  // namespace

std::vector<Malformed> malformed_certificates() {
  Collection collection;
  add_wrong_counts(collection);
  add_wrong_ids(collection);
  add_wrong_usages(collection);
  add_wrong_keys(collection);
  add_wrong_signatures(collection);
  add_wrong_times(collection);
  add_wrong_spellings(collection);
  add_wrong_issuers(collection);
  return collection.take();
}

}  // namespace mandated::test
