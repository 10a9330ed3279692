#include "cmd/wasmtimed/process_host.h"

#include <malloc.h>

#include <chrono>
#include <utility>

#include "cmd/engines.h"
#include "cmd/shim_line/module_finder.h"
#include "cmd/shim_line/shim_line.h"
#include "cmd/wasmtimed/wasmtimed.h"

namespace wasmoor::cmd {
namespace {

// What the work on a request has used is given back to the kernel when there was none for so long.
constexpr std::chrono::seconds kQuiet{1};

}  // namespace

ProcessHost::ProcessHost(loop::Loop& loop, std::string program, const DaemonLog& log)
    : loop_(loop), program_(std::move(program)), log_(log), orphans_(loop) {}

Status ProcessHost::Prepare(std::chrono::seconds deadline, const handover::Hosts* before) {
  hosts_ = TRY(sandbox::Hosts::Create(
      {.loop = loop_,
       .words = {program_, std::string(kHostWord)},
       .deadline = deadline,
       .log = [this](std::string_view line) { log_.Write(task::LogLevel::kWarning, line); }}));
  if (before != nullptr) hosts_->TakeOver(*before);
  return hosts_->Prepare();
}

void ProcessHost::ClearPod(const node::Sandboxes& sandboxes, const node::Key& key) {
  const auto cleared = sandbox::ClearContainer(ContainersOf(key.name_space), key.id,
                                               sandboxes.DirectoryOf(key) + "/pod");
  if (!cleared) log_.Write(task::LogLevel::kWarning, cleared.error().message(), &key);
}

Result<std::shared_ptr<const jail::Containers>> ProcessHost::ContainersIn(
    const std::string& name_space) {
  std::weak_ptr<const jail::Containers>& known = containers_[name_space];
  if (auto open = known.lock()) return open;
  auto opened = TRY(sandbox::OpenContainers(ContainersOf(name_space)));
  known = opened;
  return opened;
}

Result<node::Parts> ProcessHost::Make(const node::Place& place, sandbox::Listener& listener) {
  const auto warn = [this, key = place.key](std::string_view line) {
    log_.Write(task::LogLevel::kWarning, line, &key);
  };
  node::Parts parts;
  auto finder =
      std::make_shared<ModuleFinder>(loop_, place.containerd_address, place.key.name_space, warn);
  const std::string root = ContainersOf(place.key.name_space);
  container::WasmOptions wasm;
  wasm.engine = Engines().front();
  wasm.caches = container::CacheDirectories(root);
  wasm.compiler = {program_, std::string(kCompilerWord)};
  wasm.kept = &kept_;
  wasm.warn = warn;
  const sandbox::ProcessSandboxOptions options = {
      .loop = loop_,
      .listener = listener,
      .name_space = place.key.name_space,
      .state_root = root,
      .containers = TRY(ContainersIn(place.key.name_space)),
      .wasm = std::move(wasm),
      .find_module = finder->AsFunction(),
      .log = warn};
  parts.others = std::move(finder);
  parts.sandbox = sandbox::MakeInprocSandbox(
      {.loop = loop_,
       .hosts = *hosts_,
       .listener = listener,
       .name_space = place.key.name_space,
       .pod = place.key.id,
       .find_module = options.find_module,
       .log = [this, key = place.key](
                  std::string_view line) { log_.Write(task::LogLevel::kDebug, line, &key); },
       .processes = TRY(sandbox::MakeProcessSandbox(options))});
  parts.pod =
      sandbox::CountGuests(TRY(sandbox::MakeProcessPod(options, *parts.sandbox)), *parts.sandbox);
  return parts;
}

void ProcessHost::OnActivity() {
  quiet_ = loop_.After(kQuiet, [this] {
    kept_.Forget();
    std::erase_if(containers_, [](const auto& known) { return known.second.expired(); });
    ::malloc_trim(0);
  });
}

}  // namespace wasmoor::cmd
