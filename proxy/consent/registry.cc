#include "proxy/consent/registry.h"

#include <algorithm>

#include "filters/receipt/anchor.h"
#include "filters/receipt/digest.h"
#include "filters/receipt/mandate.h"
#include "proxy/http/field_rules.h"
#include "proxy/json/json.h"
#include "proxy/json/writer.h"

namespace mandated::consent {

namespace {

using identity::StateFolder;

constexpr std::string_view kEnding = ".json";
constexpr std::size_t kFileBytesMax = 16384;
constexpr std::size_t kNameMax = 64;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax && text.front() != '-' && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), is_name_character);
}

std::string file_of(std::string_view name) { return std::string(name).append(kEnding); }

std::string name_of(std::string_view file) {
  return std::string(file.substr(0, file.size() - kEnding.size()));
}

// "mailto:Alice@example.org" as "alice-example.org".
std::string name_from(std::string_view user) {
  const std::size_t colon = user.find(':');
  std::string name;
  for (const char each : http::to_lower(user.substr(colon + 1))) {
    const bool fits = is_name_character(each) && (!name.empty() || (each != '-' && each != '.'));
    if (fits) name.push_back(each);
    if (!fits && !name.empty() && name.back() != '-') name.push_back('-');
  }
  constexpr std::size_t kRoomForNumber = 8;
  name.resize(std::min(name.size(), kNameMax - kRoomForNumber));
  return name.empty() ? "passkey" : name;
}

std::string anchor_text(const receipt::Anchor& anchor) {
  std::string origins;
  for (const std::string& origin : anchor.passkey->origins)
    origins += (origins.empty() ? "" : ", ") + json::quoted(origin);
  return "{\"webauthn\": {\n  \"credential_id\": " + json::quoted(anchor.kid) +
         ",\n  \"public_key\": " + anchor.key.jwk() +
         ",\n  \"rp_id\": " + json::quoted(anchor.passkey->rp_id) + ",\n  \"origins\": [" +
         origins + "],\n  \"user\": " + json::quoted(*anchor.user) + "\n}}\n";
}

std::string invitation_text(const Registry::Invitation& invitation) {
  json::ObjectWriter text;
  text.number("expires", invitation.expires).text("name", invitation.name);
  return text.text("user", invitation.user).take() + "\n";
}

std::optional<Registry::Invitation> parse_invitation(std::string_view text) {
  const auto document = json::Document::parse(text);
  if (!document) return std::nullopt;
  const json::Value* expires = document->root().find("expires");
  const auto name = document->root().find_string("name");
  const auto user = document->root().find_string("user");
  if (expires == nullptr || !expires->is_number() || !name || !is_name(*name) || !user)
    return std::nullopt;
  return Registry::Invitation{std::string(*user), std::string(*name), expires->number()};
}

}  // namespace

Result<Registry> Registry::open(const std::string& folder, StateFolder::Missing missing) {
  TRY(StateFolder root, StateFolder::open(folder, missing));
  TRY(StateFolder anchors,
      StateFolder::open(root.path() + "/anchors", StateFolder::Missing::kCreate));
  TRY(StateFolder invitations,
      StateFolder::open(root.path() + "/invitations", StateFolder::Missing::kCreate));
  return Registry(std::move(root), std::move(anchors), std::move(invitations));
}

std::string Registry::path_of(std::string_view name) const {
  return anchors_.path() + "/" + file_of(name);
}

Result<Registry::Passkey> Registry::read_passkey(const std::string& file) const {
  const auto unfit = [&](std::string_view why) {
    return fail(Code::kStorage, anchors_.path() + "/" + file + ": " + std::string(why));
  };
  TRY(const std::optional<std::string> text, anchors_.read(file, kFileBytesMax));
  if (!text) return unfit("it is gone");
  const auto document = json::Document::parse(*text);
  if (!document) return unfit("it is not strict JSON: " + document.error().text);
  auto anchor = receipt::read_anchor(document->root());
  if (!anchor) return unfit(anchor.error().sentence);
  if (!anchor->passkey) return unfit("it is no passkey");
  return Passkey{name_of(file), std::move(*anchor)};
}

Result<std::vector<Registry::Passkey>> Registry::passkeys() const {
  TRY(const std::vector<std::string> files, anchors_.list(kEnding, kPasskeysMax));
  std::vector<Passkey> passkeys;
  for (const std::string& file : files) {
    TRY(Passkey passkey, read_passkey(file));
    passkeys.push_back(std::move(passkey));
  }
  std::sort(passkeys.begin(), passkeys.end(),
            [](const Passkey& a, const Passkey& b) { return a.name < b.name; });
  return passkeys;
}

Result<std::vector<Registry::Passkey>> Registry::passkeys_on(const Origin& origin) const {
  TRY(std::vector<Passkey> all, passkeys());
  std::erase_if(all, [&](const Passkey& each) {
    const std::vector<std::string>& origins = each.anchor.passkey->origins;
    return each.anchor.passkey->rp_id != origin.rp_id ||
           std::find(origins.begin(), origins.end(), origin.text) == origins.end();
  });
  return all;
}

Result<bool> Registry::is_taken(std::string_view name, Seconds now) const {
  TRY(const std::vector<std::string> files, anchors_.list(kEnding, kPasskeysMax));
  if (std::find(files.begin(), files.end(), file_of(name)) != files.end()) return true;
  TRY(const std::vector<std::string> out, invitations_.list(kEnding, kInvitationsMax));
  for (const std::string& file : out) {
    TRY(const std::optional<std::string> text, invitations_.read(file, kFileBytesMax));
    const auto invitation = text ? parse_invitation(*text) : std::nullopt;
    if (invitation && invitation->name == name && now < invitation->expires) return true;
  }
  return false;
}

Result<std::string> Registry::free_name(std::string_view user, Seconds now) const {
  const std::string first = name_from(user);
  std::string name = first;
  for (std::size_t number = 2;; ++number) {
    TRY(const bool taken, is_taken(name, now));
    if (!taken) return name;
    name = first + "-" + std::to_string(number);
  }
}

Result<void> Registry::drop_expired(Seconds now) {
  TRY(const std::vector<std::string> files, invitations_.list(kEnding, kInvitationsMax));
  for (const std::string& file : files) {
    TRY(const std::optional<std::string> text, invitations_.read(file, kFileBytesMax));
    const auto invitation = text ? parse_invitation(*text) : std::nullopt;
    if (invitation && now < invitation->expires) continue;
    CHECK(invitations_.remove(file));
  }
  return {};
}

Result<std::string> Registry::invite(const std::string& user, std::string name, Rng& rng,
                                     Seconds now) {
  if (!receipt::is_uri(user))
    return fail(Code::kMalformed, user + " is no URI; write mailto:alice@example.org");
  if (!name.empty() && !is_name(name)) {
    return fail(Code::kMalformed,
                name + " is no name: write lower-case letters, digits, -, _ or .");
  }
  TRY(const StateFolder::Lock lock, root_.lock(StateFolder::Patience::kWait));
  CHECK(drop_expired(now));
  TRY(const std::vector<std::string> out, invitations_.list(kEnding, kInvitationsMax));
  if (out.size() == kInvitationsMax)
    return fail(Code::kOverloaded, "there are too many invitations; wait until some expire");
  if (name.empty()) {
    TRY(name, free_name(user, now));
  } else {
    TRY(const bool taken, is_taken(name, now));
    if (taken) return fail(Code::kProtocol, name + " is the name of another passkey");
  }
  std::string code = rng.identifier();
  const Invitation invitation{user, std::move(name), now + kInvitationLifetime};
  CHECK(invitations_.replace(file_of(receipt::sha256_text(code)), invitation_text(invitation)));
  return code;
}

Result<Registry::Invitation> Registry::invitation(std::string_view code, Seconds now) const {
  TRY(const std::optional<std::string> text,
      invitations_.read(file_of(receipt::sha256_text(code)), kFileBytesMax));
  auto invitation = text ? parse_invitation(*text) : std::nullopt;
  if (invitation && now < invitation->expires) return std::move(*invitation);
  return fail(Code::kDenied,
              "This invitation was used, has expired or never was. Ask the operator for another.");
}

Result<void> Registry::admit(std::string_view code, const receipt::Anchor& anchor, Seconds now) {
  TRY(const StateFolder::Lock lock, root_.lock(StateFolder::Patience::kNone));
  TRY(const Invitation invited, invitation(code, now));
  TRY(const std::vector<Passkey> known, passkeys());
  const bool full = known.size() == kPasskeysMax;
  if (full) return fail(Code::kOverloaded, "As many passkeys are registered as may be.");
  for (const Passkey& each : known) {
    if (each.anchor.kid == anchor.kid)
      return fail(Code::kProtocol, "This passkey is registered already.");
    if (each.name == invited.name)
      return fail(Code::kProtocol, "A passkey of this name is registered already.");
  }
  CHECK(invitations_.remove(file_of(receipt::sha256_text(code))));
  return anchors_.replace(file_of(invited.name), anchor_text(anchor));
}

Result<void> Registry::remove(const std::string& name) {
  if (!is_name(name)) return fail(Code::kNotFound, "there is no passkey " + name);
  TRY(const StateFolder::Lock lock, root_.lock(StateFolder::Patience::kWait));
  return anchors_.remove(file_of(name));
}

}  // namespace mandated::consent
