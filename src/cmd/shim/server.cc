#include "cmd/shim/server.h"

#include <google/protobuf/message_lite.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "cmd/engines.h"
#include "cmd/shim/settle.h"
#include "cmd/shim/shim.h"
#include "cmd/shim_line/module_finder.h"
#include "wasmoor/container/kept_modules.h"
#include "wasmoor/containerd/publisher.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/sandbox/process/orphans.h"
#include "wasmoor/sandbox/process/process_sandbox.h"
#include "wasmoor/task/service.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::cmd {
namespace {

// What the work on a request has used is given back to the kernel when there was none for so long:
// most of its life a shim sleeps.
constexpr std::chrono::seconds kQuiet{1};

using Clock = std::chrono::steady_clock;

// How often a shim that serves nobody looks whether it is to go.
constexpr std::chrono::seconds kForgotten{10};
constexpr int kMostIdleLooks = 3;  // Of one that somebody is connected to, and asks nothing of.
constexpr std::chrono::milliseconds kFarewell{500}, kBetweenLooks{2};

class PublishedEvents : public task::Events {
 public:
  PublishedEvents(loop::Loop& loop, containerd::Publisher& publisher, container::KeptModules& kept)
      : loop_(loop), publisher_(publisher), kept_(kept) {}
  void Publish(std::string_view topic, const google::protobuf::MessageLite& event) override {
    publisher_.Publish(topic, event.GetTypeName(), event.SerializeAsString());
    quiet_ = loop_.After(kQuiet, [this] {
      kept_.Forget();
      ::malloc_trim(0);
    });
  }

 private:
  loop::Loop& loop_;
  containerd::Publisher& publisher_;
  container::KeptModules& kept_;
  loop::Timer quiet_;
};

container::WasmOptions WasmFor(const ServerSettings& settings) {
  container::WasmOptions wasm;
  wasm.engine = Engines().front();
  wasm.caches = container::CacheDirectories(settings.state_root);
  wasm.compiler = {settings.program, std::string(Shim::kCompilerWord)};
  return wasm;
}

// The loop of a pod's shim and all that is on it.
class Server {
 public:
  Server(const ServerSettings& settings, const ShimLog& log) : settings_(settings), log_(log) {}

  Status Run(os::Fd listening) {
    // While there is an environment to be read.
    container::WasmOptions wasm = WasmFor(settings_);
    Settle(settings_, log_);
    wasm.kept = &kept_;
    const auto warn = [this](std::string_view line) { log_.Write(Level::kWarning, line); };
    wasm.warn = warn;
    loop_ = TRY(loop::Loop::Create());
    const sandbox::Orphans orphans(*loop_);
    publisher_ = std::make_unique<containerd::Publisher>(
        *loop_, containerd::PublisherOptions{.ttrpc_address = settings_.ttrpc_address,
                                             .name_space = settings_.name_space,
                                             .publish_binary = settings_.publish_binary,
                                             .address = settings_.containerd_address,
                                             .warn = warn});
    PublishedEvents events(*loop_, *publisher_, kept_);
    task::Reporter reporter(events);
    ModuleFinder finder(*loop_, settings_.containerd_address, settings_.name_space, warn);
    const sandbox::ProcessSandboxOptions options = {.loop = *loop_,
                                                    .listener = reporter,
                                                    .name_space = settings_.name_space,
                                                    .state_root = settings_.state_root,
                                                    .wasm = std::move(wasm),
                                                    .find_module = finder.AsFunction(),
                                                    .log = warn};
    const std::unique_ptr<sandbox::Sandbox> sandbox = TRY(sandbox::MakeProcessSandbox(options));
    const std::unique_ptr<sandbox::Pod> pod = TRY(sandbox::MakeProcessPod(options, *sandbox));
    ttrpc::Server server(*loop_);
    task::Service service({.sandbox = *sandbox,
                           .events = events,
                           .pod = pod.get(),
                           .shut_down = [this, &server] { ShutDown(server); }},
                          settings_.options);
    TRY(service.AddTo(&server));
    TRY(server.Listen(std::move(listening)));
    log_.Write(Level::kDebug, fmt::format("serving at {}", settings_.socket_path));
    EndIfForgotten(server, *sandbox, *pod);
    loop_->Run();
    log_.Write(Level::kDebug, "ending");
    return {};
  }

 private:
  void ShutDown(const ttrpc::Server& server) {
    if (ending_.pending()) return;
    // Whoever looks for the pod's shim from now on starts another.
    ::unlink(settings_.socket_path.c_str());
    publisher_->OnIdle([this, &server] { EndWhenAlone(server, Clock::now() + kFarewell); });
    ending_ = loop_->After(containerd::Publisher::kPatience, [this] { loop_->Stop(); });
  }

  // containerd may have been killed after it has started this and before it has asked for anything,
  // or between its last question and Shutdown: then nobody knows of this process any more. (1.6 may
  // find it again, and stay connected without ever asking.)
  void EndIfForgotten(const ttrpc::Server& server, const sandbox::Sandbox& sandbox,
                      const sandbox::Pod& pod) {
    forgotten_ = loop_->After(kForgotten, [this, &server, &sandbox, &pod] {
      const bool is_idle = sandbox.Ids().empty() && !pod.info().running && server.open_calls() == 0;
      idle_looks_ = is_idle ? idle_looks_ + 1 : 0;
      if (is_idle && (server.connections() == 0 || idle_looks_ >= kMostIdleLooks))
        return ShutDown(server);
      EndIfForgotten(server, sandbox, pod);
    });
  }

  // Whoever asked hangs up once the answer has arrived. A client in Go that sees both at once may
  // take the end of the connection for the answer (ttrpc: closed).
  void EndWhenAlone(const ttrpc::Server& server, Clock::time_point at_last) {
    if (server.connections() == 0 || Clock::now() >= at_last) return loop_->Stop();
    ending_ =
        loop_->After(kBetweenLooks, [this, &server, at_last] { EndWhenAlone(server, at_last); });
  }

  const ServerSettings& settings_;
  const ShimLog& log_;
  container::KeptModules kept_;
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<containerd::Publisher> publisher_;
  loop::Timer ending_, forgotten_;
  int idle_looks_ = 0;
};

}  // namespace

int RunServer(const ServerSettings& settings, os::Fd listening) {
  const ShimLog log(settings.bundle, settings.options.log_level, settings.name_space,
                    settings.group);
  if (const Status served = Server(settings, log).Run(std::move(listening)); !served) {
    log.Write(Level::kError, served.error().message());
    ::unlink(settings.socket_path.c_str());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace wasmoor::cmd
