// The folder of the consent service: whose passkeys may sign, and who is invited to register one.
// It belongs to one user (mode 0700). `anchors/NAME.json` is one passkey each, in the form that
// `receipts.anchors[].file` takes; `invitations/` holds the hashes of the codes that are out. The
// files are the truth: each question reads them, so that what the command line changes counts at
// once. Blocks for as long as a few small files take.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/chain.h"
#include "proxy/base/random.h"
#include "proxy/consent/origin.h"
#include "proxy/identity/state_folder.h"

namespace mandated::consent {

using receipt::Seconds;

class Registry {
 public:
  static constexpr std::size_t kPasskeysMax = 256;
  static constexpr std::size_t kInvitationsMax = 64;
  static constexpr Seconds kInvitationLifetime = 600;

  struct Passkey {
    std::string name;        ///< of its file
    receipt::Anchor anchor;  ///< a passkey with its user
  };

  struct Invitation {
    std::string user;
    std::string name;  ///< what the passkey's file will be called
    Seconds expires = 0;
  };

  /// kStorage, kNotFound (`missing` is kFail).
  static Result<Registry> open(const std::string& folder, identity::StateFolder::Missing missing);

  /// All of them by name, wherever they sign. kStorage when a file cannot be read or is no passkey.
  Result<std::vector<Passkey>> passkeys() const;

  /// Those that sign on pages of `origin`.
  Result<std::vector<Passkey>> passkeys_on(const Origin& origin) const;

  /// Lets one passkey of `user` be registered, once, within ten minutes, by whoever knows the code
  /// that is returned. An empty `name` takes one from the user. kMalformed for a user that is no
  /// URI or a name that is no file name; kProtocol for a name that is taken.
  Result<std::string> invite(const std::string& user, std::string name, Rng& rng, Seconds now);

  /// What the code invites to. kDenied when it does not, or does no longer.
  Result<Invitation> invitation(std::string_view code, Seconds now) const;

  /// Uses the invitation up and keeps the passkey. kDenied as above; kProtocol when the passkey or
  /// the name is there already.
  Result<void> admit(std::string_view code, const receipt::Anchor& anchor, Seconds now);

  /// kNotFound.
  Result<void> remove(const std::string& name);

  /// The file of that passkey.
  std::string path_of(std::string_view name) const;

 private:
  Registry(identity::StateFolder root, identity::StateFolder anchors,
           identity::StateFolder invitations)
      : root_(std::move(root)),
        anchors_(std::move(anchors)),
        invitations_(std::move(invitations)) {}
  Result<Passkey> read_passkey(const std::string& file) const;
  Result<bool> is_taken(std::string_view name, Seconds now) const;
  Result<std::string> free_name(std::string_view user, Seconds now) const;
  Result<void> drop_expired(Seconds now);

  identity::StateFolder root_;
  identity::StateFolder anchors_;
  identity::StateFolder invitations_;
};

}  // namespace mandated::consent
