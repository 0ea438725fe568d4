// The receipts that an outbound proxy holds for its agent: a folder of chain files (JSON arrays of
// compact JWS, root first) and the holder key that the leaves are bound to.
#pragma once

#include <memory>
#include <string>
#include <vector>

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

/// Reads `folder` for files ending in .json, and again when one of them changed, looking at most
/// once a second. A file that is no chain is left out and reported; nothing else of the wallet is
/// lost.
class WalletFolder final : public WalletSource {
 public:
  static constexpr std::size_t kFilesMax = 1024;
  static constexpr std::size_t kFileBytesMax = 512U << 10U;

  /// Reads the key (a private JWK; refused when others can read it) and the folder once.
  static Result<std::unique_ptr<WalletFolder>> open(const std::string& folder,
                                                    const std::string& key_file, Clock& clock);
  std::shared_ptr<const Wallet> current() override;

 private:
  WalletFolder(std::string folder, receipt::PrivateKey key, Clock& clock);
  std::string fingerprint() const;
  void reload();

  std::string folder_;
  receipt::PrivateKey key_;
  Clock& clock_;
  Clock::Time looked_at_{};
  std::string fingerprint_;
  std::shared_ptr<const Wallet> wallet_;
};

}  // namespace mandated
