// X.509-SVIDs: https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md, sections 2 to 5,
// over the path validation of RFC 5280 by BoringSSL.
#include "proxy/identity/x509_svid.h"

#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "proxy/identity/certificate.h"
#include "proxy/identity/certificate_path.h"

namespace mandated::identity {

namespace {

using Fault = TrustStore::Fault;
using Refusal = TrustStore::Refusal;

constexpr std::size_t kChainMax = 5;
constexpr std::size_t kCertificateMax = 16384;
constexpr std::size_t kBundleMax = 64;

tl::unexpected<Refusal> refuse(Fault fault, std::string text) {
  return tl::unexpected(Refusal{fault, std::move(text)});
}
tl::unexpected<Refusal> bad(std::string text) {
  return refuse(Fault::kBadCertificate, std::move(text));
}

using Checked = tl::expected<void, Refusal>;

/// The URI SANs, or nullopt when the extension is twice there or cannot be read.
std::optional<std::vector<std::string>> uri_sans(const X509* certificate) {
  int critical = 0;
  const bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  if (!names) {
    if (critical == -1) return std::vector<std::string>();  // absent
    return std::nullopt;
  }
  std::vector<std::string> uris;
  for (std::size_t i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<std::size_t>(ASN1_STRING_length(uri)));
  }
  return uris;
}

bool is_critical(const X509* certificate, int nid) {
  const int index = X509_get_ext_by_NID(certificate, nid, -1);
  return index >= 0 && X509_EXTENSION_get_critical(X509_get_ext(certificate, index)) != 0;
}

/// RFC 5280 section 4.1.1.2: the one that is signed and the one that is not are the same.
bool names_two_algorithms(const X509* certificate) {
  const X509_ALGOR* outside = nullptr;
  X509_get0_signature(nullptr, &outside, certificate);
  return X509_ALGOR_cmp(X509_get0_tbs_sigalg(certificate), outside) != 0;
}

/// RFC 5280 section 4.2: each extension once.
bool repeats_an_extension(const X509* certificate) {
  const int count = X509_get_ext_count(certificate);
  for (int i = 0; i < count; ++i) {
    const ASN1_OBJECT* object = X509_EXTENSION_get_object(X509_get_ext(certificate, i));
    if (X509_get_ext_by_OBJ(certificate, object, i) >= 0) return true;
  }
  return false;
}

/// Sections 2 and 3: one SPIFFE ID, with a path.
tl::expected<SpiffeId, Refusal> leaf_id(const X509* leaf) {
  const std::optional<std::vector<std::string>> uris = uri_sans(leaf);
  if (!uris) return bad("its subject alternative names cannot be read");
  if (X509_NAME_entry_count(X509_get_subject_name(leaf)) == 0 && !uris->empty() &&
      !is_critical(leaf, NID_subject_alt_name)) {
    return bad("its subject is empty and its URI name not critical");
  }
  if (uris->size() != 1) {
    return bad("it has " + std::to_string(uris->size()) + " URI names where exactly one must be");
  }
  Result<SpiffeId> id = SpiffeId::parse(uris->front());
  if (!id) return bad("its URI name is no SPIFFE ID: " + id.error().text);
  if (id->path().empty()) return bad("its SPIFFE ID has no path");
  return std::move(*id);
}

/// Sections 4.1 to 4.4 and 5.2: fit to identify a workload on this side, and for nothing more.
Checked check_leaf_usage(const X509* leaf) {
  const std::uint32_t flags = X509_get_extension_flags(leaf);
  if ((flags & EXFLAG_INVALID) != 0) return bad("an extension cannot be read");
  if ((flags & EXFLAG_CRITICAL) != 0) return bad("a critical extension is unknown");
  if ((flags & EXFLAG_CA) != 0) return bad("it is a CA certificate");
  if (X509_get_ext_by_NID(leaf, NID_name_constraints, -1) >= 0) {
    return bad("it has name constraints, which are for CA certificates");
  }
  const std::uint32_t usage = X509_get_key_usage(leaf);
  if (usage == UINT32_MAX) return bad("it has no key usage");
  if (!is_critical(leaf, NID_key_usage)) return bad("its key usage is not critical");
  if ((usage & X509v3_KU_DIGITAL_SIGNATURE) == 0) {
    return bad("its key usage lacks digitalSignature");
  }
  if ((usage & X509v3_KU_KEY_CERT_SIGN) != 0) return bad("its key usage has keyCertSign");
  if ((usage & X509v3_KU_CRL_SIGN) != 0) return bad("its key usage has cRLSign");
  // Also when only one of them is asked for: an SVID is good for both sides, or is none.
  const std::uint32_t extended = X509_get_extended_key_usage(leaf);
  if (extended != UINT32_MAX && (extended & XKU_SSL_CLIENT) == 0) {
    return bad("its extended key usage lacks clientAuth");
  }
  if (extended != UINT32_MAX && (extended & XKU_SSL_SERVER) == 0) {
    return bad("its extended key usage lacks serverAuth");
  }
  return {};
}

tl::expected<Certificates, Refusal> parse_chain(std::span<const std::string_view> chain_der) {
  if (chain_der.empty()) return bad("no certificate was presented");
  if (chain_der.size() > kChainMax) return bad("the chain has more than 5 certificates");
  Certificates chain;
  for (const std::string_view der : chain_der) {
    if (der.size() > kCertificateMax) return bad("a certificate is larger than 16 KiB");
    bssl::UniquePtr<X509> certificate = parse_certificate(der);
    if (!certificate) return bad("a certificate cannot be read");
    if (X509_get_version(certificate.get()) != X509_VERSION_3) {
      return bad("a certificate is not of X.509 version 3");
    }
    if (repeats_an_extension(certificate.get())) return bad("an extension stands twice");
    if (const std::string_view weakness = key_weakness(certificate.get()); !weakness.empty()) {
      return bad(std::string(weakness));
    }
    if (!is_sound_signature_algorithm(certificate.get())) {
      return bad("it is signed by a weak or unknown algorithm");
    }
    if (names_two_algorithms(certificate.get())) return bad("its signature algorithms differ");
    chain.push_back(std::move(certificate));
  }
  return chain;
}

bool has_spiffe_scheme(std::string_view uri) {
  constexpr std::string_view kScheme = "spiffe:";
  return uri.size() >= kScheme.size() &&
         std::equal(kScheme.begin(), kScheme.end(), uri.begin(),
                    [](char wanted, char c) { return wanted == OPENSSL_tolower(c); });
}

/// Sections 2 and 3.2: a signing certificate that carries a SPIFFE ID carries one, its trust
/// domain's, without a path.
Checked check_signer_id(const X509* signer, std::string_view trust_domain) {
  const std::optional<std::vector<std::string>> uris = uri_sans(signer);
  if (!uris) return bad("an issuer's subject alternative names cannot be read");
  if (std::none_of(uris->begin(), uris->end(), has_spiffe_scheme)) return {};
  if (uris->size() != 1) return bad("an issuer has more than one URI name");
  const Result<SpiffeId> id = SpiffeId::parse(uris->front());
  if (!id || !id->path().empty() || id->trust_domain() != trust_domain) {
    return bad("an issuer's SPIFFE ID is not that of the trust domain");
  }
  return {};
}

/// Sections 4.1 and 4.3, of the issuers that the peer brought; make() checked the bundle's.
Checked check_signer_usage(const X509* signer) {
  const std::uint32_t usage = X509_get_key_usage(signer);
  if (usage == UINT32_MAX) return bad("an issuer has no key usage");
  if (!is_critical(signer, NID_key_usage)) return bad("an issuer's key usage is not critical");
  return {};
}

/// Gives the time at which the first certificate of the path expires.
tl::expected<Clock::WallTime, Refusal> check_path(X509_STORE* store, const Certificates& chain,
                                                  std::string_view trust_domain, Purpose purpose,
                                                  Clock::WallTime now) {
  auto path = find_path(store, chain, [&](X509_VERIFY_PARAM* rules) {
    X509_VERIFY_PARAM_set_time_posix(rules, to_posix(now));
    X509_VERIFY_PARAM_set_depth(rules, kChainMax);
    X509_VERIFY_PARAM_set_purpose(
        rules, purpose == Purpose::kClient ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
    // A bundle may hold an intermediate as its anchor (Trust-Domain-and-Bundle standard 4.1);
    // make() saw to it that every member is a CA.
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    return true;
  });
  if (!path) return tl::unexpected(std::move(path).error());
  for (std::size_t i = 1; i < path->size(); ++i) {
    const X509* signer = (*path)[i].get();
    auto checked = check_signer_id(signer, trust_domain);
    if (checked && i + 1 < path->size()) checked = check_signer_usage(signer);
    if (!checked) return tl::unexpected(std::move(checked).error());
  }
  return first_expiry(*path);
}

Result<void> add_anchor(X509_STORE* store, const std::string& trust_domain,
                        const std::string& der) {
  const auto unfit = [&](std::string_view why) {
    return fail(Code::kInvalidConfig,
                "trust bundle of " + trust_domain + ": a certificate: " + std::string(why));
  };
  if (der.size() > kCertificateMax) return unfit("it is larger than 16 KiB");
  const bssl::UniquePtr<X509> anchor = parse_certificate(der);
  if (!anchor) return unfit("it cannot be read");
  const std::uint32_t flags = X509_get_extension_flags(anchor.get());
  if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0) return unfit("an extension is unfit");
  if ((flags & EXFLAG_CA) == 0) return unfit("it is no CA certificate");
  const std::uint32_t usage = X509_get_key_usage(anchor.get());
  if ((usage & X509v3_KU_KEY_CERT_SIGN) == 0) return unfit("its key usage lacks keyCertSign");
  // Roots that are no SVIDs may lack it, as openssl makes them.
  const auto uris = uri_sans(anchor.get());
  const bool is_svid = uris && std::any_of(uris->begin(), uris->end(), has_spiffe_scheme);
  if (is_svid && (usage == UINT32_MAX || !is_critical(anchor.get(), NID_key_usage))) {
    return unfit("its key usage is absent or not critical");
  }
  if (const std::string_view weakness = key_weakness(anchor.get()); !weakness.empty()) {
    return unfit(weakness);
  }
  if (X509_STORE_add_cert(store, anchor.get()) != 1) return unfit("no memory");
  return {};
}

}  // namespace

Result<std::shared_ptr<const TrustStore>> TrustStore::make(const Bundles& bundles) {
  auto made = std::make_shared<TrustStore>();
  for (const auto& [trust_domain, certificates] : bundles) {
    if (certificates.size() > kBundleMax) {
      return fail(Code::kInvalidConfig,
                  "trust bundle of " + trust_domain + " has more than 64 certificates");
    }
    const std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
    for (const std::string& der : certificates) {
      CHECK(add_anchor(store.get(), trust_domain, der));
    }
    made->stores_.emplace(trust_domain, store);
  }
  return std::shared_ptr<const TrustStore>(std::move(made));
}

tl::expected<TrustStore::Peer, Refusal> TrustStore::verify(
    std::span<const std::string_view> chain_der, Purpose purpose, Clock::WallTime now) const {
  const auto chain = parse_chain(chain_der);
  if (!chain) return tl::unexpected(chain.error());
  const X509* leaf = chain->front().get();
  if (const auto fit = check_leaf_usage(leaf); !fit) return tl::unexpected(fit.error());
  auto id = leaf_id(leaf);
  if (!id) return tl::unexpected(std::move(id).error());
  // Only the bundle of the trust domain that the ID names: another domain's authority cannot vouch
  // for it (Trust-Domain-and-Bundle standard section 5).
  const auto store = stores_.find(id->trust_domain());
  if (store == stores_.end()) {
    return refuse(Fault::kUnknownAuthority,
                  "its trust domain " + std::string(id->trust_domain()) + " is unknown");
  }
  auto expires = check_path(store->second.get(), *chain, id->trust_domain(), purpose, now);
  if (!expires) {
    expires.error().text = id->text() + ": " + expires.error().text;
    return tl::unexpected(std::move(expires).error());
  }
  return Peer{std::move(*id), *expires, key_thumbprint(leaf)};
}

Result<SpiffeId> verify_x509_svid(const std::vector<std::string>& chain_der, const Bundles& bundles,
                                  Purpose purpose, Clock::WallTime now) {
  const auto store = TrustStore::make(bundles);
  if (!store) return fail(Code::kPeerIdentity, store.error().text);
  const std::vector<std::string_view> chain(chain_der.begin(), chain_der.end());
  auto peer = (*store)->verify(chain, purpose, now);
  if (!peer) return fail(Code::kPeerIdentity, std::move(peer).error().text);
  return std::move(peer->id);
}

}  // namespace mandated::identity
