#include "cmd/wasmtimed/daemon.h"

#include <fmt/ranges.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cmd/shim_line/address.h"
#include "cmd/wasmtimed/daemon_log.h"
#include "cmd/wasmtimed/daemon_service.h"
#include "cmd/wasmtimed/observation.h"
#include "cmd/wasmtimed/process_host.h"
#include "cmd/wasmtimed/service_manager.h"
#include "cmd/wasmtimed/successor.h"
#include "wasmoor/controller/controller.h"
#include "wasmoor/grpc/server.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/node/manager.h"
#include "wasmoor/node/pods.h"
#include "wasmoor/node/sandboxes.h"
#include "wasmoor/os/self.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::cmd {
namespace {

// For everything that runs to be killed and containerd to be told; a service manager waits longer.
constexpr std::chrono::seconds kMostEnding{20};
// Then, for the last traces to reach their collector.
constexpr std::chrono::seconds kMostTelling{2};
// For calls that are under way to come to their end before another program goes on.
constexpr std::chrono::seconds kMostHanding{10};
constexpr std::chrono::milliseconds kBetweenTries{5};

// This process as a daemon of containers needs it.
Status SettleDaemon() {
  ::signal(SIGPIPE, SIG_IGN);
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    return FailErrno(errno, "become the reaper of what containers leave behind");
  struct rlimit files = {};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return FailErrno(errno, "RLIMIT_NOFILE");
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) return FailErrno(errno, "RLIMIT_NOFILE");
  if (::chdir("/") != 0) return FailErrno(errno, "/");
  return {};
}

class Daemon {
 public:
  Daemon(std::string program, const DaemonFlags& flags, DaemonConfig config,
         ServiceManager service_manager, Successor successor)
      : program_(std::move(program)),
        flags_(flags),
        config_(std::move(config)),
        service_manager_(std::move(service_manager)),
        successor_(std::move(successor)),
        log_(config_.log_level, config_.log_format) {}
  ~Daemon() {
    RemoveSockets();
    if (observation_) observation_->Forget();
  }

  Status Run();

 private:
  Result<os::Fd> Take(std::initializer_list<const char*> names, const std::string& path,
                      std::string_view flag);
  Status OpenSandboxes();
  Status TakeRest();
  Status Observe();
  Status Listen();
  void RemoveSockets();
  using Failed = std::function<void(Status)>;
  void Upgrade(Failed failed);
  void TryToHandOver();
  Status HandOver();
  void Freeze();
  void Thaw();
  Status WatchSignals();
  void OnSignals();
  void Reload();
  void End(int signal);
  void KeepAlive();
  std::string StatusLine() const {
    return fmt::format("STATUS=Holding {} sandboxes at {}", sandboxes_->size(), config_.listen);
  }

  const std::string program_;
  const DaemonFlags& flags_;
  DaemonConfig config_;
  ServiceManager service_manager_;
  const Successor successor_;
  std::optional<handover::Daemon> predecessor_;  // What it has told, until it is taken over.
  DaemonLog log_;
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<Observation> observation_;  // Is told by all below.
  std::unique_ptr<ProcessHost> host_;
  std::unique_ptr<node::Sandboxes> sandboxes_;
  std::unique_ptr<node::Manager> manager_;
  std::unique_ptr<DaemonService> service_;
  std::unique_ptr<ttrpc::Server> server_;
  std::unique_ptr<node::Pods> pods_;
  std::unique_ptr<controller::Service> controller_;
  std::unique_ptr<grpc::Server> controller_server_;
  os::Fd signals_;
  loop::Source signals_source_;  // Destroyed before what it watches.
  loop::Timer keep_alive_, ending_;
  std::map<std::string, os::Fd> sockets_;  // Of the service manager.
  std::vector<std::string> claimed_;       // Paths, to be removed.
  struct Upgrading {
    std::chrono::steady_clock::time_point until;
    std::vector<Failed> failed;
    loop::Timer next;
  };
  std::optional<Upgrading> upgrading_;
};

Status Daemon::Run() {
  predecessor_ = TRY(TakePredecessor());
  loop_ = TRY(loop::Loop::Create());
  TRY(WatchSignals());
  observation_ = std::make_unique<Observation>(
      *loop_, [this](std::string_view line) { log_.Write(task::LogLevel::kWarning, line); });
  observation_->Trace([](const char* name) { return ::getenv(name); });
  host_ = std::make_unique<ProcessHost>(*loop_, program_, log_);
  const handover::Hosts* const hosts = predecessor_ ? &predecessor_->hosts() : nullptr;
  TRY_AS(host_->Prepare(config_.upgrade_deadline, hosts), "the host of guests");
  TRY(OpenSandboxes());
  manager_ = std::make_unique<node::Manager>(*sandboxes_, config_.sandbox);
  service_ = std::make_unique<DaemonService>(
      DaemonService::Parts{.sandboxes = [this] { return sandboxes_->size(); },
                           .upgrade = [this](Failed failed) { Upgrade(std::move(failed)); }});
  server_ = std::make_unique<ttrpc::Server>(*loop_);
  TRY(manager_->AddTo(server_.get()));
  TRY(server_->Add(*service_));
  pods_ = std::make_unique<node::Pods>(
      *loop_, *sandboxes_, config_.sandbox,
      node::Pods::Containerd{.address = config_.containerd,
                             .ttrpc_address = config_.containerd + ".ttrpc"});
  if (predecessor_) pods_->TakeOver(*predecessor_);
  TRY(TakeRest());
  controller_ = std::make_unique<controller::Service>(*loop_, *pods_);
  controller_server_ = std::make_unique<grpc::Server>(*loop_);
  TRY(controller_server_->Add(*controller_));
  TRY(Listen());
  TRY(Observe());
  const auto goes_on = [this] {
    return fmt::format("version {} goes on at {} with {} sandboxes of version {}", WASMOOR_VERSION,
                       config_.listen, sandboxes_->size(), predecessor_->version());
  };
  log_.Write(task::LogLevel::kInfo,
             predecessor_ ? goes_on() : fmt::format("serving at {}", config_.listen));
  predecessor_.reset();
  observation_->BecomeReady({});
  service_manager_.Tell("READY=1\n" + StatusLine());
  KeepAlive();
  loop_->Run();
  log_.Write(task::LogLevel::kInfo, "ended");
  return {};
}

Status Daemon::OpenSandboxes() {
  sandboxes_ = TRY(node::Sandboxes::Open(
      {.loop = *loop_,
       .socket_directory = config_.SocketDirectory(),
       .state_directory = config_.SandboxDirectory(),
       .make_parts = observation_->Counted(
           [host = host_.get()](const node::Place& place, sandbox::Listener& listener) {
             return host->Make(place, listener);
           }),
       .calls = observation_->calls(),
       .log = [this](task::LogLevel level, const node::Key* key,
                     std::string_view line) { log_.Write(level, line, key); },
       .on_activity = [host = host_.get()] { host->OnActivity(); }}));
  if (predecessor_) sandboxes_->TakeOver(*predecessor_);
  return {};
}

// What a daemon that was killed has left.
Status Daemon::TakeRest() {
  return sandboxes_->TakeRest(
      [this](const node::Sandboxes::View& view) { return pods_->TakeBack(view); },
      [this](const node::Record& record, const Error& why) {
        const node::Place& place = record.place;
        log_.Write(task::LogLevel::kWarning,
                   fmt::format("is not served any more: {}; containerd has its containers removed",
                               why.message()),
                   &place.key);
        if (place.life == node::Place::Life::kPod) host_->ClearPod(*sandboxes_, place.key);
      });
}

Status Daemon::Observe() {
  observation_->Watch({.sandboxes = *sandboxes_, .hosts = host_->hosts(), .events = [this] {
                         return sandboxes_->events();
                       }});
  for (const std::string& where : config_.observe) TRY(observation_->Serve(where));
  return {};
}

// The socket that the service manager has opened under one of these names, or else one at `path`.
Result<os::Fd> Daemon::Take(std::initializer_list<const char*> names, const std::string& path,
                            std::string_view flag) {
  for (const char* name : names) {
    if (const auto given = sockets_.find(name); given != sockets_.end())
      return std::move(given->second);
  }
  Claim claim = TRY(ClaimSocket(path));
  if (claim.is_served)
    return Fail(Code::kFailedPrecondition,
                "another process serves at {}: stop that one first ('fuser {}' names it), or give "
                "this one another socket with {}",
                path, path, flag);
  claimed_.push_back(path);
  return std::move(claim.listening);
}

Status Daemon::Listen() {
  if (predecessor_) {
    claimed_.assign(predecessor_->sockets().begin(), predecessor_->sockets().end());
    TRY(server_->TakeOver(predecessor_->manager()));
    return controller_server_->Listen(os::TakeCarried(predecessor_->controller()));
  }
  sockets_ = service_manager_.TakeSockets();
  // Who gives one socket without a name can mean no other.
  TRY(server_->Listen(TRY(
      Take({"manager", "unknown", "containerd-wasmtimed.socket"}, config_.listen, "--listen"))));
  return controller_server_->Listen(TRY(Take({"controller"}, config_.controller, "--controller")));
}

void Daemon::RemoveSockets() {
  for (const std::string& path : std::exchange(claimed_, {})) ::unlink(path.c_str());
}

Status Daemon::WatchSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int one : {SIGHUP, SIGTERM, SIGINT}) ::sigaddset(&signals, one);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  signals_ = os::Fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return FailErrno(errno, "signalfd");
  signals_source_ = TRY(loop_->Watch(signals_));
  signals_source_.OnReadable([this] { OnSignals(); });
  return {};
}

void Daemon::OnSignals() {
  struct signalfd_siginfo one;
  while (::read(signals_.get(), &one, sizeof(one)) == sizeof(one)) {
    if (one.ssi_signo == SIGHUP) {
      Reload();
    } else {
      End(static_cast<int>(one.ssi_signo));
    }
  }
}

void Daemon::Reload() {
  service_manager_.Tell("RELOADING=1\n" + MonotonicNow());
  if (const Result<DaemonConfig> fresh = ReadDaemonConfig(flags_); !fresh) {
    log_.Write(task::LogLevel::kError,
               fmt::format("the settings stay as they were: {}", fresh.error().message()));
  } else {
    const auto observe = [](const DaemonConfig& config) {
      return config.observe.empty() ? "off" : fmt::format("{}", fmt::join(config.observe, ", "));
    };
    for (const auto& [name, is, was] : {std::tuple("listen", fresh->listen, config_.listen),
                                        std::tuple("state", fresh->state, config_.state),
                                        std::tuple("observe", observe(*fresh), observe(config_))}) {
      if (is != was)
        log_.Write(task::LogLevel::kWarning,
                   fmt::format("{} is {} only after a restart; it stays {}", name, is, was));
    }
    log_.Change(fresh->log_level, fresh->log_format);
    config_.sandbox = fresh->sandbox;
    log_.Write(task::LogLevel::kInfo, "the settings are read again");
  }
  service_manager_.Tell("READY=1\n" + StatusLine());
}

void Daemon::End(int signal) {
  if (ending_.pending()) return loop_->Stop();
  observation_->BecomeReady(Fail(Code::kUnavailable, "the daemon is ending"));
  service_manager_.Tell("STOPPING=1");
  log_.Write(task::LogLevel::kInfo,
             fmt::format("ending by signal {}: what runs in {} sandboxes is killed", signal,
                         sandboxes_->size()));
  RemoveSockets();
  server_->Stop();
  controller_server_->Stop();
  ending_ = loop_->After(kMostEnding, [this] {
    log_.Write(task::LogLevel::kWarning, "not everything has ended; it is not waited for");
    loop_->Stop();
  });
  sandboxes_->Stop(
      [this](const Status&) { observation_->Flush(kMostTelling, [this] { loop_->Stop(); }); });
}

void Daemon::Freeze() {
  sandboxes_->Freeze();
  server_->Freeze();
  controller_server_->Freeze();
}

void Daemon::Thaw() {
  sandboxes_->Thaw();
  server_->Thaw();
  controller_server_->Thaw();
}

void Daemon::Upgrade(Failed failed) {
  if (ending_.pending()) return failed(Fail(Code::kUnavailable, "the daemon is ending"));
  if (upgrading_) return upgrading_->failed.push_back(std::move(failed));
  if (Status fit = successor_.Check(); !fit) return failed(std::move(fit));
  log_.Write(task::LogLevel::kInfo,
             fmt::format("handing {} sandboxes to {}", sandboxes_->size(), successor_.path()));
  service_manager_.Tell("RELOADING=1\n" + MonotonicNow());
  upgrading_.emplace();
  upgrading_->failed.push_back(std::move(failed));
  // Spans that wait do not outlive this program.
  observation_->Flush(kMostTelling, [this] {
    if (ending_.pending()) return;
    upgrading_->until = std::chrono::steady_clock::now() + kMostHanding;
    Freeze();
    upgrading_->next = loop_->After({}, [this] { TryToHandOver(); });
  });
}

void Daemon::TryToHandOver() {
  Status handed = HandOver();  // Returns only if it failed.
  if (handed.error().code() == Code::kUnavailable &&
      std::chrono::steady_clock::now() < upgrading_->until) {
    upgrading_->next = loop_->After(kBetweenTries, [this] { TryToHandOver(); });
    return;
  }
  log_.Write(task::LogLevel::kError,
             fmt::format("this version goes on: {}", handed.error().message()));
  Thaw();
  service_manager_.Tell("READY=1\n" + StatusLine());
  const std::vector<Failed> waiting = std::move(upgrading_->failed);
  upgrading_.reset();
  for (const Failed& failed : waiting) failed(handed);
}

// Nothing is changed before the last step.
Status Daemon::HandOver() {
  handover::Daemon state;
  os::Carried carried;
  state.set_version(WASMOOR_VERSION);
  for (const std::string& path : claimed_) state.add_sockets(path);
  TRY(host_->hosts().HandOver(state.mutable_hosts(), &carried));
  TRY(sandboxes_->HandOver(&state, &carried));
  pods_->HandOver(&state);
  TRY(server_->HandOver(state.mutable_manager(), &carried));
  handover::Server controller;
  TRY(controller_server_->HandOver(&controller, &carried));
  if (controller.listeners_size() > 0) state.set_controller(controller.listeners(0));
  service_manager_.Restore();
  // Clients of gRPC are told to make another connection; they do so by themselves.
  controller_server_->HangUp();
  Status failed = successor_.Become(std::move(state), &carried);
  service_manager_.TakeBack();
  return failed;
}

void Daemon::KeepAlive() {
  if (service_manager_.watchdog().count() == 0) return;
  service_manager_.Tell("WATCHDOG=1\n" + StatusLine());
  keep_alive_ = loop_->After(service_manager_.watchdog(), [this] { KeepAlive(); });
}

}  // namespace

Status RunDaemon(char* const* arguments, const DaemonFlags& flags) {
  DaemonConfig config = TRY(ReadDaemonConfig(flags));
  if (flags.check) {
    fmt::print("the settings are good; {}\n", Successor::Reads());
    return {};
  }
  Successor::Remember();
  TRY_AS(os::ProtectSelf(arguments), "this program");
  Successor successor = Successor::FromEnvironment(arguments);
  ServiceManager service_manager = TRY(ServiceManager::FromEnvironment());
  TRY(SettleDaemon());
  return Daemon(arguments[0], flags, std::move(config), std::move(service_manager),
                std::move(successor))
      .Run();
}

}  // namespace wasmoor::cmd
