#include "proxy/identity/embedded.h"

#include <openssl/mem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "proxy/base/file.h"
#include "proxy/identity/authority.h"
#include "proxy/identity/bundle_document.h"
#include "proxy/identity/pem.h"
#include "proxy/identity/x509_svid.h"

namespace mandated::identity {

namespace {

using namespace std::chrono_literals;

// The certificates of all authorities that are still valid, each followed by its key while it has
// one: one file, so that a key and its certificate cannot come apart.
constexpr char kAuthorityFile[] = "authority.pem";
constexpr char kWitAuthorityFile[] = "wit_authority.pem";
constexpr std::size_t kAuthorityFileMax = 65536;
constexpr std::size_t kBundleFileMax = 1U << 20U;

// A new authority is in the bundle for 23 days before it signs: the time that others have to hear
// of it.
constexpr std::chrono::hours kRenewBefore{30 * 24};
constexpr Clock::Duration kSignUntil = EmbeddedTrustDomain::kTtlMax;

constexpr Clock::Duration kLookInterval = 10s;
constexpr Clock::Duration kBackOffMin = 1s;
constexpr Clock::Duration kBackOffMax = 60s;

std::string fingerprint(std::string_view der) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const std::uint8_t*>(der.data()), der.size(), digest.data());
  std::string text;
  for (const std::uint8_t byte : digest) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

void wipe(std::string& secret) { OPENSSL_cleanse(secret.data(), secret.size()); }

Result<std::vector<Authority>> parse_authorities(std::string_view text) {
  TRY(std::vector<PemBlock> blocks, parse_pem(text));
  std::vector<Authority> authorities;
  for (PemBlock& block : blocks) {
    if (block.label == "CERTIFICATE") {
      TRY(Authority authority, Authority::load(std::move(block.der)));
      authorities.push_back(std::move(authority));
    } else if (block.label == "PRIVATE KEY" && !authorities.empty()) {
      CHECK(authorities.back().load_key(block.der));
    } else {
      return fail(Code::kMalformed, "an unexpected " + block.label);
    }
  }
  return authorities;
}

Result<std::string> read_bundle(const std::string& path) {
  std::optional<std::string> bytes = read_file(path, kBundleFileMax);
  if (bytes) return std::move(*bytes);
  if (errno == ENOENT) return fail(Code::kNotFound, path + ": is not there");
  return fail(Code::kStorage,
              path + (errno == EFBIG ? ": larger than 1 MiB" : ": cannot be opened"));
}

bool is_renewal_due(const std::vector<Authority>& authorities, Clock::WallTime now) {
  return std::none_of(authorities.begin(), authorities.end(), [now](const Authority& authority) {
    return authority.key() != nullptr && authority.expires() - now > kRenewBefore;
  });
}

/// The oldest that is good for the longest SVID; failing that, whichever lasts longest.
const Authority* signer(const std::vector<Authority>& authorities, Clock::WallTime now) {
  const Authority* chosen = nullptr;
  for (const Authority& authority : authorities) {
    if (authority.key() == nullptr || authority.begins() > now || authority.expires() <= now) {
      continue;
    }
    chosen = &authority;
    if (authority.expires() - now >= kSignUntil) break;
  }
  return chosen;
}

/// CA certificates in PEM, or a SPIFFE bundle document.
Result<BundleDocument> parse_bundle(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return parse_bundle_document(text);
  BundleDocument document;
  TRY(document.certificates_der, parse_pem_certificates(text));
  return document;
}

bool same_keys(const std::vector<JwtKey>& a, const std::vector<JwtKey>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const JwtKey& one, const JwtKey& other) {
                      return one.kid == other.kid && one.use == other.use &&
                             EVP_PKEY_cmp(one.key.get(), other.key.get()) == 1;
                    });
}

bool same_bundles(const JwtBundles& a, const JwtBundles& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return one.first == other.first && same_keys(one.second, other.second);
  });
}

Failure with_context(const std::string& where, Error error) {
  error.text = where + ": " + error.text;
  return Failure(std::move(error));
}

/// Sound, so that peers can be checked by it.
Result<BundleDocument> read_document(const std::string& path) {
  TRY(const std::string text, read_bundle(path));
  Result<BundleDocument> document = parse_bundle(text);
  if (!document) return with_context(path, document.error());
  const auto checked = TrustStore::make({{"of.a.file", document->certificates_der}});
  if (!checked) return with_context(path, checked.error());
  return document;
}

}  // namespace

EmbeddedTrustDomain::EmbeddedTrustDomain(StateFolder folder, std::string trust_domain)
    : folder_(std::move(folder)), trust_domain_(std::move(trust_domain)) {}

EmbeddedTrustDomain::~EmbeddedTrustDomain() = default;

Result<std::unique_ptr<EmbeddedTrustDomain>> EmbeddedTrustDomain::open(
    const std::string& state_folder, std::string_view trust_domain, Clock::WallTime now) {
  if (!trust_domain.empty()) {
    const Result<SpiffeId> id = SpiffeId::parse("spiffe://" + std::string(trust_domain));
    if (!id || !id->path().empty()) {
      return fail(Code::kInvalidConfig,
                  "'" + std::string(trust_domain) + "' is no name of a trust domain");
    }
  }
  const auto missing =
      trust_domain.empty() ? StateFolder::Missing::kFail : StateFolder::Missing::kCreate;
  TRY(StateFolder folder, StateFolder::open(state_folder, missing));
  std::unique_ptr<EmbeddedTrustDomain> opened(
      new EmbeddedTrustDomain(std::move(folder), std::string(trust_domain)));
  TRY(const StateFolder::Lock held, opened->folder_.lock(StateFolder::Patience::kWait));
  Result<void> loaded = opened->load(now);
  if (!loaded && loaded.error().code == Code::kNotFound && !trust_domain.empty()) {
    loaded = {};  // the first use of this folder
  }
  if (loaded && opened->renewal_due(now)) loaded = opened->renew(now);
  if (!loaded) return Failure(std::move(loaded).error());
  return opened;
}

Result<void> EmbeddedTrustDomain::load(Clock::WallTime now) {
  TRY(const bool found, load_file(kAuthorityFile, authorities_, now));
  if (!found) return fail(Code::kNotFound, folder_.path() + " holds no trust domain");
  CHECK(load_file(kWitAuthorityFile, wit_authorities_, now));
  return {};
}

/// False when there is no such file.
Result<bool> EmbeddedTrustDomain::load_file(const char* name, std::vector<Authority>& into,
                                            Clock::WallTime now) {
  TRY(std::optional<std::string> text, folder_.read(name, kAuthorityFileMax));
  if (!text) return false;
  Result<std::vector<Authority>> parsed = parse_authorities(*text);
  wipe(*text);
  if (!parsed) {
    return fail(Code::kStorage, folder_.path() + "/" + name + ": " + parsed.error().text);
  }
  for (const Authority& authority : *parsed) {
    if (trust_domain_.empty()) trust_domain_ = authority.trust_domain();
    if (authority.trust_domain() != trust_domain_) {
      return fail(Code::kInvalidConfig, folder_.path() + " is of the trust domain " +
                                            authority.trust_domain() + ", not " + trust_domain_);
    }
  }
  std::erase_if(*parsed, [now](const Authority& old) { return old.expires() <= now; });
  std::sort(parsed->begin(), parsed->end(),
            [](const Authority& a, const Authority& b) { return a.begins() < b.begins(); });
  into = std::move(*parsed);
  return true;
}

bool EmbeddedTrustDomain::renewal_due(Clock::WallTime now) const {
  return is_renewal_due(authorities_, now) || is_renewal_due(wit_authorities_, now);
}

/// Under the lock, after load().
Result<void> EmbeddedTrustDomain::renew(Clock::WallTime now) {
  if (is_renewal_due(authorities_, now)) {
    CHECK(renew_file(kAuthorityFile, authorities_, now));
  }
  if (is_renewal_due(wit_authorities_, now)) {
    CHECK(renew_file(kWitAuthorityFile, wit_authorities_, now));
  }
  return {};
}

Result<void> EmbeddedTrustDomain::renew_file(const char* name, std::vector<Authority>& authorities,
                                             Clock::WallTime now) {
  TRY(Authority fresh, Authority::create(trust_domain_, now));
  authorities.push_back(std::move(fresh));
  std::string text;
  text.reserve(kAuthorityFileMax);  // it never moves, so that one wipe is enough
  for (const Authority& authority : authorities) {
    text += to_pem("CERTIFICATE", authority.certificate_der());
    if (authority.key() == nullptr) continue;
    std::string key = to_pem(authority.key());
    text += key;
    wipe(key);
  }
  Result<void> written = folder_.replace(name, text);
  wipe(text);
  if (!written) authorities.pop_back();  // what is not on the disk must not sign
  return written;
}

Result<void> EmbeddedTrustDomain::refresh(Clock::WallTime now) {
  CHECK(load(now));
  if (!renewal_due(now)) return {};
  TRY(const StateFolder::Lock held, folder_.lock(StateFolder::Patience::kNone));
  CHECK(load(now));
  return renewal_due(now) ? renew(now) : Result<void>();
}

std::vector<std::string> EmbeddedTrustDomain::bundle() const {
  std::vector<std::string> certificates;
  for (const Authority& authority : authorities_) {
    certificates.push_back(authority.certificate_der());
  }
  return certificates;
}

std::vector<EmbeddedTrustDomain::AuthorityInfo> EmbeddedTrustDomain::authorities(
    Clock::WallTime now) const {
  std::vector<AuthorityInfo> infos;
  for (const Authority& authority : authorities_) {
    infos.push_back(AuthorityInfo{fingerprint(authority.certificate_der()), authority.begins(),
                                  authority.expires(), &authority == signer(authorities_, now)});
  }
  return infos;
}

std::vector<JwtKey> EmbeddedTrustDomain::wit_keys() const {
  std::vector<JwtKey> keys;
  for (const Authority& authority : wit_authorities_) keys.push_back(authority.wit_key());
  return keys;
}

Result<Svid> EmbeddedTrustDomain::issue(const SpiffeId& id, KeyType key_type, Clock::Duration ttl,
                                        Clock::WallTime now) const {
  TRY(const Authority* authority, issuer(authorities_, id, ttl, now));
  return authority->issue(id, key_type, ttl, now);
}

Result<WorkloadToken> EmbeddedTrustDomain::issue_wit(const SpiffeId& id, Clock::Duration ttl,
                                                     Clock::WallTime now) const {
  TRY(const Authority* authority, issuer(wit_authorities_, id, ttl, now));
  return authority->issue_wit(id, ttl, now);
}

Result<const Authority*> EmbeddedTrustDomain::issuer(const std::vector<Authority>& authorities,
                                                     const SpiffeId& id, Clock::Duration ttl,
                                                     Clock::WallTime now) const {
  if (id.trust_domain() != trust_domain_) {
    return fail(Code::kInvalidConfig, id.text() + " is not of the trust domain " + trust_domain_);
  }
  if (id.path().empty()) return fail(Code::kInvalidConfig, id.text() + " names no workload");
  if (ttl < 1s || ttl > kTtlMax) {
    return fail(Code::kInvalidConfig, "an SVID lives from one second to seven days");
  }
  const Authority* authority = signer(authorities, now);
  if (authority == nullptr) {
    return fail(Code::kUnavailable,
                "no authority of " + trust_domain_ + " is valid now: is the clock right?");
  }
  return authority;
}

EmbeddedSvidSource::EmbeddedSvidSource(EmbeddedOptions options) : options_(std::move(options)) {}

EmbeddedSvidSource::~EmbeddedSvidSource() = default;

Result<SnapshotPtr> EmbeddedSvidSource::first(Clock::WallTime now) {
  TRY(trust_domain_, EmbeddedTrustDomain::open(options_.state_folder, options_.trust_domain, now));
  TRY(current_, make(now));
  return current_;
}

Result<EmbeddedSvidSource::Trusted> EmbeddedSvidSource::read_bundles() {
  Trusted trusted;
  trusted.bundles[trust_domain_->trust_domain()] = trust_domain_->bundle();
  trusted.jwt_bundles[trust_domain_->trust_domain()] = trust_domain_->wit_keys();
  for (const auto& [name, path] : options_.bundle_files) {
    if (name == trust_domain_->trust_domain()) {
      return fail(Code::kInvalidConfig, path + ": our own trust domain's bundle is not for a file");
    }
    Result<BundleDocument> document = read_document(path);
    if (document) {
      trusted.bundles[name] = std::move(document->certificates_der);
      trusted.jwt_bundles[name] = std::move(document->jwt_keys);
      reported_.erase(name);
      continue;
    }
    // At the start all of them must be good. Later another domain's mistake is its own affair: its
    // last bundle stands, or none when the file was taken away.
    if (current_ == nullptr) return tl::unexpected(std::move(document).error());
    if (reported_[name] != document.error().text) report(document.error());
    reported_[name] = document.error().text;
    const auto last = current_->bundles.find(name);
    if (document.error().code == Code::kNotFound || last == current_->bundles.end()) continue;
    trusted.bundles[name] = last->second;
    trusted.jwt_bundles[name] = current_->jwt_bundles.at(name);
  }
  return trusted;
}

Result<SnapshotPtr> EmbeddedSvidSource::make(Clock::WallTime now) {
  auto snapshot = std::make_shared<Snapshot>();
  TRY(Svid svid, trust_domain_->issue(options_.id, options_.key_type, options_.ttl, now));
  snapshot->svid = std::make_shared<const Svid>(std::move(svid));
  if (options_.workload_token) {
    TRY(WorkloadToken token, trust_domain_->issue_wit(options_.id, options_.ttl, now));
    snapshot->wit = std::make_shared<const WorkloadToken>(std::move(token));
  }
  TRY(Trusted trusted, read_bundles());
  snapshot->bundles = std::move(trusted.bundles);
  snapshot->jwt_bundles = std::move(trusted.jwt_bundles);
  return SnapshotPtr(std::move(snapshot));
}

Result<void> EmbeddedSvidSource::update(Clock::WallTime now,
                                        const std::function<void(SnapshotPtr)>& publish) {
  const Result<void> refreshed = trust_domain_->refresh(now);
  if (!refreshed) report(refreshed.error());  // the authorities we know can still sign
  TRY(Trusted trusted, read_bundles());
  const Svid& svid = *current_->svid;
  const std::string& own = trust_domain_->trust_domain();
  // Also at once when our own bundle changed: the authority that signed may be gone from it.
  const bool half_lived = svid.expires - now <= options_.ttl / 2;
  const bool own_changed = trusted.bundles.at(own) != current_->bundles.at(own) ||
                           !same_keys(trusted.jwt_bundles.at(own), current_->jwt_bundles.at(own));
  if (half_lived || own_changed || now < svid.not_before) {
    TRY(current_, make(now));
  } else if (trusted.bundles != current_->bundles ||
             !same_bundles(trusted.jwt_bundles, current_->jwt_bundles)) {
    auto snapshot = std::make_shared<Snapshot>(*current_);
    snapshot->bundles = std::move(trusted.bundles);
    snapshot->jwt_bundles = std::move(trusted.jwt_bundles);
    current_ = std::move(snapshot);
  } else {
    return {};
  }
  publish(current_);
  return {};
}

void EmbeddedSvidSource::report(const Error& error) const {
  if (options_.log) options_.log("what we had stands: " + error.text);
}

Task<void> EmbeddedSvidSource::run(Clock& clock, std::function<void(SnapshotPtr)> publish) {
  wake_ = std::make_unique<Event>(clock.executor());
  Clock::Duration back_off = kBackOffMin;
  // Short-lived SVIDs, as tests have them, are looked after more often.
  Clock::Duration pause = std::min<Clock::Duration>(kLookInterval, options_.ttl / 4);
  while (!stopping_) {
    {
      const auto timer = clock.call_at(clock.now() + pause, [this] { wake_->notify(); });
      co_await wake_->wait();
    }
    if (stopping_) break;
    const Result<void> updated = update(clock.wall(), publish);
    if (updated) {
      back_off = kBackOffMin;
      pause = std::min<Clock::Duration>(kLookInterval, options_.ttl / 4);
      continue;
    }
    report(updated.error());
    pause = back_off;
    back_off = std::min(2 * back_off, kBackOffMax);
  }
  wake_.reset();
}

void EmbeddedSvidSource::stop() {
  stopping_ = true;
  if (wake_) wake_->notify();
}

}  // namespace mandated::identity
