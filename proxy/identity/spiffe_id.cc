// SPIFFE IDs: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, section 2. One
// spelling per identity: what the standard lets a reader normalise (upper case) is refused here.
#include <algorithm>

#include "proxy/identity/identity.h"

namespace mandated::identity {

namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::string_view kWimseScheme = "wimse://";
constexpr std::size_t kTextMax = 2048;
constexpr std::size_t kTrustDomainMax = 255;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_mark(char c) { return c == '-' || c == '.' || c == '_'; }
bool is_trust_domain_char(char c) { return is_lower_or_digit(c) || is_mark(c); }
bool is_path_char(char c) { return is_trust_domain_char(c) || (c >= 'A' && c <= 'Z'); }

/// Takes the text up to the next '/' off `rest`.
std::string_view take_segment(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view segment = rest.substr(0, slash);
  rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  return segment;
}

Failure malformed(std::string_view why) {
  return fail(Code::kMalformed, "SPIFFE ID: " + std::string(why));
}

}  // namespace

Result<SpiffeId> SpiffeId::parse(std::string_view text) {
  if (text.size() > kTextMax) return malformed("longer than 2048 bytes");
  if (!text.starts_with(kScheme)) return malformed("does not begin with spiffe://");
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  const std::string_view trust_domain = rest.substr(0, slash);
  if (trust_domain.empty()) return malformed("the trust domain is empty");
  if (trust_domain.size() > kTrustDomainMax) {
    return malformed("the trust domain is longer than 255 bytes");
  }
  if (!std::all_of(trust_domain.begin(), trust_domain.end(), is_trust_domain_char)) {
    return malformed("the trust domain has a character other than a-z 0-9 . - _");
  }
  if (slash != std::string_view::npos) {
    std::string_view path = rest.substr(slash + 1);
    if (path.empty() || path.back() == '/') return malformed("the path ends in a slash");
    while (!path.empty()) {
      const std::string_view segment = take_segment(path);
      if (segment.empty()) return malformed("the path has an empty segment");
      if (segment == "." || segment == "..") return malformed("the path has a dot segment");
      if (!std::all_of(segment.begin(), segment.end(), is_path_char)) {
        return malformed("the path has a character other than a-z A-Z 0-9 . - _");
      }
    }
  }
  SpiffeId id;
  id.text_ = std::string(text);
  id.trust_domain_size_ = trust_domain.size();
  return id;
}

std::string_view SpiffeId::trust_domain() const {
  return std::string_view(text_).substr(std::min(kScheme.size(), text_.size()), trust_domain_size_);
}

std::string_view SpiffeId::path() const {
  const std::size_t start = kScheme.size() + trust_domain_size_;
  return std::string_view(text_).substr(std::min(start, text_.size()));
}

bool spiffe_id_matches(std::string_view pattern, std::string_view spiffe_id) {
  const std::string_view scheme = pattern.starts_with(kWimseScheme) ? kWimseScheme : kScheme;
  if (!pattern.starts_with(scheme) || !spiffe_id.starts_with(scheme)) return false;
  if (pattern.ends_with('/') || spiffe_id.ends_with('/')) return false;
  pattern.remove_prefix(scheme.size());
  spiffe_id.remove_prefix(scheme.size());
  // The trust domain decides whose keys are believed: it takes no wildcard.
  const std::string_view trust_domain = take_segment(pattern);
  if (trust_domain.empty() || take_segment(spiffe_id) != trust_domain) return false;
  while (!pattern.empty()) {
    if (spiffe_id.empty()) return false;
    if (pattern == "**") return true;
    const std::string_view wanted = take_segment(pattern);
    const std::string_view segment = take_segment(spiffe_id);
    if (segment.empty() || (wanted != "*" && wanted != segment)) return false;
  }
  return spiffe_id.empty();
}

}  // namespace mandated::identity
