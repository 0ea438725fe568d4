#include "tests/sim/list_host.h"

#include <cmath>
#include <utility>

#include "filters/status/token.h"
#include "proxy/tls/tls.h"
#include "tests/sim/identities.h"

namespace mandated::sim {

using namespace std::chrono_literals;

ListHost::ListHost(test::SimClock& clock, receipt::PrivateKey issuer)
    : clock_(clock), issuer_(std::move(issuer)) {
  first_ = publish(clock_.wall() - 10s, false);
  served_ = first_;
}

void ListHost::revoke() {
  revoked_at = clock_.wall();
  served_ = publish(clock_.wall(), true);
}

void ListHost::roll_back() { served_ = first_; }

std::string ListHost::publish(Clock::WallTime at, bool revoked) const {
  const double issued = std::floor(std::chrono::duration<double>(at.time_since_epoch()).count());
  status::PublishedList list{kListUri,       issued, {},
                             issued + 86400, 1,      *status::StatusList::make(1, 64)};
  if (revoked) static_cast<void>(list.list.set(kListEntry, status::kInvalid));
  return *status::issue_status_list(list, issuer_);
}

Task<void> ListHost::handle(http::ServerStream& stream) {
  http::ResponseHead head;
  head.status = down ? 503 : 200;
  const std::string body = down ? "" : served_;
  head.fields.set("content-length", std::to_string(body.size()));
  // Whoever asked may be gone.
  static_cast<void>(co_await stream.respond(head, body.empty()));
  if (!body.empty()) static_cast<void>(co_await stream.send(body, true));
}

namespace {

Task<void> serve_one(net::StreamPtr stream, test::SimClock& clock, Gate& gate, ListHost& host) {
  tls::Options options;
  options.require_client_certificate = false;
  options.alpn = {"http/1.1"};
  const tls::ContextPtr context = *tls::make_server_context(web_server("lists.sim"), options);
  Result<tls::TlsStreamPtr> session =
      co_await tls::accept(std::move(stream), context, clock, clock.now() + 5s);
  if (!session) co_return;
  static_cast<void>(
      co_await http::serve_http1(**session, http::ServerLimits{}, clock, gate, host, "https"));
}

}  // namespace

Task<void> serve_lists(net::Listener& listener, test::SimClock& clock, Gate& gate, ListHost& host) {
  while (true) {
    Result<net::StreamPtr> stream = co_await listener.accept();
    if (!stream) co_return;
    gate.spawn(serve_one(std::move(*stream), clock, gate, host));
  }
}

}  // namespace mandated::sim
