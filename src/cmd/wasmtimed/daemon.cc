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
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cmd/shim_line/address.h"
#include "cmd/wasmtimed/daemon_log.h"
#include "cmd/wasmtimed/observation.h"
#include "cmd/wasmtimed/process_host.h"
#include "cmd/wasmtimed/service_manager.h"
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
         ServiceManager service_manager)
      : program_(std::move(program)),
        flags_(flags),
        config_(std::move(config)),
        service_manager_(std::move(service_manager)),
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
  Status Observe();
  Status Listen();
  void RemoveSockets();
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
  DaemonLog log_;
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<Observation> observation_;  // Is told by all below.
  std::unique_ptr<ProcessHost> host_;
  std::unique_ptr<node::Sandboxes> sandboxes_;
  std::unique_ptr<node::Manager> manager_;
  std::unique_ptr<ttrpc::Server> server_;
  std::unique_ptr<node::Pods> pods_;
  std::unique_ptr<controller::Service> controller_;
  std::unique_ptr<grpc::Server> controller_server_;
  os::Fd signals_;
  loop::Source signals_source_;  // Destroyed before what it watches.
  loop::Timer keep_alive_, ending_;
  std::map<std::string, os::Fd> sockets_;  // Of the service manager.
  std::vector<std::string> claimed_;       // Paths, to be removed.
};

Status Daemon::Run() {
  loop_ = TRY(loop::Loop::Create());
  TRY(WatchSignals());
  observation_ = std::make_unique<Observation>(
      *loop_, [this](std::string_view line) { log_.Write(task::LogLevel::kWarning, line); });
  observation_->Trace([](const char* name) { return ::getenv(name); });
  host_ = std::make_unique<ProcessHost>(*loop_, program_, log_);
  TRY_AS(host_->Prepare(), "the host of guests");
  TRY(OpenSandboxes());
  manager_ = std::make_unique<node::Manager>(*sandboxes_, config_.sandbox);
  server_ = std::make_unique<ttrpc::Server>(*loop_);
  TRY(manager_->AddTo(server_.get()));
  pods_ = std::make_unique<node::Pods>(
      *loop_, *sandboxes_, config_.sandbox,
      node::Pods::Containerd{.address = config_.containerd,
                             .ttrpc_address = config_.containerd + ".ttrpc"});
  controller_ = std::make_unique<controller::Service>(*loop_, *pods_);
  controller_server_ = std::make_unique<grpc::Server>(*loop_);
  TRY(controller_server_->Add(*controller_));
  TRY(Listen());
  TRY(Observe());
  log_.Write(task::LogLevel::kInfo, fmt::format("serving at {}", config_.listen));
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
  return sandboxes_->ForgetRest([this](const node::Record& record) {
    log_.Write(task::LogLevel::kWarning,
               "a daemon that ended has left it; containerd has its containers removed",
               &record.place.key);
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

void Daemon::KeepAlive() {
  if (service_manager_.watchdog().count() == 0) return;
  service_manager_.Tell("WATCHDOG=1\n" + StatusLine());
  keep_alive_ = loop_->After(service_manager_.watchdog(), [this] { KeepAlive(); });
}

}  // namespace

Status RunDaemon(char* const* arguments, const DaemonFlags& flags) {
  DaemonConfig config = TRY(ReadDaemonConfig(flags));
  TRY_AS(os::ProtectSelf(arguments), "this program");
  ServiceManager service_manager = TRY(ServiceManager::FromEnvironment());
  TRY(SettleDaemon());
  return Daemon(arguments[0], flags, std::move(config), std::move(service_manager)).Run();
}

}  // namespace wasmoor::cmd
