// Published documents of real hardware, and forged ones: each of those is whole and rightly signed
// but for the one thing that it lies about. data/README.md says where the former are from.
#include "proxy/attest/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>

#include <fstream>
#include <iterator>

#include "filters/receipt/base64url.h"
#include "filters/receipt/digest.h"
#include "proxy/attest/evidence_desk.h"
#include "proxy/attest/evidence_keys.h"
#include "proxy/identity/pem.h"
#include "tests/support_ca/test_ca.h"
#include "tests/unit/attest/forged_evidence.h"

namespace mandated::attest {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string data(const std::string& name) {
  std::ifstream file(std::string(TEST_DATA) + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Clock::WallTime at(std::int64_t seconds) { return Clock::WallTime(std::chrono::seconds(seconds)); }

// ---- published ----------------------------------------------------------------------------------

constexpr std::int64_t kNitroMade = 1767472868;  // 2026-01-03T20:41:08Z

struct Published {
  const char* file;
  const char* root;
  std::int64_t now;
  std::map<std::string, std::string> selectors;  // some of them
  std::string bound;                             // hex
};

const Published kPublished[] = {
    {"nitro_document.bin",
     "aws_nitro_root.der",
     kNitroMade,
     {{"nitro:module-id", "i-0368fa67e156d6d23-enc019b8596b1a9dad6"}},
     "69553adc61d6e9fcdecbe1ea49bb2b52a60238e0"},
    {"sgx_quote_v3.bin",
     "intel_root.der",
     1750000000,
     {{"sgx:isv-prod-id", "0"}},
     "48656c6c6f2c20776f726c642100000000000000000000000000000000000000"},
    {"tdx_quote_v4.bin",
     "intel_root.der",
     1750000000,
     {},
     "9a9d48e7f6799642d3d1b34e1e5e1742d4bb02dd6ddd551862c1211d35c304f9"},
};

std::unique_ptr<const EvidenceVerifier> verifier_of(const Published& published) {
  const std::vector<std::string> roots = {data(published.root)};
  return std::string_view(published.root).starts_with("aws") ? *make_nitro_verifier(roots)
                                                             : *make_dcap_verifier(roots);
}

TEST(PublishedEvidence, IsVerified) {
  for (const Published& each : kPublished) {
    SCOPED_TRACE(each.file);
    const auto verifier = verifier_of(each);
    const Result<Statement> found = verifier->verify(data(each.file), at(each.now));
    ASSERT_TRUE(found) << found.error().text;
    for (const auto& [name, value] : each.selectors) {
      ASSERT_TRUE(found->selectors.contains(name)) << name;
      EXPECT_EQ(found->selectors.find(name)->second, value) << name;
    }
    if (!each.bound.empty()) {
      EXPECT_EQ(to_hex(found->bound), each.bound);
    }
    for (const auto& [name, value] : found->selectors) {
      RecordProperty(name, value);
    }
  }
}

TEST(PublishedEvidence, AChangedByteStatesNothingElse) {
  for (const Published& each : kPublished) {
    SCOPED_TRACE(each.file);
    const auto verifier = verifier_of(each);
    const std::string whole = data(each.file);
    const Result<Statement> honest = verifier->verify(whole, at(each.now));
    ASSERT_TRUE(honest) << honest.error().text;
    std::size_t taken = 0;
    for (std::size_t i = 0; i < whole.size(); i += 53) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ 0x10);
      const Result<Statement> found = verifier->verify(changed, at(each.now));
      if (!found) continue;
      ++taken;
      EXPECT_EQ(found->selectors, honest->selectors) << i;
      EXPECT_EQ(found->bound, honest->bound) << i;
    }
    // Of the certificates that a quote brings, the root's is not needed, since we have our own.
    EXPECT_LE(taken, std::string_view(each.root).starts_with("aws") ? 0U : 30U);
    for (std::size_t size = 0; size < whole.size() - 100; size += 197) {
      EXPECT_FALSE(verifier->verify(std::string_view(whole).substr(0, size), at(each.now))) << size;
    }
  }
}

TEST(PublishedEvidence, UnderAnotherRootOrAtAnotherTimeIsRefused) {
  for (const Published& each : kPublished) {
    SCOPED_TRACE(each.file);
    const std::string whole = data(each.file);
    const bool nitro = std::string_view(each.root).starts_with("aws");
    const std::vector<std::string> other = {data(nitro ? "intel_root.der" : "aws_nitro_root.der")};
    const auto stranger = nitro ? *make_nitro_verifier(other) : *make_dcap_verifier(other);
    EXPECT_FALSE(stranger->verify(whole, at(each.now)));
    const auto verifier = verifier_of(each);
    EXPECT_FALSE(verifier->verify(whole, at(1500000000)));
    EXPECT_FALSE(verifier->verify(whole, at(4000000000)));
  }
}

TEST(Roots, MustBeThereAndBeAuthorities) {
  EXPECT_FALSE(make_nitro_verifier({}));
  EXPECT_FALSE(make_dcap_verifier({"no certificate"}));
  const TestCa ca;
  EXPECT_FALSE(make_dcap_verifier({ca.svid("/leaf").chain_der.front()}));
  EXPECT_TRUE(make_dcap_verifier({ca.certificate_der()}));
}

// ---- Nitro --------------------------------------------------------------------------------------

TEST(NitroEvidence, SaysWhatWasMeasuredAndOfWhom) {
  for (const bool endless : {false, true}) {
    Nitro nitro;
    nitro.endless = endless;
    nitro.before = endless ? "\xD2" : "";
    const Result<Statement> found = nitro.verify();
    ASSERT_TRUE(found) << found.error().text;
    auto selectors = found->selectors;
    EXPECT_EQ(selectors["nitro:pcr0"], to_hex(std::string(48, 'a')));
    EXPECT_EQ(selectors["nitro:module-id"], "i-0-enc1");
    EXPECT_FALSE(selectors.contains("nitro:pcr5")) << "it is zero";
    EXPECT_EQ(found->made, kNow);
    const auto verifier = make_nitro_verifier({nitro.ca.certificate_der()});
    EXPECT_TRUE((*verifier)->check(*found, {kHolder, kNonce}, kNow + 4min));
    EXPECT_TRUE((*verifier)->check(*found, {kHolder, kNonce}, kNow - 30s));
    EXPECT_FALSE((*verifier)->check(*found, {std::string(32, 'i'), kNonce}, kNow));
    EXPECT_FALSE((*verifier)->check(*found, {kHolder, "n-2"}, kNow));
    EXPECT_FALSE((*verifier)->check(*found, {kHolder, ""}, kNow));
    EXPECT_FALSE((*verifier)->check(*found, {kHolder, kNonce}, kNow + 6min));
    EXPECT_FALSE((*verifier)->check(*found, {kHolder, kNonce}, kNow - 31s));
  }
}

struct NitroLie {
  const char* name;
  std::function<void(Nitro&)> lie;
  const char* why;
};

const char* const kNoEnvelope = "no COSE_Sign1";
const char* const kNoDocument = "no attestation document";
const char* const kBadSignature = "signature is wrong";

TEST(NitroEvidence, ForgedIsRefused) {
  const auto certificate = [](std::function<void(TestCertificate&)> lie) {
    return [lie = std::move(lie)](Nitro& n) {
      n.use(n.zone.svid("/enclave", with_key(TestKey::kP384, lie)));
    };
  };
  const auto set = [](const char* name, std::string value) {
    return [name, value = std::move(value)](Nitro& n) { n.member(name) = value; };
  };
  const auto pcrs = [](std::vector<std::string> items) {
    return [items = std::move(items)](Nitro& n) { n.member("pcrs") = list(items, 5); };
  };
  const std::string pcr = bytes(std::string(48, 'p'));
  const NitroLie lies[] = {
      {"another root", [](Nitro& n) { n.ca = TestCa("test.example", kNow, TestKey::kP384, 2); },
       "its certificates"},
      {"an authority of nobody",
       [](Nitro& n) {
         const TestCa other("test.example", kNow, TestKey::kP384, 3);
         n.use(other.svid("/enclave", with_key(TestKey::kP384)));
       },
       "its certificates"},
      {"authorities left out", set("cabundle", list({})), "issuer"},
      {"expired", certificate([](TestCertificate& c) { c.ends = -1s; }), "expired"},
      {"not yet valid", certificate([](TestCertificate& c) { c.begins = 10s; }), "not yet valid"},
      {"an authority's own", certificate([](TestCertificate& c) { c.ca = true; }),
       "signs evidence"},
      {"may not sign", certificate([](TestCertificate& c) { c.key_usage = {2}; }),
       "signs evidence"},
      {"unknown critical extension",
       certificate([](TestCertificate& c) { c.unknown_critical_extension = true; }),
       "signs evidence"},
      {"certificate with a broken signature",
       certificate([](TestCertificate& c) { c.break_signature = true; }), "signature"},
      {"P-256",
       [](Nitro& n) {
         n.use(n.zone.svid("/enclave", with_key(TestKey::kP256)));
         n.signer = TestKey::kP256;
       },
       kNoEnvelope},
      {"P-256 with a long signature",
       [](Nitro& n) { n.use(n.zone.svid("/enclave", with_key(TestKey::kP256))); }, kBadSignature},
      {"another payload was signed", [](Nitro& n) { n.signed_payload = "x"; }, kBadSignature},
      {"another key signed",
       [](Nitro& n) {
         const auto other = n.zone.svid("/enclave", with_key(TestKey::kP384));
         n.leaf.private_key = other.private_key;
       },
       kBadSignature},
      {"ES256 in the header", [](Nitro& n) { n.protected_header = "\xA1\x01\x26"; }, kNoEnvelope},
      {"more in the header", [](Nitro& n) { n.protected_header = "\xA2\x01\x38\x22\x02\x80"; },
       kNoEnvelope},
      {"an unprotected header", [](Nitro& n) { n.unprotected = list({head(0, 4), bytes("k")}, 5); },
       kNoEnvelope},
      {"five elements", [](Nitro& n) { n.more = bytes("x"); }, kNoEnvelope},
      {"something behind it", [](Nitro& n) { n.after = std::string(1, '\0'); }, kNoEnvelope},
      {"another tag", [](Nitro& n) { n.before = "\xD1"; }, kNoEnvelope},
      {"a tag twice", [](Nitro& n) { n.before = "\xD2\xD2"; }, kNoEnvelope},
      {"an unknown member", set("nitrotpm_pcrs", list({}, 5)), kNoDocument},
      {"a member twice",
       [](Nitro& n) { n.members.emplace_back("user_data", bytes(std::string(32, 'i'))); },
       kNoDocument},
      {"no module", [](Nitro& n) { n.drop("module_id"); }, kNoDocument},
      {"no digest", [](Nitro& n) { n.drop("digest"); }, kNoDocument},
      {"no time", [](Nitro& n) { n.drop("timestamp"); }, kNoDocument},
      {"no PCRs", [](Nitro& n) { n.drop("pcrs"); }, kNoDocument},
      {"no certificate", [](Nitro& n) { n.drop("certificate"); }, kNoDocument},
      {"no authorities", [](Nitro& n) { n.drop("cabundle"); }, kNoDocument},
      {"a module without a name", set("module_id", text("")), kNoDocument},
      {"another digest", set("digest", text("SHA256")), kNoDocument},
      {"time zero", set("timestamp", head(0, 0)), kNoDocument},
      {"time as text", set("timestamp", text("1")), kNoDocument},
      {"time in a longer form", set("timestamp", std::string("\x1B\0\0\0\0\0\0\0\x01", 9)),
       kNoDocument},
      {"PCR 32", pcrs({head(0, 0), pcr, head(0, 32), pcr}), kNoDocument},
      {"a PCR of SHA-256", pcrs({head(0, 0), bytes(std::string(32, 'p'))}), kNoDocument},
      {"a PCR twice", pcrs({head(0, 0), pcr, head(0, 0), bytes(std::string(48, 'q'))}),
       kNoDocument},
      {"a PCR of a negative number", pcrs({head(1, 0), pcr}), kNoDocument},
      {"empty PCRs", pcrs({}), kNoDocument},
      {"a debug enclave", pcrs({head(0, 0), bytes(std::string(48, '\0')), head(0, 1), pcr}),
       "debug"},
      {"PCR 0 left out", pcrs({head(0, 1), pcr}), "debug"},
      {"user data as text", set("user_data", text("h")), kNoDocument},
      {"user data in chunks", set("user_data", "\x5F" + bytes("h") + "\xFF"), kNoDocument},
      {"long user data", set("user_data", bytes(std::string(513, 'u'))), kNoDocument},
      {"a long nonce", set("nonce", bytes(std::string(513, 'n'))), kNoDocument},
      {"a long public key", set("public_key", bytes(std::string(1025, 'k'))), kNoDocument},
      {"a certificate of garbage", set("certificate", bytes("x")), "cannot be read"},
      {"an authority of garbage", set("cabundle", list({bytes("x")})), "cannot be read"},
      {"a huge array", set("cabundle", "\x9B\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), kNoDocument},
      {"an array without an end", set("cabundle", "\x9F"), kNoDocument},
      {"nested", set("nonce", std::string(5000, '\x81')), kNoDocument},
  };
  for (const NitroLie& each : lies) {
    SCOPED_TRACE(each.name);
    Nitro nitro;
    each.lie(nitro);
    const Result<Statement> found = nitro.verify();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Code::kPeerIdentity);
    EXPECT_THAT(found.error().text, HasSubstr(each.why));
  }
}

// ---- SGX and TDX --------------------------------------------------------------------------------

std::string little(std::uint64_t value, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string from_hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return out;
}

std::string sha256(std::string_view bytes) {
  const receipt::Sha256 digest = receipt::sha256(bytes);
  return {digest.begin(), digest.end()};
}

bssl::UniquePtr<EVP_PKEY> new_p256() {
  const bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  EXPECT_EQ(EC_KEY_generate_key(ec.get()), 1);
  EXPECT_EQ(EVP_PKEY_set1_EC_KEY(key.get(), ec.get()), 1);
  return key;
}

std::string coordinates(EVP_PKEY* key) {
  std::uint8_t* point = nullptr;
  const std::size_t size =
      EC_KEY_key2buf(EVP_PKEY_get0_EC_KEY(key), POINT_CONVERSION_UNCOMPRESSED, &point, nullptr);
  const bssl::UniquePtr<std::uint8_t> owner(point);
  return {reinterpret_cast<const char*>(point) + 1, size - 1};
}

const std::string kVendor = from_hex("939a7233f79c4ca9940a0db3957f0607");
const std::string kSgxQe =
    from_hex("8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff");
const std::string kTdxQe =
    from_hex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5");

// A quote in parts that a test can change before they are signed and put together.
struct Quote {
  explicit Quote(unsigned version_wanted = 3, bool tdx_wanted = false)
      : version(version_wanted), tdx(tdx_wanted) {
    body = std::string(tdx ? 584 : 384, '\0');
    std::fill(body.begin() + (tdx ? 136 : 64), body.begin() + (tdx ? 184 : 96), 'm');
    const std::string reported = kHolder + sha256(kNonce);
    body.replace(body.size() - 64, 64, reported);
    qe_report = std::string(384, '\0');
    qe_report.replace(128, 32, tdx ? kTdxQe : kSgxQe);
    qe_report[256] = tdx ? 2 : 1;
  }
  TestCa ca{"test.example", TestCa::sim_start(), TestKey::kP256};
  TestCa platform = ca.intermediate({}, TestKey::kP256);
  identity::Svid pck = platform.svid("/pck", with_key(TestKey::kP256));
  bssl::UniquePtr<EVP_PKEY> key = new_p256();
  unsigned version;
  bool tdx;
  unsigned key_type = 2;
  unsigned tee = 0x1000;  // what fits the body
  std::string vendor = kVendor;
  std::string body;
  std::string qe_report;
  std::string qe_data = std::string(32, 'd');
  std::string vouched;  // empty: the hash of what is sent
  std::string key_sent;
  unsigned certificates_type = 5;
  unsigned report_type = 6;
  std::string certificates;  // empty: those of the PCK
  const EVP_PKEY* qe_signer = nullptr;
  EVP_PKEY* signer = nullptr;
  bool sign_other = false;  // not the body that is sent
  std::string inside;       // behind the certificates
  std::string behind;

  std::string document() const {
    std::string header = little(version, 2) + little(key_type, 2) +
                         little(tee == 0x1000 ? (tdx ? 0x81 : 0) : tee, 4) + std::string(4, '\0') +
                         vendor + std::string(20, 'u');
    const std::string shown = key_sent.empty() ? coordinates(key.get()) : key_sent;
    std::string report = qe_report;
    report.replace(320, 32, vouched.empty() ? sha256(shown + qe_data) : vouched);
    std::string pem = certificates;
    for (std::size_t i = 0; certificates.empty() && i < pck.chain_der.size(); ++i)
      pem += identity::to_pem("CERTIFICATE", pck.chain_der[i]);
    EVP_PKEY* const attests = qe_signer ? const_cast<EVP_PKEY*>(qe_signer) : pck.private_key.get();
    std::string certification = report + ecdsa(attests, EVP_sha256(), report, 32) +
                                little(qe_data.size(), 2) + qe_data + little(certificates_type, 2) +
                                little(pem.size(), 4) + pem + inside;
    if (version != 3)
      certification = little(report_type, 2) + little(certification.size(), 4) + certification;
    const std::string message = header + (sign_other ? std::string(body.size(), 'x') : body);
    const std::string signature =
        ecdsa(signer ? signer : key.get(), EVP_sha256(), message, 32) + shown + certification;
    return header + body + little(signature.size(), 4) + signature + behind;
  }
  Result<Statement> verify() const {
    const auto verifier = make_dcap_verifier({ca.certificate_der()});
    return (*verifier)->verify(document(), kNow);
  }
};

TEST(DcapEvidence, SaysWhatWasMeasuredAndOfWhom) {
  struct Kind {
    unsigned version;
    bool tdx;
  };
  for (const Kind& kind : {Kind{3, false}, Kind{4, false}, Kind{4, true}}) {
    SCOPED_TRACE(std::to_string(kind.version) + (kind.tdx ? " TDX" : " SGX"));
    Quote quote(kind.version, kind.tdx);
    quote.behind = std::string(70, '\0');
    const Result<Statement> found = quote.verify();
    ASSERT_TRUE(found) << found.error().text;
    auto selectors = found->selectors;
    EXPECT_EQ(selectors[kind.tdx ? "tdx:mrtd" : "sgx:mrenclave"],
              to_hex(std::string(kind.tdx ? 48 : 32, 'm')));
    const auto verifier = make_dcap_verifier({quote.ca.certificate_der()});
    EXPECT_TRUE((*verifier)->check(*found, {kHolder, kNonce}, kNow));
    EXPECT_FALSE((*verifier)->check(*found, {std::string(32, 'i'), kNonce}, kNow));
    EXPECT_FALSE((*verifier)->check(*found, {kHolder, "n-2"}, kNow));
    EXPECT_FALSE((*verifier)->check(*found, {kHolder, ""}, kNow));
  }
}

struct QuoteLie {
  const char* name;
  std::function<void(Quote&)> lie;
  const char* why;
};

const char* const kNoQuote = "no ECDSA quote";
const char* const kNotIntel = "not made by Intel's quoting enclave";

void expect_refused(Quote quote, const QuoteLie& lie) {
  SCOPED_TRACE(lie.name);
  lie.lie(quote);
  const Result<Statement> found = quote.verify();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::kPeerIdentity);
  EXPECT_THAT(found.error().text, HasSubstr(lie.why));
}

TEST(DcapEvidence, ForgedIsRefused) {
  const auto certificate = [](std::function<void(TestCertificate&)> lie) {
    return [lie = std::move(lie)](Quote& q) {
      q.pck = q.platform.svid("/pck", with_key(TestKey::kP256, lie));
    };
  };
  const bssl::UniquePtr<EVP_PKEY> stranger = new_p256();
  const QuoteLie lies[] = {
      {"another root", [](Quote& q) { q.ca = TestCa("test.example", kNow, TestKey::kP256, 2); },
       "its certificates"},
      {"expired", certificate([](TestCertificate& c) { c.ends = -1s; }), "expired"},
      {"not yet valid", certificate([](TestCertificate& c) { c.begins = 10s; }), "not yet valid"},
      {"an authority's own", certificate([](TestCertificate& c) { c.ca = true; }),
       "signs evidence"},
      {"may not sign", certificate([](TestCertificate& c) { c.key_usage = {2}; }),
       "signs evidence"},
      {"certificate with a broken signature",
       certificate([](TestCertificate& c) { c.break_signature = true; }), "its certificates"},
      {"the platform's authority left out", [](Quote& q) { q.pck.chain_der.resize(1); }, "issuer"},
      {"a PCK key of P-384",
       [](Quote& q) {
         q.pck = q.platform.svid("/pck", with_key(TestKey::kP384));
         q.qe_signer = q.key.get();
       },
       "over its quoting enclave"},
      {"no certificates", [](Quote& q) { q.certificates = "x"; }, "cannot be read"},
      {"certificates of garbage",
       [](Quote& q) { q.certificates = identity::to_pem("CERTIFICATE", "x"); }, "cannot be read"},
      {"version 2", [](Quote& q) { q.version = 2; }, kNoQuote},
      {"version 5", [](Quote& q) { q.version = 5; }, kNoQuote},
      {"P-384 keys", [](Quote& q) { q.key_type = 3; }, kNoQuote},
      {"an unknown kind", [](Quote& q) { q.tee = 0x82; }, kNoQuote},
      {"another kind than the body's", [](Quote& q) { q.tee = q.tdx ? 0 : 0x81; }, kNoQuote},
      {"certification by platform id", [](Quote& q) { q.certificates_type = 3; }, kNoQuote},
      {"something behind the certificates", [](Quote& q) { q.inside = "x"; }, kNoQuote},
      {"something behind it", [](Quote& q) { q.behind = "x"; }, kNoQuote},
      {"another vendor", [](Quote& q) { q.vendor[0] = 'x'; }, kNotIntel},
      {"another signer's quoting enclave", [](Quote& q) { q.qe_report[128] ^= 1; }, kNotIntel},
      {"another product of Intel's", [](Quote& q) { q.qe_report[256] = 7; }, kNotIntel},
      {"a quoting enclave in debug mode", [](Quote& q) { q.qe_report[48] = 2; }, kNotIntel},
      {"the other kind's quoting enclave",
       [](Quote& q) {
         q.qe_report.replace(128, 32, q.tdx ? kSgxQe : kTdxQe);
         q.qe_report[256] = q.tdx ? 1 : 2;
       },
       kNotIntel},
      {"a key that the enclave does not know", [](Quote& q) { q.vouched = std::string(32, 'v'); },
       "key is not the quoting enclave's"},
      {"more behind the key's hash", [](Quote& q) { q.qe_report[352] = 1; },
       "key is not the quoting enclave's"},
      {"another key signed for the enclave", [&](Quote& q) { q.qe_signer = stranger.get(); },
       "over its quoting enclave"},
      {"another key signed", [&](Quote& q) { q.signer = stranger.get(); },
       "its signature is wrong"},
      {"another body was signed", [](Quote& q) { q.sign_other = true; }, "its signature is wrong"},
      {"a key that is no point", [](Quote& q) { q.key_sent = std::string(64, '\x01'); },
       "its signature is wrong"},
      {"debug mode",
       [](Quote& q) {
         if (q.tdx) {
           q.body[120] = 1;
         } else {
           q.body[48] = 2;
         }
       },
       "debug mode"},
  };
  for (const QuoteLie& each : lies) {
    expect_refused(Quote(3, false), each);
    expect_refused(Quote(4, true), each);
  }
  expect_refused(Quote(4, true),
                 {"a module of nobody", [](Quote& q) { q.body[64] = 1; }, "TDX module"});
  expect_refused(Quote(4, true),
                 {"a module with attributes", [](Quote& q) { q.body[112] = 1; }, "TDX module"});
  expect_refused(Quote(4, true),
                 {"no report inside", [](Quote& q) { q.report_type = 5; }, kNoQuote});
}

// ---- as calls bring it --------------------------------------------------------------------------

TEST(EvidenceDesk, TakesWhatSpeaksOfTheHoldersKey) {
  Nitro nitro;
  nitro.member("nonce") = "\xF6";
  const std::string file = testing::TempDir() + "mandated_evidence_roots.pem";
  std::ofstream(file) << identity::to_pem("CERTIFICATE", nitro.ca.certificate_der());
  const auto desk = EvidenceDesk::make({file, ""});
  ASSERT_TRUE(desk) << desk.error().text;
  const std::string document = receipt::encode_base64url(nitro.document());
  const std::string holder = receipt::encode_base64url(kHolder);
  for (int time = 0; time < 3; ++time) {
    const auto found = (*desk)->selectors("nitro " + document, holder, kNow + time * 1s);
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_TRUE(found->contains("nitro:pcr0"));
  }
  EXPECT_EQ((*desk)->verified(), 1U) << "it is remembered";
  EXPECT_TRUE((*desk)->selectors("nitro " + document, holder, kNow + 2min));
  EXPECT_EQ((*desk)->verified(), 2U) << "but not for long";
  EXPECT_FALSE((*desk)->selectors("nitro " + document, holder, kNow + 10min));
  const std::string other = receipt::encode_base64url(std::string(32, 'i'));
  struct Case {
    std::string evidence;
    std::string key;
    const char* why;
  };
  const Case cases[] = {
      {"nitro " + document, other, "another key"},
      {"dcap " + document, holder, "of this kind"},
      {"nitro", holder, "of this kind"},
      {"nitro " + document + "=", holder, "no base64url"},
      {"nitro  " + document, holder, "no base64url"},
      {"nitro " + document.substr(4), holder, "no COSE_Sign1"},
  };
  for (const Case& each : cases) {
    const auto found = (*desk)->selectors(each.evidence, each.key, kNow);
    ASSERT_FALSE(found) << each.why;
    EXPECT_THAT(found.error().text, HasSubstr(each.why));
  }
  EXPECT_FALSE(EvidenceDesk::make({"/nowhere/roots.pem", ""}));
  std::ofstream(file) << "no certificates";
  EXPECT_FALSE(EvidenceDesk::make({"", file}));
}

}  // namespace
}  // namespace mandated::attest
