#include "proxy/upstream/command_upstream.h"

#include <utility>

#include "proxy/base/watchdog.h"
#include "proxy/protocol/mcp.h"

namespace mandated::upstream {

namespace {

class CommandUpstream final : public Upstream {
 public:
  explicit CommandUpstream(stdio::StdioUpstream& bridge) : bridge_(bridge) {}

  Task<Result<http::Response>> forward(Permit, const Outgoing& outgoing) override {
    if (outgoing.call == nullptr) {
      co_return fail(Code::kUnsupported, "a command can be spoken to in MCP only");
    }
    const protocol::Call& call = *outgoing.call;
    stdio::StdioRequest request;
    request.kind = call.kind;
    if (call.message) {
      request.body = outgoing.receipts.empty()
                         ? protocol::without_receipt(*call.message)
                         : protocol::with_receipt(*call.message, outgoing.receipts, outgoing.proof);
    }
    request.version = call.version;
    request.session_id = call.session_id;
    request.peer = outgoing.peer;
    request.deadline = call.is_endless() ? Watchdog::kNever : outgoing.deadline;
    auto abandonment = std::make_shared<stdio::Abandonment>(bridge_.home());
    outgoing.progress.cancel = [abandonment] { abandonment->now(); };
    outgoing.progress.left = true;
    Result<http::Response> response = co_await bridge_.handle(std::move(request), abandonment);
    if (!response) {
      const Code code = response.error().code;
      outgoing.progress.left = code != Code::kUnavailable && code != Code::kOverloaded;
      response.error().side = Side::kUpstream;
    }
    co_return response;
  }

  // Nothing of it hangs on our identity; the process drains and closes the bridge itself.
  void retire_connections() override {}
  void drain() override {}

 private:
  stdio::StdioUpstream& bridge_;
};

}  // namespace

std::unique_ptr<Upstream> make_command_upstream(stdio::StdioUpstream& bridge) {
  return std::make_unique<CommandUpstream>(bridge);
}

}  // namespace mandated::upstream
