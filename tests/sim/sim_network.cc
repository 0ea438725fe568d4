#include "tests/sim/sim_network.h"

#include <utility>

namespace mandated::sim {

class Network::Listener final : public net::Listener {
 public:
  Listener(net::Address address, std::shared_ptr<Backlog> backlog)
      : address_(std::move(address)), backlog_(std::move(backlog)) {}
  ~Listener() override { close(); }

  Task<Result<net::StreamPtr>> accept() override {
    const std::shared_ptr<Backlog> backlog = backlog_;
    while (backlog->open && backlog->waiting.empty()) co_await backlog->arrived.wait();
    if (!backlog->open) co_return fail(Code::kCancelled, "the listener was closed");
    net::StreamPtr stream = std::move(backlog->waiting.front());
    backlog->waiting.pop_front();
    co_return stream;
  }
  void close() override {
    backlog_->open = false;
    backlog_->waiting.clear();
    backlog_->arrived.notify();
  }
  const net::Address& address() const override { return address_; }

 private:
  net::Address address_;
  std::shared_ptr<Backlog> backlog_;
};

Network::Network(test::SimClock& clock, test::SimRng& rng, const Faults& faults)
    : clock_(clock), rng_(rng), faults_(faults) {}

std::unique_ptr<net::Listener> Network::listen(const net::Address& address) {
  auto backlog = std::make_shared<Backlog>(clock_.executor());
  backlogs_[address.to_string()] = backlog;
  return std::make_unique<Listener>(address, std::move(backlog));
}

Task<Result<net::StreamPtr>> Network::dial(const net::Address& address, Clock::Time deadline) {
  const std::string name = address.to_string();
  if (rng_.chance(faults_.dial_blackhole)) {
    co_await clock_.sleep_until(deadline);
    co_return fail(Code::kTimeout, "no answer from " + name);
  }
  co_await clock_.sleep_for(faults_.latency_max / 4);
  const auto found = backlogs_.find(name);
  if (found == backlogs_.end() || !found->second->open || rng_.chance(faults_.dial_refused)) {
    co_return fail(Code::kRefused, name + " refused the connection");
  }
  const test::PipeOptions options = pipe_options();
  std::pair<net::StreamPtr, net::StreamPtr> ends = test::make_memory_pipe(clock_, options);
  found->second->waiting.push_back(std::move(ends.second));
  found->second->arrived.notify();
  co_return std::move(ends.first);
}

test::PipeOptions Network::pipe_options() {
  test::PipeOptions options;
  options.seed = rng_.next();
  options.latency_max = faults_.latency_max;
  options.short_permille = static_cast<unsigned short>(faults_.short_io);
  if (rng_.chance(faults_.connection_cut)) options.reset_after_bytes = rng_.between(1, 20000);
  return options;
}

}  // namespace mandated::sim
