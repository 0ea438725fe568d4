// The consent service over HTTP: what agents ask, what the page shows, what the person answers. All
// of it on one thread; whoever waits for a person is a coroutine and holds nothing else.
//
//   POST /requests                 an agent asks: 201, or why not
//   GET  /requests/ID[?wait=S]     what came of it, at once or within S seconds (30 at most)
//   GET  /requests/ID/page         the page for the person
//   GET  /requests/ID/content      what the page shows, and what each passkey would sign
//   POST /requests/ID/signature    the person signs
//   POST /requests/ID/refusal      the person refuses
//   GET  /register                 the page for an invitation, whose code stands after the #
//   POST /registrations[/ID]       the two steps of registering a passkey
//   GET  /assets/…                 style, scripts and icon of the pages
#pragma once

#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/gate.h"
#include "proxy/base/random.h"
#include "proxy/consent/origin.h"
#include "proxy/consent/registration.h"
#include "proxy/consent/registry.h"
#include "proxy/consent/request_store.h"
#include "proxy/http/server.h"

namespace mandated::consent {

class Handler final : public http::Handler {
 public:
  /// All outlive the handler. When `drain` drains, waiting ends with what is known then.
  Handler(const Origin& origin, Registry& registry, RequestStore& store, Rng& rng, Clock& clock,
          Gate& drain)
      : origin_(origin),
        registry_(registry),
        store_(store),
        rng_(rng),
        clock_(clock),
        drain_(drain),
        registrations_(registry, origin, rng) {}

  Task<void> handle(http::ServerStream& stream) override;

 private:
  Task<http::Response> answer(http::ServerStream& stream);
  Task<Result<http::Response>> answer_request(http::ServerStream& stream, std::string_view rest,
                                              std::string_view query);
  Task<Result<http::Response>> answer_registration(http::ServerStream& stream,
                                                   std::string_view rest);

  Task<Result<http::Response>> ask(http::ServerStream& stream);
  Task<Result<http::Response>> tell_outcome(http::ServerStream& stream, std::string_view id,
                                            std::string_view query);
  Result<http::Response> tell_content(std::string_view id);
  Task<Result<http::Response>> take_signature(http::ServerStream& stream, std::string_view id);
  Result<http::Response> take_refusal(std::string_view id);
  Task<Result<http::Response>> begin_registration(http::ServerStream& stream);
  Task<Result<http::Response>> finish_registration(http::ServerStream& stream, std::string_view id);

  Result<void> check_somebody_can_sign(const Ask& ask) const;
  Result<std::vector<Registry::Passkey>> signers(const Ask& ask) const;
  Task<void> wait_for_end(http::ServerStream& stream, std::string_view id, Clock::Duration longest);

  const Origin& origin_;
  Registry& registry_;
  RequestStore& store_;
  Rng& rng_;
  Clock& clock_;
  Gate& drain_;
  Registrations registrations_;
};

}  // namespace mandated::consent
