#include "filters/mandate/wallet.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "filters/receipt/tokens.h"
#include "proxy/base/file.h"
#include "proxy/base/log.h"
#include "proxy/json/json.h"

namespace mandated {

namespace {

namespace fs = std::filesystem;
constexpr Clock::Duration kLookEvery = std::chrono::seconds(1);

std::vector<fs::path> chain_files(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() != ".json" || files.size() == WalletFolder::kFilesMax) continue;
    files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::optional<std::vector<std::string>> parse_chain_file(const std::string& text) {
  const auto document = json::Document::parse(text);
  if (!document) return std::nullopt;
  auto tokens = receipt::read_tokens(document->root());
  return tokens && !tokens->empty() ? std::move(tokens) : std::nullopt;
}

}  // namespace

std::tuple<std::size_t, long, receipt::Seconds> breadth(const receipt::VerifiedChain& chain) {
  return {chain.tools().size(), -static_cast<long>(chain.size()), chain.expires()};
}

Result<std::unique_ptr<WalletFolder>> WalletFolder::open(const std::string& folder,
                                                         const std::string& key_file, Clock& clock,
                                                         WalletChanges& changes) {
  struct stat status = {};
  if (::stat(key_file.c_str(), &status) != 0) {
    return fail(Code::kInvalidConfig, "the holder key " + key_file + " cannot be read");
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(Code::kInvalidConfig,
                "the holder key " + key_file + " can be read by others: set its mode to 0600");
  }
  std::optional<std::string> text = read_file(key_file, kFileBytesMax);
  if (!text) return fail(Code::kInvalidConfig, "the holder key " + key_file + " cannot be read");
  const auto document = json::Document::parse(*text);
  ::explicit_bzero(text->data(), text->size());
  if (!document) return fail(Code::kInvalidConfig, "the holder key " + key_file + " is not JSON");
  receipt::Checked<receipt::PrivateKey> key = receipt::PrivateKey::from_jwk(document->root());
  if (!key) return fail(Code::kInvalidConfig, key_file + ": " + key.error().sentence);
  if (!fs::is_directory(folder)) {
    return fail(Code::kInvalidConfig, "the wallet folder " + folder + " does not exist");
  }
  return std::unique_ptr<WalletFolder>(new WalletFolder(folder, std::move(*key), clock, changes));
}

WalletFolder::WalletFolder(std::string folder, receipt::PrivateKey key, Clock& clock,
                           WalletChanges& changes)
    : folder_(std::move(folder)), key_(std::move(key)), clock_(clock), changes_(changes) {
  looked_at_ = clock_.now();
  seen_changes_ = changes_;
  fingerprint_ = fingerprint();
  reload();
}

std::shared_ptr<const Wallet> WalletFolder::current() {
  const std::uint64_t changes = changes_;
  if (changes != seen_changes_ || clock_.now() - looked_at_ >= kLookEvery) {
    seen_changes_ = changes;
    looked_at_ = clock_.now();
    std::string seen = fingerprint();
    if (seen != fingerprint_) {
      fingerprint_ = std::move(seen);
      reload();
    }
  }
  return wallet_;
}

Result<void> WalletFolder::put(const std::string& name, const std::vector<std::string>& tokens) {
  if (chain_files(folder_).size() >= kFilesMax) {
    return fail(Code::kOverloaded,
                "the wallet holds " + std::to_string(kFilesMax) + " receipts already");
  }
  CHECK(replace_file(folder_ + "/" + name, receipt::tokens_text(tokens), S_IRUSR | S_IWUSR));
  ++changes_;
  return {};
}

Result<void> WalletFolder::remove(const std::string& name) {
  std::error_code error;
  fs::remove(fs::path(folder_) / name, error);
  if (error) return fail(Code::kStorage, name + ": " + error.message());
  ++changes_;
  return {};
}

std::string WalletFolder::fingerprint() const {
  std::string seen;
  for (const fs::path& file : chain_files(folder_)) {
    struct stat status = {};
    if (::stat(file.c_str(), &status) != 0) continue;
    seen += file.filename().string() + '/' + std::to_string(status.st_ino) + '/' +
            std::to_string(status.st_size) + '/' + std::to_string(status.st_mtim.tv_sec) + '.' +
            std::to_string(status.st_mtim.tv_nsec) + '\n';
  }
  return seen;
}

void WalletFolder::reload() {
  auto fresh = std::make_shared<Wallet>();
  fresh->key = key_;
  for (const fs::path& file : chain_files(folder_)) {
    const std::optional<std::string> text = read_file(file, kFileBytesMax);
    std::optional<std::vector<std::string>> tokens;
    if (text) tokens = parse_chain_file(*text);
    if (!tokens) {
      log::warn("wallet.file_ignored",
                {{"file", file.string()}, {"why", "not a JSON array of compact JWS"}});
      continue;
    }
    fresh->entries.push_back({file.filename().string(), std::move(*tokens)});
  }
  wallet_ = std::move(fresh);
}

}  // namespace mandated
