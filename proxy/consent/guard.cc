#include "proxy/consent/guard.h"

#include "proxy/http/field_rules.h"

namespace mandated::consent {

namespace {

Failure denied(std::string text) { return fail(Code::kDenied, std::move(text)); }

// The value of a field; nullopt in `value` when absent, an error when it stands twice.
Result<std::optional<std::string_view>> field(const http::RequestHead& head,
                                              std::string_view name) {
  if (head.fields.count(name) > 1)
    return denied("The field " + std::string(name) + " stands more than once.");
  return head.fields.single(name);
}

Result<void> check_origin(const http::RequestHead& head, const Origin& origin, Sender sender) {
  TRY(const std::optional<std::string_view> given, field(head, "origin"));
  if (!given && sender != Sender::kOwnPage) return {};
  if (given == origin.text) return {};
  return denied("This is answered to pages of " + origin.text + " only.");
}

Result<void> check_fetch_metadata(const http::RequestHead& head, Sender sender) {
  TRY(const std::optional<std::string_view> site, field(head, "sec-fetch-site"));
  if (!site) return {};  // no browser, or an old one: Origin must do
  if (sender == Sender::kNavigation) {
    TRY(const std::optional<std::string_view> mode, field(head, "sec-fetch-mode"));
    TRY(const std::optional<std::string_view> destination, field(head, "sec-fetch-dest"));
    if (mode == "navigate" && destination == "document") return {};
    return denied("This page opens in a window of its own only.");
  }
  const bool typed = site == "none" && sender == Sender::kAnybody && head.method != "POST";
  if (site == "same-origin" || typed) return {};
  return denied("This is not answered to pages of other sites.");
}

Result<void> check_content_type(const http::RequestHead& head) {
  const std::string given = http::to_lower(head.fields.single("content-type").value_or(""));
  if (given == "application/json" || given == "application/json; charset=utf-8" ||
      given == "application/json;charset=utf-8")
    return {};
  return fail(Code::kUnsupported, "The content type must be application/json.");
}

}  // namespace

Result<void> check_sender(const http::RequestHead& head, const Origin& origin, Sender sender) {
  if (head.authority != origin.authority) {
    return denied("The field Host must be " + origin.authority + ", the host of " + origin.text +
                  ".");
  }
  CHECK(check_origin(head, origin, sender));
  CHECK(check_fetch_metadata(head, sender));
  if (head.method == "POST") return check_content_type(head);
  return {};
}

}  // namespace mandated::consent
