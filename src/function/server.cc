#include "wasmoor/function/server.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <numeric>
#include <utility>

#include "function/access_log.h"
#include "function/capacity.h"
#include "function/door.h"
#include "function/front.h"
#include "function/handlers.h"
#include "function/lane_jail.h"
#include "function/operator_page.h"
#include "function/own_metrics.h"
#include "function/preopens.h"
#include "function/totals.h"
#include "function/traces.h"
#include "function/workers.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/base/units.h"
#include "wasmoor/cgroup/threads.h"
#include "wasmoor/function/lanes/lanes.h"
#include "wasmoor/knative/mean_cores.h"
#include "wasmoor/knative/reporter.h"
#include "wasmoor/loop/acceptor.h"
#include "wasmoor/telemetry/metrics.h"
#include "wasmoor/telemetry/observer.h"

namespace wasmoor::function {
namespace {

constexpr std::string_view kSeats = "wasmoor-lanes";
constexpr std::chrono::milliseconds kCollectEvery{1000};
constexpr uint64_t kWorkersPart =
    4;  // Of the memory of idle instances, for each process of functions.
// After its grace, for guests to be ended and connections to be told.
constexpr std::chrono::milliseconds kLastGrace{2000};
// What host functions and the engine's own code use beneath a guest's frames.
constexpr uint64_t kOwnStack = 512 << 10;

os::Connections ConnectionsOf(const ServerSettings& settings) {
  return settings.granting.outgoing.empty() ? os::Connections::kNone : os::Connections::kAllowed;
}

class FunctionServer : public Server, public Common, public CatalogListener {
 public:
  FunctionServer(const ServerSettings& settings, ServerParts parts)
      : settings_(settings), parts_(std::move(parts)) {}
  ~FunctionServer() override { Finish(); }

  Status Prepare();
  std::vector<std::string> addresses() const override;
  std::string Description() const override;
  Status Run() override;

 private:
  // What is one loop's.
  struct Place {
    Station& station;
    std::unique_ptr<Front> front;
    std::unique_ptr<InnerCalls> calls;
    std::unique_ptr<http::Server> server;
    loop::Timer waiting;  // For its guests to end.
  };

  Status MakeSeats(const cgroup::Root* root);
  Status MakeLanes();
  Status Watch();
  void MakePage();

  // Common
  const Serving& serving() const override { return serving_; }
  Admission& admission() override { return *admission_; }
  const program::Host& host() const override { return parts_.host; }
  void Look(Station& station, std::vector<std::string> names, Found done) override;
  std::shared_ptr<Tenant> TenantOf(std::string_view name) override;
  Workers* WorkersFor(const Ready& function) override {
    const bool apart = settings_.isolation == Isolation::kProcess || function.manifest->own_process;
    return apart ? workers_.get() : nullptr;
  }
  void Touch(const Ready& function) override { function.MarkUse(std::chrono::steady_clock::now()); }
  void BeginApart(Station& station, Job& job, std::shared_ptr<const Ready> function) override;
  bool WantsReports(End end) const override;
  void Report(const RequestReport& report) override;
  void Say(std::string_view function, std::string_view lines) override;

  // CatalogListener
  void OnChange(const std::shared_ptr<const Ready>& ready) override;
  void OnGone(const std::string& function, Gone why) override;
  void OnProblem(const std::string& function, const Error& error) override;
  void OnNotice(const std::string& line) override;

  void SetEverywhere(const std::string& function, const Served& served);
  Status ReportToQueueProxy();
  Status ReadyToServe() const;
  std::string CpuLimits() const;
  Overview::Sources::Tenants TenantsNow();
  void WriteOwn(telemetry::Page& page) const;
  void LookNext(std::shared_ptr<std::vector<std::string>> names, size_t at, Found done);
  void OnConnection(os::Fd connection);
  void Collect();
  void OnSignal();
  void Drain();
  void EndAll();
  void WaitForGuests(Place& place, const std::shared_ptr<size_t>& left);
  void Finish();

  const ServerSettings settings_;
  const ServerParts parts_;
  Serving serving_;
  Supply supply_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<loop::Loop> keeper_;
  std::optional<cgroup::Seats> seats_;
  std::string without_groups_;  // Why there are none.
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Lanes> lanes_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<Traces> traces_;
  std::vector<Place> places_;
  std::vector<Door> doors_, watched_, administered_;
  std::vector<std::unique_ptr<loop::Acceptor>> acceptors_;
  size_t next_place_ = 0;
  std::optional<Handlers> handlers_;
  std::optional<Totals> totals_;
  std::deque<double> promised_;  // Of the memory for guests, each second.
  std::optional<knative::MeanCores> cores_;
  std::unique_ptr<knative::Reporter> reporter_;
  telemetry::Registry metrics_;
  std::optional<OperatorPage> page_;
  std::unique_ptr<telemetry::Observer> health_, admin_;

  std::mutex mutex_;  // Of what follows.
  std::map<std::string, std::shared_ptr<Tenant>, std::less<>> tenants_;

  os::Fd signals_;
  loop::Source signal_source_;
  loop::Timer collecting_, grace_;
  bool draining_ = false, ending_ = false, finished_ = false;
  size_t undrained_ = 0;
};

Status FunctionServer::Prepare() {
  keeper_ = TRY(loop::Loop::Create());
  const auto root = cgroup::Root::Detect();
  supply_ = FindSupply(settings_, root ? cgroup::ReadOwnLimits(*root) : cgroup::OwnLimits());
  handlers_.emplace(
      [this](std::string_view function, std::string_view lines) { Say(function, lines); },
      IdleInstances::Most{.bytes = supply_.idle_memory_bytes, .instances = kMostIdleInstances});
  const Allowance most = MostOf(settings_, supply_);
  Allowance usual = settings_.usual;
  usual.millicores = std::min(usual.millicores, most.millicores);
  usual.memory_bytes = std::min(usual.memory_bytes, most.memory_bytes);
  serving_ = {.usual = usual,
              .most = most,
              .reply = settings_.reply,
              .tells_usage = settings_.tells_usage,
              .body_bytes = settings_.body_bytes,
              .pod = settings_.pod};
  admission_ = std::make_unique<Admission>(CapacityOf(settings_, supply_));
  TRY(MakeSeats(root ? &*root : nullptr));
  for (const std::string& address : settings_.listen) doors_.push_back(TRY(Door::Open(address)));
  for (const std::string& address : settings_.health) watched_.push_back(TRY(Door::Open(address)));
  for (const std::string& address : settings_.admin)
    administered_.push_back(TRY(Door::Open(address)));
  if (parts_.traces) {
    traces_ = TRY(Traces::Create(*keeper_, *parts_.traces,
                                 [this](std::string_view line) { OnNotice(std::string(line)); }));
  }
  TRY(MakeLanes());
  TRY(Watch());
  catalog_ = TRY(Catalog::Create(*keeper_,
                                 {.directory = settings_.functions,
                                  .compiler = parts_.compiler,
                                  .max_loaded = settings_.max_loaded,
                                  .granting = settings_.granting,
                                  .maxima = {.cpu_millicores = most.millicores,
                                             .memory_bytes = most.memory_bytes,
                                             .body_bytes = settings_.body_bytes,
                                             .timeout = most.time}},
                                 parts_.engine, parts_.cache, *this));
  return {};
}

Status FunctionServer::MakeSeats(const cgroup::Root* root) {
  if (settings_.groups == Groups::kOff) {
    without_groups_ = "they are switched off";
    return {};
  }
  Result<cgroup::Seats> made =
      Fail(Code::kFailedPrecondition, "no control groups are mounted here");
  if (root != nullptr) {
    auto threads = cgroup::PrepareThreads(*root);
    made = threads ? cgroup::Seats::Make(*threads, kSeats)
                   : Result<cgroup::Seats>(tl::unexpected(std::move(threads).error()));
  }
  if (made) {
    // That one can be made is not known before it is.
    auto first = made->MakeSeat("first");
    if (first) {
      seats_ = *std::move(made);
      return {};
    }
    made = tl::unexpected(std::move(first).error());
  }
  if (settings_.groups == Groups::kRequired)
    return TRY_AS(std::move(made), "CPU limits by control groups are required"), Status();
  without_groups_ = made.error().message();
  return {};
}

Status FunctionServer::MakeLanes() {
  LanesOptions options{.stations = supply_.cpus,
                       .most = settings_.guests,
                       .stack_bytes = parts_.stack_bytes + kOwnStack,
                       .seats = seats_ ? &*seats_ : nullptr,
                       .keeper = *keeper_,
                       .warn = [this](std::string_view line) { OnNotice(std::string(line)); }};
  const auto connections = ConnectionsOf(settings_);
  if (settings_.jail) options.enter = [connections] { return EnterLaneJail(connections); };
  lanes_ = TRY(Lanes::Create(std::move(options)));
  totals_.emplace(supply_.cpus);
  for (const auto& station : lanes_->stations()) {
    Place place{.station = *station, .front = std::make_unique<Front>(*this, *station)};
    place.calls = std::make_unique<InnerCalls>(station->loop(), *keeper_, *place.front);
    place.server = std::make_unique<http::Server>(station->loop(), *place.front, settings_.http);
    if (traces_ != nullptr) place.front->Trace(&traces_->NewTracer());
    places_.push_back(std::move(place));
  }
  if (parts_.workers) {
    workers_ = parts_.workers({.settings = settings_,
                               .engine = parts_.engine,
                               .cache = parts_.cache,
                               .keeper = *keeper_,
                               .stations = lanes_->stations(),
                               .memory_bytes = supply_.memory_bytes,
                               .idle_memory_bytes = supply_.idle_memory_bytes / kWorkersPart,
                               .guest_says = [this](std::string_view function,
                                                    std::string_view text) { Say(function, text); },
                               .notice = [this](const std::string& line) { OnNotice(line); }});
  }
  for (const Door& door : doors_) {
    acceptors_.push_back(TRY(loop::Acceptor::Create(
        lanes_->stations().front()->loop(), door.socket(),
        [this](os::Fd connection) { OnConnection(std::move(connection)); })));
  }
  return {};
}

Status FunctionServer::Watch() {
  metrics_.Collect([this](telemetry::Page& page) {
    WriteOwn(page);
    totals_->WriteTo(page);
  });
  telemetry::ObserverOptions options{.loop = *keeper_,
                                     .registry = metrics_,
                                     .ready = [this] { return ReadyToServe(); },
                                     .live_path = "/live",
                                     .ready_path = "/ready",
                                     .connections = 256};
  health_ = std::make_unique<telemetry::Observer>(options);
  if (!administered_.empty()) {
    MakePage();
    options.others = &page_->handler();
    options.body_bytes = settings_.body_bytes;
  }
  admin_ = std::make_unique<telemetry::Observer>(std::move(options));
  for (Door& door : watched_) TRY(health_->Listen(door.TakeSocket()));
  for (Door& door : administered_) TRY(admin_->Listen(door.TakeSocket()));
  return {};
}

void FunctionServer::MakePage() {
  Overview::Sources sources{.settings = settings_,
                            .supply = supply_,
                            .capacity = CapacityOf(settings_, supply_),
                            .totals = *totals_,
                            .admission = *admission_,
                            .lanes = *lanes_,
                            .cpu_limits = CpuLimits(),
                            .addresses = {},
                            .catalog = [this] { return catalog_.get(); },
                            .ready = [this] { return ReadyToServe(); },
                            .tenants = [this] { return TenantsNow(); }};
  for (const Door& door : doors_) sources.addresses.push_back(door.address());
  std::vector<InnerCalls*> calls;
  for (const Place& place : places_) calls.push_back(place.calls.get());
  page_.emplace(std::move(sources), std::move(calls), settings_.admin_hosts);
}

std::vector<std::string> FunctionServer::addresses() const {
  std::vector<std::string> addresses;
  for (const auto* doors : {&doors_, &watched_, &administered_}) {
    for (const Door& door : *doors) addresses.push_back(door.address());
  }
  return addresses;
}

std::string FunctionServer::CpuLimits() const {
  return seats_ ? fmt::format("by control groups ({})", seats_->path())
                : fmt::format("by guests' own clocks, since {}", without_groups_);
}

std::string FunctionServer::Description() const {
  const std::string_view place =
      settings_.isolation == Isolation::kProcess
          ? "functions run in processes of their own, one for each tenant"
          : "functions run in this process, each request in a jailed thread";
  return fmt::format("{}\nCPU limits are kept {}\n{} for guests, {} millicores of CPU, {} loop{}\n",
                     place, CpuLimits(), FormatSize(supply_.memory_bytes), supply_.millicores,
                     supply_.cpus, supply_.cpus == 1 ? "" : "s");
}

// ---- What requests ask for.

// On the first station's loop.
void FunctionServer::OnConnection(os::Fd connection) {
  Place& place = places_[next_place_++ % places_.size()];
  if (places_.size() == 1) return place.server->Serve(std::move(connection));
  place.station.loop().Post([&place, held = std::make_shared<os::Fd>(std::move(connection))] {
    if (place.server != nullptr) place.server->Serve(std::move(*held));
  });
}

void FunctionServer::Look(Station& station, std::vector<std::string> names, Found done) {
  const Found answer = [&station, done = std::move(done)](Result<Served> found) {
    station.loop().Post([done, found = std::move(found)] { done(found); });
  };
  keeper_->Post(
      [this, answer, names = std::make_shared<std::vector<std::string>>(std::move(names))] {
        LookNext(names, 0, answer);
      });
}

// The keeper's. What is there and does not work is not passed over.
void FunctionServer::LookNext(std::shared_ptr<std::vector<std::string>> names, size_t at,
                              Found done) {
  if (catalog_ == nullptr) return done(Fail(Code::kUnavailable, "the server ends"));
  const std::string& name = (*names)[at];
  catalog_->Want(name, [this, names, at, done](Result<std::shared_ptr<const Ready>> found) {
    const bool is_unknown = !found && found.error().code() == Code::kNotFound;
    if (is_unknown && at + 1 < names->size()) return LookNext(names, at + 1, done);
    if (is_unknown) return done(Fail(Code::kNotFound, "no function '{}'", Printable((*names)[0])));
    done(found ? handlers_->Of(*found) : Result<Served>(tl::unexpected(std::move(found).error())));
  });
}

std::shared_ptr<Tenant> FunctionServer::TenantOf(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(name);
  if (found != tenants_.end()) return found->second;
  return tenants_.emplace(name, std::make_shared<Tenant>()).first->second;
}

Overview::Sources::Tenants FunctionServer::TenantsNow() {
  const std::lock_guard lock(mutex_);
  return {tenants_.begin(), tenants_.end()};
}

void FunctionServer::BeginApart(Station& station, Job& job, std::shared_ptr<const Ready> function) {
  const auto connections = ConnectionsOf(settings_);
  lanes_->BeginApart(station, job, [connections, function] {
    return EnterLaneJail(connections, TreesOf(*function->granted));
  });
}

bool FunctionServer::WantsReports(End end) const {
  const bool failed = end == End::kFailed || end == End::kTimedOut;
  return failed || settings_.access_log == ServerSettings::AccessLog::kAll;
}

void FunctionServer::Report(const RequestReport& report) {
  const bool failed = report.end == End::kFailed || report.end == End::kTimedOut;
  if (failed) totals_->Keep(report);
  if (settings_.access_log == ServerSettings::AccessLog::kNone) return;
  parts_.report(report.function, AccessLine(report));
}

void FunctionServer::Say(std::string_view function, std::string_view lines) {
  std::string text;
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    text += fmt::format("{}: {}\n", function, Printable(lines.substr(0, end)));
    lines.remove_prefix(end == lines.npos ? lines.size() : end + 1);
  }
  parts_.say(text);
}

// ---- What the catalog tells.

void FunctionServer::SetEverywhere(const std::string& function, const Served& served) {
  for (Place& place : places_) {
    place.station.loop().Post([&place, function, served] { place.front->Set(function, served); });
  }
}

void FunctionServer::OnChange(const std::shared_ptr<const Ready>& ready) {
  auto served = handlers_->Of(ready);
  if (!served) return OnNotice(served.error().message());
  SetEverywhere(ready->function, *served);
  if (workers_ != nullptr) workers_->Forget(ready->function);
}

void FunctionServer::OnGone(const std::string& function, Gone) {
  handlers_->Forget(function);
  if (workers_ != nullptr) workers_->Forget(function);
  SetEverywhere(function, {});
}

void FunctionServer::OnProblem(const std::string& function, const Error& error) {
  parts_.say(fmt::format("function {}: {}\n", function, Printable(error.message())));
}

void FunctionServer::OnNotice(const std::string& line) { parts_.say(Printable(line) + "\n"); }

// ---- The keeper's own.

Status FunctionServer::ReadyToServe() const {
  if (draining_) return Fail(Code::kUnavailable, "the server ends");
  if (catalog_ != nullptr) {
    if (auto away = catalog_->away()) return tl::unexpected(*std::move(away));
  }
  if (settings_.ready_below > 0 && !promised_.empty()) {
    const double mean = std::accumulate(promised_.begin(), promised_.end(), 0.0) /
                        static_cast<double>(promised_.size());
    if (mean > settings_.ready_below)
      return Fail(Code::kUnavailable, "{:.0f} % of the memory for guests is promised", mean * 100);
  }
  return {};
}

void FunctionServer::WriteOwn(telemetry::Page& page) const {
  OwnNumbers numbers{.admission = admission_->numbers(),
                     .lanes = lanes_->counts(),
                     .idle = handlers_->idle().counts()};
  if (catalog_ != nullptr) numbers.catalog = catalog_->counts();
  if (workers_ != nullptr) numbers.workers = workers_->counts();
  WriteOwnMetrics(numbers, page);
}

// What this process has used: all that is in its container is its own.
Status FunctionServer::ReportToQueueProxy() {
  if (!settings_.queue_proxy) return {};
  const QueueProxy& proxy = *settings_.queue_proxy;
  cores_.emplace(proxy.period * std::max<uint32_t>(proxy.window, 1));
  knative::ReporterOptions options{.host = proxy.host,
                                   .port = proxy.port,
                                   .period = proxy.period,
                                   .first_pause = proxy.first_pause,
                                   .most_tries_told = proxy.most_tries_told};
  options.sample = [this] {
    struct rusage usage = {};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto time = [](const struct timeval& one) {
      return std::chrono::seconds(one.tv_sec) + std::chrono::microseconds(one.tv_usec);
    };
    std::chrono::nanoseconds used = time(usage.ru_utime) + time(usage.ru_stime);
    if (workers_ != nullptr) used += workers_->counts().cpu_time;
    cores_->Add(std::chrono::steady_clock::now(), used);
    return cores_->Mean();
  };
  options.warn = [this](std::string_view line) { OnNotice(std::string(line)); };
  reporter_ = TRY(knative::Reporter::Create(*keeper_, std::move(options)));
  return {};
}

void FunctionServer::Collect() {
  for (size_t i = 0; i < places_.size(); ++i) {
    Place& place = places_[i];
    place.station.loop().Post([this, i, &place] {
      keeper_->Post([this, i, news = place.front->TakeNews()]() mutable {
        totals_->Put(i, std::move(news));
      });
    });
  }
  promised_.push_back(static_cast<double>(admission_->numbers().in_use.memory_bytes) /
                      static_cast<double>(supply_.memory_bytes));
  while (promised_.size() > std::max<size_t>(settings_.ready_window, 1)) promised_.pop_front();
  if (page_) page_->Tick();
  handlers_->idle().EndOld(std::chrono::steady_clock::now());
  collecting_ = keeper_->After(kCollectEvery, [this] { Collect(); });
}

Status FunctionServer::Run() {
  sigset_t ending;
  sigemptyset(&ending);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&ending, signal);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  signals_ = os::Fd(::signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return FailErrno(errno, "signalfd");
  signal_source_ = TRY(keeper_->Watch(signals_));
  signal_source_.OnReadable([this] { OnSignal(); });
  TRY(lanes_->Start());
  Collect();
  TRY(ReportToQueueProxy());
  keeper_->Run();
  Finish();
  return {};
}

void FunctionServer::OnSignal() {
  signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (draining_) return EndAll();  // The second one: whoever sends it does not want to wait.
    Drain();
  }
}

void FunctionServer::Drain() {
  draining_ = true;
  undrained_ = places_.size();
  parts_.say(
      fmt::format("ends when what runs has ended, or in {} s\n", settings_.grace.count() / 1000));
  lanes_->stations().front()->loop().Post([this] { acceptors_.clear(); });
  for (Place& place : places_) {
    place.station.loop().Post([this, &place] {
      place.server->Drain([this] {
        keeper_->Post([this] {
          if (--undrained_ == 0) EndAll();
        });
      });
    });
  }
  grace_ = keeper_->After(settings_.grace, [this] { EndAll(); });
}

// Guests that run are ended with their connections, and then the loops.
void FunctionServer::EndAll() {
  if (std::exchange(ending_, true)) return;
  admin_.reset();  // And with it what it has called.
  auto left = std::make_shared<size_t>(places_.size());
  for (Place& place : places_) {
    place.station.loop().Post([this, &place, left] {
      place.server.reset();
      WaitForGuests(place, left);
    });
  }
  grace_ = keeper_->After(kLastGrace, [this] { keeper_->Stop(); });
}

void FunctionServer::WaitForGuests(Place& place, const std::shared_ptr<size_t>& left) {
  constexpr std::chrono::milliseconds kLookEvery{1};
  if (place.front->requests() > 0) {
    place.waiting = place.station.loop().After(
        kLookEvery, [this, &place, left] { WaitForGuests(place, left); });
    return;
  }
  keeper_->Post([this, left] {
    if (--*left > 0) return;
    const auto stop = [this] { keeper_->Stop(); };
    traces_ != nullptr ? traces_->Flush(kLastGrace / 2, stop) : stop();
  });
}

void FunctionServer::Finish() {
  if (std::exchange(finished_, true)) return;
  if (lanes_ != nullptr) lanes_->Stop();
  workers_.reset();
  catalog_.reset();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Create(const ServerSettings& settings, ServerParts parts) {
  auto server = std::make_unique<FunctionServer>(settings, std::move(parts));
  TRY(server->Prepare());
  return server;
}

}  // namespace wasmoor::function
