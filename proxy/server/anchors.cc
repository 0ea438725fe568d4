#include "proxy/server/anchors.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "filters/receipt/anchor.h"
#include "proxy/base/file.h"
#include "proxy/json/json.h"

namespace mandated::server {

namespace {

constexpr std::size_t kFileBytesMax = 1U << 20U;

Result<std::string> read_text(const std::string& path) {
  std::optional<std::string> text = read_file(path, kFileBytesMax);
  if (!text) return fail(Code::kInvalidConfig, "cannot be read, or is longer than 1 MiB");
  return std::move(*text);
}

Result<receipt::Anchor> parse_anchor(const std::string& text) {
  const auto document = json::Document::parse(text);
  if (!document) return fail(Code::kInvalidConfig, "is not strict JSON: " + document.error().text);
  auto anchor = receipt::read_anchor(document->root());
  if (!anchor) return fail(Code::kInvalidConfig, anchor.error().sentence);
  return std::move(*anchor);
}

Result<receipt::Anchor> load_key(const config::Anchor& wanted) {
  if (!wanted.jwk.empty()) return parse_anchor("{\"jwk\":" + wanted.jwk + "}");
  if (!wanted.webauthn.empty()) return parse_anchor("{\"webauthn\":" + wanted.webauthn + "}");
  TRY(const std::string text, read_text(wanted.file));
  return parse_anchor(text);
}

Result<void> add_ceiling(receipt::Anchor& anchor, const std::string& text) {
  if (text.empty()) return {};
  const auto ceiling = json::Document::parse(text);
  if (!ceiling)
    return fail(Code::kInvalidConfig, "its ceiling cannot be read: " + ceiling.error().text);
  if (auto set = receipt::set_ceiling(anchor, ceiling->root()); !set)
    return fail(Code::kInvalidConfig, "its ceiling: " + set.error().sentence);
  return {};
}

// What the configuration says about the key, and what its file may have said already.
Result<receipt::Anchor> load_anchor(const config::Anchor& wanted) {
  TRY(receipt::Anchor anchor, load_key(wanted));
  if (!wanted.user.empty()) {
    if (anchor.user && *anchor.user != wanted.user)
      return fail(Code::kInvalidConfig, "belongs to another user than the configuration says");
    anchor.user = wanted.user;
  }
  CHECK(add_ceiling(anchor, wanted.ceiling));
  return anchor;
}

// The key is in a file, which may not be here.
Result<void> check_ceiling(const std::string& text) {
  receipt::Anchor none;
  return add_ceiling(none, text);
}

std::string path_of(std::size_t at) { return "/receipts/anchors/" + std::to_string(at); }

}  // namespace

std::vector<config::Problem> check_anchors(const config::Receipts& config) {
  std::vector<config::Problem> problems;
  for (std::size_t at = 0; at < config.anchors.size(); ++at) {
    const config::Anchor& wanted = config.anchors[at];
    const auto checked = wanted.file.empty() ? load_anchor(wanted).map([](const auto&) {})
                                             : check_ceiling(wanted.ceiling);
    if (checked) continue;
    problems.push_back({"", wanted.line, wanted.column, path_of(at), checked.error().text});
  }
  return problems;
}

Result<Anchors> load_anchors(const config::Receipts& config) {
  std::vector<receipt::Anchor> roots;
  std::vector<receipt::Anchor> approvers;
  for (std::size_t at = 0; at < config.anchors.size(); ++at) {
    const config::Anchor& wanted = config.anchors[at];
    auto anchor = load_anchor(wanted);
    if (!anchor) {
      const std::string where = path_of(at) + (wanted.file.empty() ? "" : " (" + wanted.file + ")");
      return fail(Code::kInvalidConfig, where + ": " + anchor.error().text);
    }
    if (wanted.use == config::AnchorUse::kRoots) roots.push_back(*anchor);
    approvers.push_back(std::move(*anchor));
  }
  return Anchors{receipt::AnchorSet(std::move(roots)), receipt::AnchorSet(std::move(approvers))};
}

Result<receipt::AnchorSet> load_status_issuers(const config::Status& config) {
  std::vector<receipt::Anchor> issuers;
  for (const std::string& file : config.issuers) {
    auto issuer = read_text(file).and_then(parse_anchor);
    if (issuer && issuer->passkey) {
      issuer = fail(Code::kInvalidConfig, "is a passkey, which signs no lists");
    }
    if (!issuer) {
      return fail(Code::kInvalidConfig,
                  "/receipts/status/issuers (" + file + "): " + issuer.error().text);
    }
    issuers.push_back(std::move(*issuer));
  }
  return receipt::AnchorSet(std::move(issuers));
}

}  // namespace mandated::server
