// What an agent asks the local API for, read strictly: a member that is not known, or that could be
// meant in two ways, is a problem.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/key.h"
#include "proxy/json/json.h"
#include "proxy/local/answers.h"

namespace mandated::local {

/// A narrower receipt for another holder.
struct DelegationRequest {
  receipt::PublicKey holder_key;
  std::vector<std::string> tools;  ///< by name
  std::string tools_json;          ///< as the receipt will say it
  std::string mandate_json;        ///< the members that the child sets itself, its holder included
  std::optional<double> lifetime;  ///< seconds; nullopt: as long as the receipt it is made from
  std::optional<std::string> receipt;  ///< id of that; nullopt: the narrowest one that works
  int depth = 0;                       ///< how many times the child may be handed on
};
Outcome<DelegationRequest> read_delegation(const json::Value& asked);

/// A receipt and a proof for one call, which the agent makes itself.
struct AttachmentRequest {
  std::string tool;
  const json::Value* arguments = nullptr;  ///< an object of what was asked; null: no arguments
  std::string audience;
  std::optional<std::string> receipt;
};
Outcome<AttachmentRequest> read_attachment(const json::Value& asked);

/// `{"chain": […]}`, root first.
Outcome<std::vector<std::string>> read_chain(const json::Value& asked);
/// The array itself.
Outcome<std::vector<std::string>> read_tokens(const json::Value& chain);

/// What an agent asks a person for, as the consent service takes it: with the holder, who is always
/// ourselves. The values are the consent service's to check.
Outcome<std::string> consent_request(const json::Value& asked, std::string_view holder,
                                     const receipt::PublicKey& holder_key);

}  // namespace mandated::local
