#include "proxy/wimse/http_signature.h"

#include <algorithm>
#include <array>
#include <set>

#include "filters/receipt/refusal.h"
#include "proxy/wimse/content_digest.h"
#include "proxy/wimse/structured_field.h"

namespace mandated::wimse {

namespace {

using receipt::shown;

constexpr std::string_view kTag = "wimse-workload-to-workload";
constexpr std::string_view kLabel = "wimse";
constexpr Seconds kSkewMax = 30;

// What the profile wants covered where it is there, and what a receipt's verifier reads.
constexpr std::array<std::string_view, 9> kFieldsOfRequests = {
    "content-type",     kContentDigestField,   "authorization", "txn-token",         kWitField,
    "delegation-proof", "delegation-evidence", "last-event-id", "delegation-receipt"};
constexpr std::array<std::string_view, 3> kFieldsOfResponses = {"content-type", kContentDigestField,
                                                                kWitField};

/// Of a request: those, and what MCP says in fields, the session above all.
bool is_meant(std::string_view name) {
  return name.starts_with("mcp-") || std::find(kFieldsOfRequests.begin(), kFieldsOfRequests.end(),
                                               name) != kFieldsOfRequests.end();
}

/// What is signed: a request, or an answer to it.
struct Message {
  const http::RequestHead& request;
  const http::ResponseHead* response = nullptr;
  const http::Fields& fields() const {
    return response != nullptr ? response->fields : request.fields;
  }
};

Result<std::string> derived(const http::RequestHead& head, std::string_view name) {
  const std::size_t mark = std::min(head.target.find('?'), head.target.size());
  if (name == "@method") return head.method;
  if (name == "@request-target") return head.target;
  if (name == "@authority") return head.authority;
  if (name == "@path") return head.target.substr(0, mark);
  if (name == "@query") return mark == head.target.size() ? "?" : head.target.substr(mark);
  return not_proven("the signature covers " + shown(name) + ", which is not known here");
}

// RFC 9421 sections 2.1 and 2.2.
Result<std::string> value_of(const Message& message, const SfItem& component) {
  const std::string& name = std::get<std::string>(component.value);
  const bool of_request =
      message.response != nullptr && component.parameters == SfParameters{{"req", SfBare(true)}};
  if (!of_request && !component.parameters.empty())
    return not_proven("the signature's component " + shown(name) + " has parameters");
  if (message.response != nullptr && !of_request && name == "@status")
    return std::to_string(message.response->status);
  if (name.starts_with('@')) {
    if (message.response == nullptr || of_request) return derived(message.request, name);
    return not_proven("the signature covers " + shown(name) + ", which an answer has not");
  }
  const auto value = (of_request ? message.request.fields : message.fields()).joined(name);
  if (!value) return not_proven("the signature covers " + shown(name) + ", which did not come");
  return *value;
}

// Section 2.5.
Result<std::string> signature_base(const Message& message, const SfMember& input) {
  std::string base;
  for (const SfItem& component : input.items) {
    TRY(const std::string value, value_of(message, component));
    base += to_text(component) + ": " + value + "\n";
  }
  return base + "\"@signature-params\": " + to_text(input.items, input.parameters);
}

Result<std::vector<SfMember>> read(const http::Fields& fields, std::string_view name) {
  auto members = parse_dictionary(fields.joined(name).value_or(""));
  if (!members) return not_proven("in " + std::string(name) + ", " + members.error().text);
  return members;
}

bool is_ours(const SfMember& member) {
  const SfBare* const tag = find(member.parameters, "tag");
  return tag != nullptr && *tag == SfBare(std::string(kTag));
}

Result<SfMember> the_one(const http::Fields& fields) {
  TRY(const std::vector<SfMember> members, read(fields, kSignatureInputField));
  if (std::count_if(members.begin(), members.end(), is_ours) != 1)
    return not_proven("the message does not have one signature with the tag of WIMSE");
  SfMember input = *std::find_if(members.begin(), members.end(), is_ours);
  if (!input.is_list) return not_proven("the signature's input is not a list");
  return input;
}

// Each component once, by a name in lower case.
Result<std::set<std::string>> components_of(const SfMember& input) {
  std::set<std::string> components;
  for (const SfItem& item : input.items) {
    const auto* const name = std::get_if<std::string>(&item.value);
    if (name == nullptr || name->empty())
      return not_proven("a component of the signature has no name");
    if (std::any_of(name->begin(), name->end(), [](char c) { return c >= 'A' && c <= 'Z'; }))
      return not_proven("a component of the signature has a name with capital letters");
    if (!components.insert(to_text(item)).second)
      return not_proven("the signature covers " + shown(*name) + " twice");
  }
  return components;
}

Result<void> check_covers(const std::set<std::string>& components, std::string_view component) {
  if (components.contains(std::string(component))) return {};
  return not_proven("the signature does not cover " + std::string(component));
}

Result<std::string> text_of(const SfMember& input, std::string_view name) {
  const SfBare* const value = find(input.parameters, name);
  const auto* const text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
  if (text != nullptr && !text->empty()) return *text;
  return not_proven("the signature has no " + std::string(name) + " that is a string");
}

Result<Seconds> time_of(const SfMember& input, std::string_view name) {
  const SfBare* const value = find(input.parameters, name);
  const auto* const seconds = value != nullptr ? std::get_if<std::int64_t>(value) : nullptr;
  if (seconds != nullptr) return static_cast<Seconds>(*seconds);
  return not_proven("the signature has no " + std::string(name) + " that is a number");
}

Result<ProofOnce> check_parameters(const SfMember& input, Seconds now) {
  for (const std::string_view name : {"keyid", "alg"}) {
    if (find(input.parameters, name) != nullptr)
      return not_proven("the signature names a " + std::string(name) + " beside the WIT's");
  }
  TRY(const Seconds created, time_of(input, "created"));
  TRY(const Seconds expires, time_of(input, "expires"));
  if (created > now + kSkewMax) return not_proven("the signature was made in the future");
  if (expires <= now) return not_proven("the signature has expired");
  if (expires > now + kProofLifetimeMax || expires - created > kProofLifetimeMax + kSkewMax)
    return not_proven("the signature lives too long");
  TRY(const std::string nonce, text_of(input, "nonce"));
  if (nonce.size() > kProofNameBytesMax) return not_proven("the signature's nonce is too long");
  return ProofOnce{"signature " + nonce, expires};
}

Result<void> check_signature(const Message& message, const SfMember& input, const Wit& wit) {
  TRY(const std::vector<SfMember> signatures, read(message.fields(), kSignatureField));
  const SfMember* const member = find(signatures, input.key);
  const SfBytes* const signature =
      member != nullptr && !member->is_list && member->items.front().parameters.empty()
          ? std::get_if<SfBytes>(&member->items.front().value)
          : nullptr;
  if (signature == nullptr) return not_proven("there is no signature for its input");
  TRY(const std::string base, signature_base(message, input));
  if (!wit.key.verify(base, signature->bytes))
    return not_proven("the signature is not that of the WIT's key over this message");
  return {};
}

SfItem component(std::string_view name) { return {std::string(name), {}}; }

}  // namespace

bool has_signature(const http::Fields& fields) {
  if (fields.count(kSignatureInputField) == 0) return false;
  const auto members = read(fields, kSignatureInputField);
  return !members || std::any_of(members->begin(), members->end(), is_ours);
}

Result<ProofOnce> verify_request(const http::RequestHead& head, const Wit& wit,
                                 std::span<const std::string> audiences, Seconds now) {
  const Message message{head};
  TRY(const SfMember input, the_one(head.fields));
  TRY(const std::set<std::string> components, components_of(input));
  CHECK(check_covers(components, "\"@method\""));
  CHECK(check_covers(components, "\"@request-target\""));
  for (const http::Field& field : head.fields.all()) {
    if (!is_meant(field.name)) continue;
    CHECK(check_covers(components, "\"" + field.name + "\""));
  }
  CHECK(check_signature(message, input, wit));
  TRY(ProofOnce once, check_parameters(input, now));
  TRY(const std::string audience, text_of(input, "wimse-aud"));
  if (!is_for_us(audience, audiences, head.target))
    return not_proven("the signature is meant for " + shown(audience));
  const SfBare* const wish = find(input.parameters, "wimse-sign-response");
  if (wish != nullptr && *wish != SfBare(false))
    return fail(mandated::Code::kUnsupported, Side::kDownstream, "answers are not signed here");
  return once;
}

Result<std::string> nonce_of(const http::RequestHead& head) {
  TRY(const SfMember input, the_one(head.fields));
  return text_of(input, "nonce");
}

Result<void> verify_response(const http::RequestHead& request, const http::ResponseHead& head,
                             const Wit& wit, std::string_view nonce, Seconds now) {
  const Message message{request, &head};
  TRY(const SfMember input, the_one(head.fields));
  TRY(const std::set<std::string> components, components_of(input));
  for (const std::string_view name :
       {"\"@status\"", "\"@method\";req", "\"@request-target\";req"}) {
    CHECK(check_covers(components, name));
  }
  for (const std::string_view name : kFieldsOfResponses) {
    if (head.fields.count(name) == 0) continue;
    CHECK(check_covers(components, "\"" + std::string(name) + "\""));
  }
  CHECK(check_signature(message, input, wit));
  CHECK(check_parameters(input, now));
  TRY(const std::string asked, text_of(input, "wimse-req-nonce"));
  if (asked != nonce) return not_proven("the signed answer is to another request");
  return {};
}

Result<void> sign_request(http::RequestHead& head, const receipt::PrivateKey& key,
                          const SignatureClaims& claims) {
  head.fields.remove(kSignatureField);
  head.fields.remove(kSignatureInputField);
  if (!fits_string(claims.audience) || !fits_string(claims.nonce))
    return fail(mandated::Code::kInternal, "an audience or a nonce that no signature can hold");
  SfMember input;
  input.key = kLabel;
  input.items = {component("@method"), component("@request-target")};
  std::set<std::string_view> names;
  for (const http::Field& field : head.fields.all()) {
    if (is_meant(field.name) && names.insert(field.name).second) {
      input.items.push_back(component(field.name));
    }
  }
  input.parameters = {{"created", claims.created},
                      {"expires", claims.expires},
                      {"nonce", std::string(claims.nonce)},
                      {"tag", std::string(kTag)},
                      {"wimse-aud", std::string(claims.audience)}};
  TRY(const std::string base, signature_base(Message{head}, input));
  const std::string label = std::string(kLabel) + "=";
  head.fields.add(std::string(kSignatureInputField),
                  label + to_text(input.items, input.parameters));
  head.fields.add(std::string(kSignatureField), label + to_text(SfBytes{key.sign(base)}));
  return {};
}

}  // namespace mandated::wimse
