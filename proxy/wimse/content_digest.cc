#include "proxy/wimse/content_digest.h"

#include "filters/receipt/digest.h"
#include "proxy/wimse/structured_field.h"

namespace mandated::wimse {

namespace {

constexpr std::string_view kAlgorithm = "sha-256";

SfBytes digest_of(std::string_view body) {
  const receipt::Sha256 digest = receipt::sha256(body);
  return {std::string(digest.begin(), digest.end())};
}

}  // namespace

std::string content_digest(std::string_view body) {
  return std::string(kAlgorithm) + "=" + to_text(digest_of(body));
}

Result<void> check_content_digest(const http::Fields& fields, std::string_view body) {
  const auto text = fields.joined(kContentDigestField);
  if (!text && body.empty()) return {};
  if (!text) return not_proven("the body came without a Content-Digest");
  const Result<std::vector<SfMember>> digests = parse_dictionary(*text);
  if (!digests) return not_proven("in Content-Digest, " + digests.error().text);
  const SfMember* const digest = find(*digests, kAlgorithm);
  if (digest == nullptr) return not_proven("Content-Digest holds no sha-256");
  if (digest->is_list || digest->items.front().value != SfBare(digest_of(body)))
    return not_proven("Content-Digest is not that of the body");
  return {};
}

}  // namespace mandated::wimse
