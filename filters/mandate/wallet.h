// The receipts that an outbound proxy holds for its agent: a folder of chain files (JSON arrays of
// compact JWS, root first) and the holder key that the leaves are bound to.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "filters/receipt/chain.h"
#include "filters/receipt/key.h"
#include "proxy/base/clock.h"
#include "proxy/base/result.h"

namespace mandated {

struct Wallet {
  struct Entry {
    std::string name;                 ///< the file's name, for logs
    std::vector<std::string> tokens;  ///< root first
  };
  std::vector<Entry> entries;
  receipt::PrivateKey key;
};

/// How much authority a chain gives, least first: fewer tools, then more hops from the root, then
/// the earlier end.
std::tuple<std::size_t, long, receipt::Seconds> breadth(const receipt::VerifiedChain& chain);

/// Gives the wallet as it is now.
class WalletSource {
 public:
  virtual ~WalletSource() = default;
  virtual std::shared_ptr<const Wallet> current() = 0;
};

/// A wallet that never changes.
class FixedWallet final : public WalletSource {
 public:
  explicit FixedWallet(std::shared_ptr<const Wallet> wallet) : wallet_(std::move(wallet)) {}
  std::shared_ptr<const Wallet> current() override { return wallet_; }

 private:
  std::shared_ptr<const Wallet> wallet_;
};

/// Counts what this process itself changed in a wallet's folder: the workers that share the count
/// look again at their next call.
using WalletChanges = std::atomic<std::uint64_t>;

/// Reads `folder` for files ending in .json, and again when one of them changed, looking at most
/// once a second, or when this process changed it. A file that is no chain is left out and
/// reported; nothing else of the wallet is lost.
class WalletFolder final : public WalletSource {
 public:
  static constexpr std::size_t kFilesMax = 1024;
  static constexpr std::size_t kFileBytesMax = 512U << 10U;

  /// Reads the key (a private JWK; refused when others can read it) and the folder once. `changes`
  /// outlives this.
  static Result<std::unique_ptr<WalletFolder>> open(const std::string& folder,
                                                    const std::string& key_file, Clock& clock,
                                                    WalletChanges& changes);
  std::shared_ptr<const Wallet> current() override;

  /// Writes a chain into a file of the folder (mode 0600), whole or not at all. kOverloaded: the
  /// wallet holds kFilesMax already. kStorage.
  Result<void> put(const std::string& name, const std::vector<std::string>& tokens);
  /// Removes a file of the folder; that it is gone already is no error.
  Result<void> remove(const std::string& name);

 private:
  WalletFolder(std::string folder, receipt::PrivateKey key, Clock& clock, WalletChanges& changes);
  std::string fingerprint() const;
  void reload();

  std::string folder_;
  receipt::PrivateKey key_;
  Clock& clock_;
  WalletChanges& changes_;
  std::uint64_t seen_changes_ = 0;
  Clock::Time looked_at_{};
  std::string fingerprint_;
  std::shared_ptr<const Wallet> wallet_;
};

}  // namespace mandated
