// The network of a simulated world: names instead of sockets, memory pipes instead of connections,
// faults from the seed.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "proxy/base/event.h"
#include "proxy/net/socket.h"
#include "tests/support/memory_stream.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_rng.h"

namespace mandated::sim {

/// How often, in thousandths, things go wrong.
struct Faults {
  unsigned dial_refused = 0;
  unsigned dial_blackhole = 0;
  unsigned connection_cut = 0;
  unsigned short_io = 0;
  Clock::Duration latency_max{0};
};

class Network final : public net::Dialer {
 public:
  Network(test::SimClock& clock, test::SimRng& rng, const Faults& faults);

  std::unique_ptr<net::Listener> listen(const net::Address& address);
  Task<Result<net::StreamPtr>> dial(const net::Address& address, Clock::Time deadline) override;

 private:
  class Listener;
  struct Backlog {
    explicit Backlog(Executor executor) : arrived(executor) {}
    std::deque<net::StreamPtr> waiting;
    Event arrived;
    bool open = true;
  };

  test::PipeOptions pipe_options();

  test::SimClock& clock_;
  test::SimRng& rng_;
  Faults faults_;
  std::map<std::string, std::shared_ptr<Backlog>> backlogs_;
};

}  // namespace mandated::sim
