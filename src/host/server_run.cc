#include "host/server_run.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "container/grants.h"
#include "container/http_program.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/os/thread.h"

namespace wasmoor::host {
namespace {

constexpr int kBell = SIGUSR1;
constexpr int kSignalStatus = 128, kCannotServe = 126;
// With an instance at once: each is a dozen mappings, of which a process has some 65,000
// (vm.max_map_count), and its guests share them.
constexpr uint32_t kMostRequests = 64;

// A signal's handler has no argument. The bell of the server that the thread runs.
thread_local int bell = -1;

void Ring(int) {
  const int before = errno;
  const uint64_t one = 1;
  if (bell >= 0) {
    [[maybe_unused]] const ssize_t written = ::write(bell, &one, sizeof one);
  }
  errno = before;
}

void LetBellIn(int how) {
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, kBell);
  ::pthread_sigmask(how, &only, nullptr);
}

void Say(int stream, const std::string& text) {
  [[maybe_unused]] const ssize_t written = ::write(stream, text.data(), text.size());
}

bool Drains(int signal) { return signal == SIGTERM || signal == SIGINT; }

}  // namespace

void ServerRun::CatchBells() {
  struct sigaction action = {};
  action.sa_handler = Ring;
  sigfillset(&action.sa_mask);
  action.sa_flags = SA_ONSTACK;
  ::sigaction(kBell, &action, nullptr);
}

Result<std::unique_ptr<ServerRun>> ServerRun::Make(Parts parts) {
  std::unique_ptr<ServerRun> run(new ServerRun(std::move(parts)));
  TRY(run->Open());
  return run;
}

Status ServerRun::Open() {
  const container::GuestPlan& plan = parts_.plan;
  wasi::Grants grants;
  grants.arguments = plan.arguments;
  grants.environment = plan.environment;
  grants.preopens = TRY(container::OpenTree());
  memory_.max = plan.limits.memory_bytes;
  memory_.above = parts_.pool;
  const serve::ServingThread on_thread = {
      .output = parts_.output,
      .error = parts_.error,
      .descriptors = parts_.descriptors,
      .memory_pool = &memory_,
      .on_tick = parts_.on_tick,
      .on_other_thread = [this](bool begins) { OnOtherThread(begins); }};
  server_ = TRY(serve::Server::Create(*plan.loaded->module, plan.arguments.front(), grants,
                                      plan.limits, parts_.settings, &on_thread));
  return {};
}

container::GuestEnd ServerRun::Run() {
  const std::string name = Printable(parts_.plan.arguments.front());
  Say(parts_.error, fmt::format("wasmoor: {}: serving HTTP on {}\n", name, server_->address()));
  bell = server_->bell().get();
  LetBellIn(SIG_UNBLOCK);
  const Status served = server_->Serve();
  LetBellIn(SIG_BLOCK);
  bell = -1;
  if (!served) {
    Say(parts_.error, fmt::format("wasmoor: {}: {}\n", name, served.error().message()));
    return {.status = kCannotServe};
  }
  const int signal = ended_by_;
  return {.status = signal == 0 || Drains(signal) ? EXIT_SUCCESS : kSignalStatus + signal};
}

// SIGTERM and SIGINT let what runs end, as in a process of its own; whatever else ends a process
// does so at once.
void ServerRun::Stop(int signal) {
  int none = 0;
  if (!ended_by_.compare_exchange_strong(none, signal) && Drains(none) && !Drains(signal))
    ended_by_ = signal;
  if (!Drains(signal)) server_->Hurry();
  ::pthread_kill(thread_, kBell);
}

void ServerRun::OnOtherThread(bool begins) {
  const std::lock_guard lock(mutex_);
  if (begins) return others_.push_back(::gettid());
  std::erase(others_, ::gettid());
  others_ended_ += os::OwnThreadTime();
}

std::chrono::nanoseconds ServerRun::other_time() const {
  const std::lock_guard lock(mutex_);
  std::chrono::nanoseconds sum = others_ended_;
  for (const pid_t one : others_) sum += os::ThreadTime(one);
  return sum;
}

Result<serve::Settings> SettingsForThread(const oci::Linux& config,
                                          const container::GuestBounds& bounds,
                                          const container::GuestPlan& plan) {
  serve::Settings settings =
      TRY(serve::SettingsFrom(plan.environment, TRY(container::ServerDefaults(config, bounds))));
  settings.requests = std::min(settings.requests, kMostRequests);
  return settings;
}

}  // namespace wasmoor::host
