#include "proxy/server/process.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <future>
#include <map>
#include <thread>
#include <utility>

#include "proxy/admin/admin.h"
#include "proxy/audit/log.h"
#include "proxy/base/log.h"
#include "proxy/http/server.h"
#include "proxy/identity/embedded.h"
#include "proxy/local/server.h"
#include "proxy/server/anchors.h"
#include "proxy/server/status_watch.h"
#include "proxy/server/versions.h"
#include "proxy/server/web_roots.h"
#include "proxy/server/worker.h"
#include "proxy/stdio/posix_child.h"
#include "proxy/stdio/stdio_upstream.h"
#include "proxy/upstream/command_upstream.h"
#include "proxy/workload_api/endpoint.h"
#include "proxy/workload_api/source.h"

namespace mandated::server {

namespace {

constexpr Clock::Duration kTick = std::chrono::seconds(1);
constexpr unsigned kAdminConnectionsMax = 64;

// A worker with its thread. Built and destroyed on the main thread; in between, all that is in it
// belongs to the thread.
struct Thread {
  explicit Thread(std::chrono::seconds wall_offset)
      : guard(boost::asio::make_work_guard(context)),
        clock(context, wall_offset),
        dialer(net::make_socket_dialer(clock)) {}

  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<Executor> guard;
  RealClock clock;
  SystemRng rng;
  std::unique_ptr<net::Dialer> dialer;
  std::unique_ptr<Worker> worker;
  std::thread thread;
};

Task<void> run_then(Task<void> task, std::promise<void> done) {
  co_await std::move(task);
  done.set_value();
}

// Runs `task` on a worker's executor and waits for it here.
void run_on(Executor executor, Gate& gate, Task<void> task) {
  std::promise<void> done;
  std::future<void> finished = done.get_future();
  boost::asio::post(executor, [&gate, task = run_then(std::move(task), std::move(done))]() mutable {
    gate.spawn(std::move(task));
  });
  finished.wait();
}

admin::Metrics::Names metric_names(const config::Config& config) {
  admin::Metrics::Names names;
  for (const config::Listener& entry : config.listeners) names.listeners.push_back(entry.name);
  for (const config::Route& entry : config.routes) names.routes.push_back(entry.name);
  for (const config::Upstream& entry : config.upstreams) {
    names.upstreams.push_back(entry.name);
    if (entry.is_command()) names.commands.push_back(entry.name);
  }
  return names;
}

// A system's bundle holds some 150 certificates: it is read only for what is asked over https. A
// file that the configuration names is read in any case, so that what is wrong with it shows at
// once.
bool needs_web_roots(const config::Config& config) {
  return !config.fetch.ca_file.empty() || config.receipts.status ||
         config.receipts.consent_url.starts_with("https:");
}

class Process {
 public:
  Process(const config::Config& config, ProcessOptions options)
      : config_(config),
        options_(std::move(options)),
        metrics_(metric_names(config), build_info()) {}

  Result<void> start();
  void run();
  void stop();

 private:
  Result<void> open_audit();
  Result<void> open_identity();
  Result<std::unique_ptr<identity::SvidSource>> make_workload_api_source(
      const config::WorkloadApi& config);
  Result<std::unique_ptr<identity::SvidSource>> make_embedded_source();
  Result<void> make_bridges();
  Result<void> make_workers();
  Result<void> bind();
  Result<void> open_local_api();
  void publish(identity::SnapshotPtr snapshot, bool rotated);
  void watch_expiry();
  Task<void> tick();
  Task<void> serve_admin();
  Task<void> serve_admin_connection(net::StreamPtr stream);
  Task<void> close_bridges();
  Thread& home() { return *threads_.front(); }

  const config::Config& config_;
  ProcessOptions options_;
  boost::asio::io_context signals_context_{1};
  admin::Health health_;
  admin::Metrics metrics_;
  Anchors anchors_;
  WalletChanges wallet_changes_ = 0;
  std::vector<std::unique_ptr<Thread>> threads_;  // before all that has timers on their contexts
  std::unique_ptr<StatusWatch> status_;           // null: none is configured
  std::unique_ptr<attest::Attestor> attestor_;
  std::unique_ptr<audit::Log> audit_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Replays> replays_;
  std::unique_ptr<Approvals> approvals_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<identity::SvidSource> identity_;
  identity::SnapshotPtr first_snapshot_;
  std::shared_ptr<const identity::Svid> svid_;  // the last that was published
  std::vector<std::unique_ptr<net::BoundAddress>> bound_;
  std::unique_ptr<net::BoundAddress> admin_bound_;
  std::unique_ptr<net::Listener> admin_listener_;
  unsigned admin_connections_ = 0;
  std::unique_ptr<Gate> home_gate_;  // what runs beside the calls on the first worker
  std::unique_ptr<fetch::Fetcher> local_fetcher_;
  std::unique_ptr<local::Server> local_;
  std::map<std::string, std::unique_ptr<stdio::StdioUpstream>> bridges_;
  std::map<std::string, std::uint64_t> counted_restarts_;
  std::uint64_t counted_lost_ = 0;  // records, of those that nobody waited for
};

Result<void> Process::start() {
  TRY(anchors_, load_anchors(config_.receipts));
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned workers = config_.workers == 0 ? cores : config_.workers;
  for (unsigned index = 0; index < workers; ++index) {
    threads_.push_back(std::make_unique<Thread>(options_.testing_clock_offset));
  }
  home_gate_ = std::make_unique<Gate>(home().context.get_executor());
  CHECK(open_audit());
  if (!config_.receipts.valkey) {
    TRY(ledger_, open_ledger(config_.receipts.ledger));
    TRY(replays_, open_replays(config_.audit.file + ".proofs", home().clock.wall_seconds()));
  }
  approvals_ = std::make_unique<Approvals>(config_.receipts.consent_url, anchors_.approvers,
                                           receipt_limits(config_.receipts.limits));
  tls::WebRootsPtr web_roots;
  if (needs_web_roots(config_)) {
    TRY(web_roots, load_web_roots(config_.fetch));
  }
  if (config_.receipts.status) {
    TRY(status_, StatusWatch::make(*config_.receipts.status, anchors_.roots, web_roots,
                                   options_.testing_clock_offset));
  }
  CHECK(open_identity());
  attestor_ = std::make_unique<attest::Attestor>();
  upstream::SessionSeal::Key session_key{};
  home().rng.fill(session_key);
  shared_ =
      std::make_unique<Shared>(config_, *audit_, metrics_, anchors_.roots, replays_.get(),
                               ledger_.get(), *approvals_, session_key, std::move(web_roots),
                               status_ ? &status_->lists() : nullptr, tls::make_ticket_secret());
  if (first_snapshot_) shared_->own_spiffe_id = first_snapshot_->svid->id.text();
  shared_->attestor = attestor_.get();
  shared_->stop = [this] { signals_context_.stop(); };
  CHECK(make_bridges());
  CHECK(make_workers());
  first_snapshot_.reset();  // an old key must not outlive its use
  return bind();
}

Result<void> Process::open_audit() {
  audit::LogOptions options;
  options.mode =
      config_.audit.mode == config::AuditMode::kBefore ? audit::Mode::kBefore : audit::Mode::kAfter;
  options.on_batch = [this](Clock::Duration took, bool durable) {
    metrics_.audit_append().observe(took);
    health_.audit_healthy = durable;
  };
  TRY(audit_, audit::Log::open(config_.audit.file, home().clock, home().rng, std::move(options)));
  return {};
}

Result<void> Process::open_identity() {
  if (!config_.identity) {
    health_.identity_present = true;
    return {};
  }
  if (config_.identity->workload_api) {
    TRY(identity_, make_workload_api_source(*config_.identity->workload_api));
  } else {
    TRY(identity_, make_embedded_source());
  }
  TRY(first_snapshot_, identity_->first(home().clock.wall()));
  log::info("identity.up", {{"spiffe_id", first_snapshot_->svid->id.text()}});
  return {};
}

Result<std::unique_ptr<identity::SvidSource>> Process::make_workload_api_source(
    const config::WorkloadApi& config) {
  workload_api::WorkloadApiOptions options;
  TRY(options.endpoint, workload_api::find_endpoint(config.endpoint));
  options.spiffe_id = config.spiffe_id;
  options.hint = config.hint;
  options.startup_timeout = config.startup_timeout;
  options.log = [](std::string_view why) { log::warn("identity.agent", {{"why", why}}); };
  options.on_connected = [this](bool connected) { metrics_.workload_api_connected(connected); };
  metrics_.workload_api_connected(false);
  return std::make_unique<workload_api::WorkloadApiSvidSource>(std::move(options));
}

Result<std::unique_ptr<identity::SvidSource>> Process::make_embedded_source() {
  const config::EmbeddedIdentity& embedded = *config_.identity->embedded;
  identity::EmbeddedOptions options;
  options.state_folder = embedded.state;
  options.trust_domain = embedded.trust_domain;
  TRY(options.id, identity::SpiffeId::parse(embedded.spiffe_id));
  options.ttl = embedded.svid_ttl;
  options.workload_token =
      std::any_of(config_.upstreams.begin(), config_.upstreams.end(),
                  [](const config::Upstream& one) { return one.wimse.has_value(); });
  for (const config::TrustBundle& bundle : config_.identity->trust_bundles) {
    options.bundle_files[bundle.trust_domain] = bundle.file;
  }
  options.log = [](std::string_view why) { log::warn("identity.not_renewed", {{"why", why}}); };
  return std::make_unique<identity::EmbeddedSvidSource>(std::move(options));
}

Result<void> Process::make_bridges() {
  for (const config::Upstream& upstream : config_.upstreams) {
    if (!upstream.is_command()) continue;
    stdio::LogLine log_line = [name = upstream.name](std::string_view line) {
      log::info("stdio.stderr", {{"upstream", name}, {"line", line}});
    };
    stdio::Command command;
    command.argv = upstream.command;
    command.env = upstream.env;
    command.directory = upstream.cwd;
    stdio::StdioOptions options;
    options.client_version = build_info().version;
    options.sessions_max = std::min(upstream.sessions_max, config_.limits.sessions_max);
    options.backoff_min = upstream.restart.backoff_min;
    options.backoff_max = upstream.restart.backoff_max;
    options.session_idle = config_.timeouts.stream_idle;
    options.json.depth_max = config_.limits.json_depth_max;
    bridges_[upstream.name] = std::make_unique<stdio::StdioUpstream>(
        std::move(options),
        stdio::make_posix_children(std::move(command), home().clock, *home_gate_, log_line,
                                   std::move(options_.started_command)),
        home().clock, home().rng, log_line);
  }
  return {};
}

Result<void> Process::make_workers() {
  for (const std::unique_ptr<Thread>& thread : threads_) {
    std::unique_ptr<WalletSource> wallet;
    if (config_.receipts.wallet) {
      TRY(wallet,
          WalletFolder::open(config_.receipts.wallet->folder, config_.receipts.wallet->holder_key,
                             thread->clock, wallet_changes_));
    }
    TRY(thread->worker,
        Worker::make(*shared_, thread->clock, thread->rng, *thread->dialer, std::move(wallet),
                     [this](const config::Upstream& upstream) {
                       return upstream::make_command_upstream(*bridges_.at(upstream.name));
                     }));
    if (first_snapshot_) {
      CHECK(thread->worker->set_identity(first_snapshot_));
    }
  }
  if (first_snapshot_) publish(first_snapshot_, false);
  return {};
}

Result<void> Process::bind() {
  for (const config::Listener& listener : config_.listeners) {
    if (listener.is_stdio()) {
      TRY(std::unique_ptr<net::Listener> accepting, net::listen_on_standard_streams(home().clock));
      home().worker->listen(std::move(accepting), listener);
      continue;
    }
    TRY(const net::Address address, net::Address::parse(listener.address));
    TRY(std::unique_ptr<net::BoundAddress> bound, net::BoundAddress::bind(address));
    for (const std::unique_ptr<Thread>& thread : threads_) {
      TRY(std::unique_ptr<net::Listener> accepting, bound->listen(thread->clock));
      thread->worker->listen(std::move(accepting), listener);
    }
    log::info("listener.up", {{"listener", listener.name},
                              {"address", bound->address().to_string()},
                              {"tls", listener.tls == config::ListenerTls::kMtls}});
    bound_.push_back(std::move(bound));
  }
  if (config_.admin) {
    TRY(const net::Address address, net::Address::parse(config_.admin->address));
    TRY(admin_bound_, net::BoundAddress::bind(address));
    TRY(admin_listener_, admin_bound_->listen(home().clock));
    log::info("admin.up", {{"address", admin_bound_->address().to_string()}});
    home_gate_->spawn(serve_admin());
  }
  CHECK(open_local_api());
  if (identity_) {
    home_gate_->spawn(identity_->run(home().clock, [this](identity::SnapshotPtr snapshot) {
      publish(std::move(snapshot), true);
    }));
  }
  home_gate_->spawn(tick());
  health_.listeners_up = true;
  return {};
}

Result<void> Process::open_local_api() {
  if (!config_.local_api) return {};
  local_fetcher_ =
      fetch::make_fetcher(*home().dialer, home().clock, *home_gate_, shared_->web_roots);
  TRY(local_,
      local::Server::open({config_, anchors_.roots, receipt_limits(config_.receipts.limits),
                           home().worker->server_limits(), home().worker->ledger(), shared_->status,
                           *audit_, *attestor_, wallet_changes_, *local_fetcher_, home().clock,
                           home().rng, *home_gate_, shared_->own_spiffe_id}));
  home_gate_->spawn(local_->run());
  return {};
}

void Process::publish(identity::SnapshotPtr snapshot, bool rotated) {
  const double expires =
      std::chrono::duration<double>(snapshot->svid->expires.time_since_epoch()).count();
  metrics_.svid_expires(expires);
  health_.identity_present = true;
  // A snapshot may bring other bundles only.
  const bool renewed = std::exchange(svid_, snapshot->svid) != snapshot->svid;
  if (!rotated) return;
  if (renewed) {
    metrics_.svid_rotations().add();
    log::info("identity.rotated", {{"spiffe_id", snapshot->svid->id.text()}});
  }
  for (const std::unique_ptr<Thread>& thread : threads_) {
    boost::asio::post(thread->context, [worker = thread->worker.get(), snapshot] {
      const Result<void> taken = worker->set_identity(snapshot);
      if (!taken) log::error("identity.refused", {{"why", taken.error().text}});
    });
  }
}

// Nobody renewed it in time: new connections are refused until somebody does (worker.cc).
void Process::watch_expiry() {
  if (!svid_) return;
  const bool expired = home().clock.wall() >= svid_->expires;
  if (health_.identity_expired.exchange(expired) == expired) return;
  if (expired) {
    log::error("identity.expired", {{"spiffe_id", svid_->id.text()},
                                    {"what", "TLS is refused until there is a new SVID"}});
  }
}

// What others count is carried over to the metrics once a second.
Task<void> Process::tick() {
  while (!home_gate_->draining()) {
    health_.audit_healthy = audit_->healthy();
    watch_expiry();
    for (const auto& [name, bridge] : bridges_) {
      const std::uint64_t died = bridge->counters().died;
      std::uint64_t& counted = counted_restarts_[name];
      metrics_.restarts(name).add(static_cast<double>(died - counted));
      counted = died;
    }
    if (status_) status_->count(metrics_);
    const std::uint64_t lost = audit_->lost();
    metrics_.audit_failures().add(static_cast<double>(lost - std::exchange(counted_lost_, lost)));
    Event woken(home().context.get_executor());
    const Gate::Registration on_drain(*home_gate_, [&woken] { woken.notify(); });
    const std::unique_ptr<Clock::Timer> timer =
        home().clock.call_at(home().clock.now() + kTick, [&woken] { woken.notify(); });
    co_await woken.wait();
  }
}

Task<void> Process::serve_admin_connection(net::StreamPtr stream) {
  ++admin_connections_;
  admin::AdminHandler handler(health_, metrics_);
  static_cast<void>(co_await http::serve_cleartext(*stream, home().worker->server_limits(),
                                                   home().clock, *home_gate_, handler));
  --admin_connections_;
}

Task<void> Process::serve_admin() {
  const Gate::Registration on_drain(*home_gate_, [this] { admin_listener_->close(); });
  while (true) {
    Result<net::StreamPtr> stream = co_await admin_listener_->accept();
    if (!stream) co_return;
    // Closed at once, so that whoever probes hears of it.
    if (admin_connections_ < kAdminConnectionsMax) {
      home_gate_->spawn(serve_admin_connection(std::move(*stream)));
    }
  }
}

void Process::run() {
  // Workers leave the signals to the main thread.
  boost::asio::signal_set signals(signals_context_, SIGTERM, SIGINT);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the write
  for (const std::unique_ptr<Thread>& thread : threads_) {
    thread->thread = std::thread([context = &thread->context] { context->run(); });
  }
  if (status_) status_->start();
  signals.async_wait([](const boost::system::error_code&, int signal) {
    log::info("process.draining", {{"signal", signal}});
  });
  signals_context_.run();
}

Task<void> Process::close_bridges() {
  for (const auto& [name, bridge] : bridges_) co_await bridge->close();
}

Task<void> drain_bridges(std::map<std::string, std::unique_ptr<stdio::StdioUpstream>>& bridges) {
  for (const auto& [name, bridge] : bridges) bridge->drain();
  co_return;
}

void Process::stop() {
  health_.draining = true;
  run_on(home().context.get_executor(), *home_gate_, drain_bridges(bridges_));
  std::vector<std::future<void>> drained;
  std::vector<std::unique_ptr<Gate>> gates;
  for (const std::unique_ptr<Thread>& thread : threads_) {
    gates.push_back(std::make_unique<Gate>(thread->context.get_executor()));
    std::promise<void> done;
    drained.push_back(done.get_future());
    boost::asio::post(thread->context,
                      [gate = gates.back().get(),
                       task = run_then(thread->worker->drain(), std::move(done))]() mutable {
                        gate->spawn(std::move(task));
                      });
  }
  for (std::future<void>& one : drained) one.wait();
  if (status_) status_->stop();
  run_on(home().context.get_executor(), *home_gate_, close_bridges());
  boost::asio::post(home().context, [this] {
    if (identity_) identity_->stop();
    home_gate_->drain();
  });
  run_on(home().context.get_executor(), *gates.front(), home_gate_->wait_empty());
  for (const std::unique_ptr<Thread>& thread : threads_) {
    thread->guard.reset();
    thread->context.stop();
    thread->thread.join();
  }
  log::info("process.stopped");
}

// No picture of our keys on a disk. One byte, not none: the kernel then neither writes a file nor
// feeds a program (core(5)), as it would with none.
void forbid_core_dumps() {
  const rlimit one{1, 1};
  if (::setrlimit(RLIMIT_CORE, &one) != 0) log::warn("process.core_dumps_not_forbidden");
}

// A connection takes a descriptor, and often one more towards its upstream.
void raise_descriptor_limit(const config::Config& config) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < 2 * config.limits.connections_max) {
    log::warn("process.few_descriptors", {{"descriptors_max", limit.rlim_max},
                                          {"connections_max", config.limits.connections_max}});
  }
}

}  // namespace

int run_process(const config::Config& config, ProcessOptions options) {
  log::init(static_cast<log::Level>(config.log.level), config.log.format == config::LogFormat::kJson
                                                           ? log::Format::kJson
                                                           : log::Format::kText);
  if (options.testing_clock_offset.count() != 0) {
    log::error("process.testing_clock", {{"offset_seconds", options.testing_clock_offset.count()},
                                         {"warning", "wall time is shifted; for tests only"}});
  }
  umask(077);
  forbid_core_dumps();
  raise_descriptor_limit(config);
  Process process(config, std::move(options));
  const Result<void> started = process.start();
  if (!started) {
    log::error("process.not_started",
               {{"code", to_string(started.error().code)}, {"why", started.error().text}});
    return 1;
  }
  process.run();
  process.stop();
  return 0;
}

}  // namespace mandated::server
