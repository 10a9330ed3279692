#include "wasmoor/serve/server.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

#include "serve/names.h"
#include "serve/worker.h"
#include "wasmoor/loop/acceptor.h"
#include "wasmoor/os/limit.h"
#include "wasmoor/os/scheduling.h"
#include "wasmoor/os/socket.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::serve {
namespace {

constexpr std::array kEnding = {SIGTERM, SIGINT};
// Of a descriptor, what is left for everything but connections.
constexpr uint64_t kOtherDescriptors = 256;

// A handler has no argument. What is written to it is a server's sign to drain.
int ending_fd = -1;

void OnEndingSignal(int) {
  const int before = errno;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(ending_fd, &one, sizeof one);
  errno = before;
}

void HandleEndingSignals() {
  struct sigaction action = {};
  action.sa_handler = OnEndingSignal;
  sigfillset(&action.sa_mask);
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  for (const int signal : kEnding) ::sigaction(signal, &action, nullptr);
}

// What guests reach. Lines are written whole, one after the other.
class Reach : public wasm::HttpHost {
 public:
  Reach(const Settings& settings, const ServingThread* on_thread) : settings_(settings) {
    if (on_thread == nullptr) return;
    output_ = on_thread->output;
    error_ = on_thread->error;
    on_other_thread_ = on_thread->on_other_thread;
  }

  void Log(int stream, std::string_view lines) override {
    const std::lock_guard lock(mutex_);
    while (!lines.empty()) {
      const ssize_t size =
          ::write(stream == STDOUT_FILENO ? output_ : error_, lines.data(), lines.size());
      if (size < 0 && errno == EINTR && !hurried_) continue;
      if (size <= 0) return;  // If nobody reads it, nobody minds.
      lines.remove_prefix(size);
    }
  }
  bool MayAsk(std::string_view host, uint16_t port) override {
    return settings_.MayAsk(host, port);
  }
  std::vector<Address> Resolve(std::string_view name) override { return names_.Find(name); }
  void OnThread(bool begins) override {
    if (on_other_thread_) on_other_thread_(begins);
  }

  void Hurry() { hurried_ = true; }
  bool hurried() const { return hurried_; }

 private:
  const Settings settings_;
  int output_ = STDOUT_FILENO, error_ = STDERR_FILENO;
  std::function<void(bool)> on_other_thread_;
  std::atomic<bool> hurried_ = false;
  std::mutex mutex_;
  Names names_;
};

class HttpServer : public Server {
 public:
  HttpServer(std::string name, Settings settings, const ServingThread* on_thread)
      : name_(std::move(name)),
        settings_(std::move(settings)),
        reach_(std::make_shared<Reach>(settings_, on_thread)) {}

  Status Open(const wasm::Module& module, const wasi::Grants& grants, const wasm::Limits& limits,
              const ServingThread* on_thread);
  std::string address() const override { return address_; }
  Status Run() override;
  Status Serve() override;
  const os::Fd& bell() const override { return ending_; }
  void Hurry() override { reach_->Hurry(); }

 private:
  Status Listen();
  Worker& LeastBusy() const;
  void Drain();

  const std::string name_;
  Settings settings_;
  const std::shared_ptr<Reach> reach_;
  os::Fd listener_, ending_;
  std::string address_;
  std::unique_ptr<wasm::HttpHandler> handler_;
  std::vector<std::unique_ptr<Worker>> workers_;  // The first is this thread's.
  std::unique_ptr<loop::Acceptor> acceptor_;
  loop::Source signals_;
  loop::Timer grace_;
  size_t draining_ = 0;  // Workers.
};

Status HttpServer::Open(const wasm::Module& module, const wasi::Grants& grants,
                        const wasm::Limits& limits, const ServingThread* on_thread) {
  listener_ = TRY(os::ListenTcp(settings_.listen));
  address_ = TRY(os::LocalAddress(listener_));
  ending_ = os::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ending_.valid()) return FailErrno(errno, "eventfd");

  if (on_thread != nullptr) settings_.threads = 1;
  const uint32_t threads = settings_.threads > 0 ? settings_.threads : os::CpuCount();
  const uint32_t at_once = std::max(1U, settings_.requests / threads);
  uint64_t descriptors = os::GetLimit(RLIMIT_NOFILE).soft;
  if (on_thread != nullptr && on_thread->descriptors > 0)
    descriptors = std::min(descriptors, on_thread->descriptors);
  const uint64_t most =
      descriptors > 2 * kOtherDescriptors ? descriptors - kOtherDescriptors : kOtherDescriptors;
  settings_.http.connections =
      std::max<size_t>(1, std::min<uint64_t>(settings_.http.connections, most) / threads);

  wasm::HttpOptions options;
  options.grants = &grants;
  options.limits = limits;
  options.pool.instances = at_once * threads;
  options.host = reach_;
  if (on_thread != nullptr) {
    options.process = wasm::HttpOptions::Process::kShared;
    options.memory_pool = on_thread->memory_pool;
    options.on_tick = on_thread->on_tick;
  }
  handler_ = TRY(module.NewHttpHandler(options));
  const auto say = [reach = reach_](std::string_view lines) { reach->Log(STDERR_FILENO, lines); };
  for (uint32_t i = 0; i < threads; ++i)
    workers_.push_back(
        TRY(Worker::Create({*handler_, settings_, at_once, name_, say, threads > 1})));
  return {};
}

Worker& HttpServer::LeastBusy() const {
  const auto fewer = [](const auto& left, const auto& right) {
    return left->connections() < right->connections();
  };
  return **std::min_element(workers_.begin(), workers_.end(), fewer);
}

void HttpServer::Drain() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(ending_.get(), &count, sizeof count);
  if (reach_->hurried()) return workers_.front()->Stop();
  if (acceptor_ == nullptr) return;  // Already at it.
  acceptor_.reset();
  listener_.Close();
  Worker& here = *workers_.front();
  draining_ = workers_.size();
  for (const auto& worker : workers_) {
    worker->Drain([this, &here] {
      here.loop().Post([this, &here] {
        if (--draining_ == 0) here.Stop();
      });
    });
  }
  grace_ = here.loop().After(settings_.grace, [&here] { here.Stop(); });
}

Status HttpServer::Listen() {
  loop::Loop& loop = workers_.front()->loop();
  signals_ = TRY(loop.Watch(ending_));
  signals_.OnReadable([this] { Drain(); });
  acceptor_ = TRY(loop::Acceptor::Create(
      loop, listener_, [this](os::Fd connection) { LeastBusy().Take(std::move(connection)); }));
  return {};
}

Status HttpServer::Serve() {
  TRY(Listen());
  workers_.front()->Run();
  return {};
}

Status HttpServer::Run() {
  TRY(Listen());
  ending_fd = ending_.get();

  // Signals are for this thread.
  sigset_t ending, before;
  sigemptyset(&ending);
  for (const int signal : kEnding) sigaddset(&ending, signal);
  ::pthread_sigmask(SIG_BLOCK, &ending, &before);
  std::vector<std::thread> threads;
  for (size_t i = 1; i < workers_.size(); ++i)
    threads.emplace_back([worker = workers_[i].get()] { worker->Run(); });
  HandleEndingSignals();
  ::pthread_sigmask(SIG_UNBLOCK, &ending, nullptr);

  workers_.front()->Run();
  for (size_t i = 1; i < workers_.size(); ++i) workers_[i]->Stop();
  for (std::thread& one : threads) one.join();
  return {};
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Create(const wasm::Module& module, std::string_view name,
                                               const wasi::Grants& grants,
                                               const wasm::Limits& limits, const Settings& settings,
                                               const ServingThread* on_thread) {
  auto server = std::make_unique<HttpServer>(std::string(name), settings, on_thread);
  TRY(server->Open(module, grants, limits, on_thread));
  return server;
}

}  // namespace wasmoor::serve
