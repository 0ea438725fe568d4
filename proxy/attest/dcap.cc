// Intel DCAP quotes (Intel SGX ECDSA QuoteGenReference, appendix A.4; TDX DCAP Quoting Library API,
// appendix A.3). What is measured was reported by the processor to a quoting enclave, which signs
// it with a key that the platform's PCK certificate vouches for:
//   PCK certificate → report of the quoting enclave → attestation key → quote.
#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

#include <utility>

#include "filters/receipt/digest.h"
#include "proxy/attest/evidence.h"
#include "proxy/attest/evidence_keys.h"
#include "proxy/identity/certificate.h"
#include "proxy/identity/pem.h"

namespace mandated::attest {

namespace {

constexpr std::size_t kHeaderSize = 48;
constexpr std::size_t kReportSize = 384;    // of an enclave
constexpr std::size_t kTdReportSize = 584;  // of a trust domain, TDX 1.0
constexpr std::size_t kSignatureSize = 64;
constexpr std::size_t kKeySize = 64;
constexpr std::size_t kReportDataSize = 64;
constexpr std::size_t kHashSize = 32;
constexpr std::size_t kCertificatesMax = 8;
constexpr unsigned kEcdsaP256 = 2;
constexpr unsigned kTeeSgx = 0;
constexpr unsigned kTeeTdx = 0x81;
constexpr unsigned kPckChain = 5;
constexpr unsigned kQeReport = 6;
constexpr unsigned kDebug = 2;  // of an enclave's attributes

// Who signed the quoting enclaves of Intel, and which of that signer's products they are.
constexpr std::string_view kIntelVendor = "939a7233f79c4ca9940a0db3957f0607";
constexpr std::string_view kSgxQeSigner =
    "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff";
constexpr std::string_view kTdxQeSigner =
    "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";
constexpr unsigned kSgxQeProduct = 1;
constexpr unsigned kTdxQeProduct = 2;

Failure unfit(std::string_view why) {
  return fail(Code::kPeerIdentity, "the quote is unfit: " + std::string(why));
}

// Little-endian fields one after the other; nothing is read beyond the end, and ok() then says so.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  unsigned number(std::size_t size) {
    unsigned value = 0;
    const std::string_view bytes = take(size);
    for (std::size_t i = bytes.size(); i-- > 0;)
      value = (value << 8U) | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  bool ok() const { return ok_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

/// The report of an enclave (SGX REPORT_BODY), by its offsets.
struct Report {
  explicit Report(std::string_view bytes) : bytes_(bytes) {}
  bool is_debug() const { return (static_cast<unsigned char>(bytes_[48]) & kDebug) != 0; }
  std::string_view mrenclave() const { return bytes_.substr(64, kHashSize); }
  std::string_view mrsigner() const { return bytes_.substr(128, kHashSize); }
  unsigned product() const { return Fields(bytes_.substr(256, 2)).number(2); }
  unsigned version() const { return Fields(bytes_.substr(258, 2)).number(2); }
  std::string_view data() const { return bytes_.substr(320, kReportDataSize); }

 private:
  std::string_view bytes_;
};

struct Quote {
  unsigned version = 0;
  unsigned tee = 0;
  std::string_view vendor;
  std::string_view body;
  std::string_view signed_part;  // header and body
  std::string_view signature;    // of the attestation key
  std::string_view key;          // x ‖ y
  std::string_view qe_report;
  std::string_view qe_signature;  // of the PCK key
  std::string_view qe_data;
  std::string_view certificates;  // PEM
};

bool read_certification(Fields& fields, Quote& out) {
  out.qe_report = fields.take(kReportSize);
  out.qe_signature = fields.take(kSignatureSize);
  out.qe_data = fields.take(fields.number(2));
  const unsigned kind = fields.number(2);
  out.certificates = fields.take(fields.number(4));
  return fields.ok() && fields.rest().empty() && kind == kPckChain;
}

std::optional<Quote> read_quote(std::string_view bytes) {
  Fields fields(bytes);
  Quote quote;
  quote.version = fields.number(2);
  const unsigned key_type = fields.number(2);
  quote.tee = fields.number(4);
  fields.take(4);  // version 3: SVNs of QE and PCE, which their certificates have, too
  quote.vendor = fields.take(16);
  fields.take(20);
  const bool known = (quote.version == 3 && quote.tee == kTeeSgx) ||
                     (quote.version == 4 && (quote.tee == kTeeSgx || quote.tee == kTeeTdx));
  if (!fields.ok() || !known || key_type != kEcdsaP256) return std::nullopt;
  quote.body = fields.take(quote.tee == kTeeTdx ? kTdReportSize : kReportSize);
  quote.signed_part = bytes.substr(0, kHeaderSize + quote.body.size());
  Fields rest(fields.take(fields.number(4)));
  // What follows is padding of the buffer that it was made in.
  if (!fields.ok() || !all_zero(fields.rest())) return std::nullopt;
  quote.signature = rest.take(kSignatureSize);
  quote.key = rest.take(kKeySize);
  if (quote.version == 4) {
    const unsigned kind = rest.number(2);
    const std::string_view inner = rest.take(rest.number(4));
    if (!rest.ok() || !rest.rest().empty() || kind != kQeReport) return std::nullopt;
    rest = Fields(inner);
  }
  if (!read_certification(rest, quote)) return std::nullopt;
  return quote;
}

Result<identity::Certificates> read_chain(std::string_view pem) {
  if (pem.ends_with('\0')) pem.remove_suffix(1);
  const Result<std::vector<std::string>> blocks = identity::parse_pem_certificates(pem);
  if (!blocks || blocks->size() > kCertificatesMax) {
    return unfit("its certificates cannot be read");
  }
  identity::Certificates chain;
  for (const std::string& der : *blocks) {
    chain.push_back(identity::parse_certificate(der));
    if (!chain.back()) return unfit("a certificate cannot be read");
  }
  return chain;
}

/// Null unless it is a point of the curve.
bssl::UniquePtr<EVP_PKEY> read_key(std::string_view coordinates) {
  const std::string point = "\x04" + std::string(coordinates);  // uncompressed
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!ec || !key ||
      EC_KEY_oct2key(ec.get(), reinterpret_cast<const std::uint8_t*>(point.data()), point.size(),
                     nullptr) != 1 ||
      EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) != 1) {
    return nullptr;
  }
  return key;
}

std::string sha256(std::string_view bytes) {
  const receipt::Sha256 digest = receipt::sha256(bytes);
  return {digest.begin(), digest.end()};
}

/// The quoting enclave is Intel's, and the attestation key is its.
Result<void> check_quoting_enclave(const Quote& quote) {
  const Report enclave(quote.qe_report);
  const bool tdx = quote.tee == kTeeTdx;
  if (to_hex(quote.vendor) != kIntelVendor ||
      to_hex(enclave.mrsigner()) != (tdx ? kTdxQeSigner : kSgxQeSigner) ||
      enclave.product() != (tdx ? kTdxQeProduct : kSgxQeProduct) || enclave.is_debug()) {
    return unfit("it was not made by Intel's quoting enclave");
  }
  const std::string vouched = sha256(std::string(quote.key) + std::string(quote.qe_data));
  if (enclave.data().substr(0, kHashSize) != vouched ||
      !all_zero(enclave.data().substr(kHashSize))) {
    return unfit("its key is not the quoting enclave's");
  }
  return {};
}

Result<Statement> state_enclave(std::string_view body) {
  const Report report(body);
  if (report.is_debug()) return unfit("the enclave is in debug mode");
  Statement statement;
  statement.selectors = {{"sgx:mrenclave", to_hex(report.mrenclave())},
                         {"sgx:mrsigner", to_hex(report.mrsigner())},
                         {"sgx:isv-prod-id", std::to_string(report.product())},
                         {"sgx:isv-svn", std::to_string(report.version())}};
  statement.bound = report.data().substr(0, kHashSize);
  statement.nonce = report.data().substr(kHashSize);
  return statement;
}

Result<Statement> state_domain(std::string_view body) {
  constexpr std::size_t kMeasured = 48;  // SHA-384
  if (!all_zero(body.substr(64, 56))) return unfit("its TDX module is not Intel's");
  if (!all_zero(body.substr(120, 1))) return unfit("the trust domain is in debug mode");
  struct Field {
    const char* selector;
    std::size_t offset;
  };
  constexpr Field kFields[] = {{"tdx:mrseam", 16}, {"tdx:mrtd", 136},  {"tdx:mrconfigid", 184},
                               {"tdx:rtmr0", 328}, {"tdx:rtmr1", 376}, {"tdx:rtmr2", 424},
                               {"tdx:rtmr3", 472}};
  Statement statement;
  for (const Field& field : kFields)
    statement.selectors[field.selector] = to_hex(body.substr(field.offset, kMeasured));
  const std::string_view data = body.substr(kTdReportSize - kReportDataSize);
  statement.bound = data.substr(0, kHashSize);
  statement.nonce = data.substr(kHashSize);
  return statement;
}

class DcapVerifier final : public EvidenceVerifier {
 public:
  explicit DcapVerifier(Roots roots) : roots_(std::move(roots)) {}

  std::string_view kind() const override { return "dcap"; }

  Result<Statement> verify(std::string_view document, Clock::WallTime now) const override {
    if (document.size() > kBytesMax) return unfit("it is too large");
    const std::optional<Quote> quote = read_quote(document);
    if (!quote) return unfit("it is no ECDSA quote of version 3 or 4 with a PCK chain");
    TRY(const identity::Certificates chain, read_chain(quote->certificates));
    CHECK(check_evidence_path(roots_, chain, now));
    EVP_PKEY* const pck = X509_get0_pubkey(chain.front().get());
    if (!ecdsa_verifies(pck, NID_X9_62_prime256v1, EVP_sha256(), quote->qe_report,
                        quote->qe_signature)) {
      return unfit("the signature over its quoting enclave is wrong");
    }
    CHECK(check_quoting_enclave(*quote));
    const bssl::UniquePtr<EVP_PKEY> key = read_key(quote->key);
    if (!ecdsa_verifies(key.get(), NID_X9_62_prime256v1, EVP_sha256(), quote->signed_part,
                        quote->signature)) {
      return unfit("its signature is wrong");
    }
    return quote->tee == kTeeTdx ? state_domain(quote->body) : state_enclave(quote->body);
  }

  Result<void> check(const Statement& statement, const Binding& binding,
                     Clock::WallTime) const override {
    if (statement.bound != binding.holder_key) return unfit("it was made for another key");
    const std::string nonce =
        binding.nonce.empty() ? std::string(kHashSize, '\0') : sha256(binding.nonce);
    if (statement.nonce != nonce) return unfit("its nonce is another");
    return {};
  }

 private:
  Roots roots_;
};

}  // namespace

Result<std::unique_ptr<const EvidenceVerifier>> make_dcap_verifier(
    const std::vector<std::string>& roots) {
  TRY(Roots store, make_roots(roots));
  return std::make_unique<DcapVerifier>(std::move(store));
}

}  // namespace mandated::attest
