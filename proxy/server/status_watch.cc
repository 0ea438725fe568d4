#include "proxy/server/status_watch.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>
#include <utility>

#include "proxy/server/anchors.h"

namespace mandated::server {

namespace {

Task<void> tell_when_empty(Gate& gate, std::promise<void> empty) {
  co_await gate.wait_empty();
  empty.set_value();
}

}  // namespace

struct StatusWatch::Thread {
  Thread(StatusOptions options, tls::WebRootsPtr roots, std::chrono::seconds wall_offset)
      : guard(boost::asio::make_work_guard(context)),
        clock(context, wall_offset),
        dialer(net::make_socket_dialer(clock)),
        gate(context.get_executor()),
        end(context.get_executor()),
        fetcher(fetch::make_fetcher(*dialer, clock, gate, std::move(roots))),
        lists(std::move(options), *fetcher, clock, rng, gate) {}

  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<Executor> guard;
  RealClock clock;
  SystemRng rng;
  std::unique_ptr<net::Dialer> dialer;
  Gate gate;
  Gate end;
  std::unique_ptr<fetch::Fetcher> fetcher;
  StatusLists lists;
  std::thread thread;
};

StatusWatch::StatusWatch(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}

StatusWatch::~StatusWatch() = default;

Result<std::unique_ptr<StatusWatch>> StatusWatch::make(const config::Status& config,
                                                       const receipt::AnchorSet& anchors,
                                                       tls::WebRootsPtr roots,
                                                       std::chrono::seconds wall_offset) {
  StatusOptions options{config, {}, anchors};
  TRY(options.issuers, load_status_issuers(config));
  return std::unique_ptr<StatusWatch>(
      new StatusWatch(std::make_unique<Thread>(std::move(options), std::move(roots), wall_offset)));
}

StatusLists& StatusWatch::lists() { return thread_->lists; }

void StatusWatch::start() {
  thread_->thread = std::thread([context = &thread_->context] { context->run(); });
}

void StatusWatch::stop() {
  std::promise<void> empty;
  std::future<void> ended = empty.get_future();
  boost::asio::post(
      thread_->context,
      [thread = thread_.get(), task = tell_when_empty(thread_->gate, std::move(empty))]() mutable {
        thread->gate.drain();
        thread->end.spawn(std::move(task));
      });
  ended.wait();
  thread_->context.stop();
  thread_->thread.join();
}

void StatusWatch::count(admin::Metrics& metrics) {
  const StatusLists::Counters counters = thread_->lists.counters();
  metrics.status_lists(counters.lists, counters.oldest_age);
  metrics.status_failures().add(
      static_cast<double>(counters.failed - std::exchange(counted_failures_, counters.failed)));
}

}  // namespace mandated::server
