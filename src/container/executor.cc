#include "wasmoor/container/executor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "container/guest_plan.h"
#include "container/http_program.h"
#include "container/module_loading.h"
#include "container/program_source.h"
#include "container/selection.h"
#include "container/wasm_program.h"
#include "wasmoor/os/file.h"
#include "wasmoor/program/program.h"
#include "wasmoor/program/source.h"
#include "wasmoor/seccomp/guest.h"
#include "wasmoor/serve/server.h"

namespace wasmoor::container {
namespace {

// From a file to a guest's plan.
class WasmPreparation : public jail::Preparation {
 public:
  WasmPreparation(const WasmOptions& options, const jail::ProgramRequest& request)
      : options_(options),
        request_(request),
        entry_(ParseEntrypoint(request.process.args.front())) {}

  const os::Fd& waits_for() const override { return loading_->waits_for(); }
  Result<std::optional<std::unique_ptr<jail::Program>>> Advance() override;

 private:
  Result<std::unique_ptr<jail::Program>> Finish(std::shared_ptr<const LoadedModule> loaded);

  const WasmOptions& options_;
  const jail::ProgramRequest& request_;
  const Entrypoint entry_;
  program::Source source_;
  std::optional<ModuleLoading> loading_;
};

Result<std::optional<std::unique_ptr<jail::Program>>> WasmPreparation::Advance() {
  if (!loading_) {
    source_ = TRY(OpenProgram(request_, entry_));
    loading_.emplace(
        options_, source_,
        entry_.function.empty() ? ModuleLoading::Use::kProgram : ModuleLoading::Use::kLibrary);
  }
  auto loaded = TRY(loading_->Advance());
  if (!loaded) return std::nullopt;
  return Finish(*std::move(loaded));
}

Result<std::unique_ptr<jail::Program>> WasmPreparation::Finish(
    std::shared_ptr<const LoadedModule> loaded) {
  GuestPlan plan = PlanGuest(options_.guest, request_, entry_, std::move(loaded));
  if (plan.loaded->serves) {
    serve::Settings settings = TRY(serve::SettingsFrom(
        plan.environment, TRY(ServerDefaults(request_.spec.on_linux, options_.guest))));
    return MakeHttpProgram(std::move(plan), std::move(settings));
  }
  if (request_.out_of_memory != nullptr && IsBoundByContainer(plan, request_.spec.on_linux))
    plan.out_of_memory = TRY(os::Duplicate(*request_.out_of_memory));
  plan.filter = seccomp::GuestProgram(plan.loaded->module->kind() == wasm::ModuleKind::kComponent
                                          ? seccomp::GuestKind::kComponent
                                          : seccomp::GuestKind::kModule);
  return std::make_unique<WasmProgram>(std::move(plan));
}

}  // namespace

std::vector<std::filesystem::path> CacheDirectories(const std::filesystem::path& state_root) {
  std::vector<std::filesystem::path> directories;
  const auto add = [&](std::filesystem::path directory) {
    if (std::find(directories.begin(), directories.end(), directory) == directories.end())
      directories.push_back(std::move(directory));
  };
  if (auto usual = wasm::DefaultCacheDirectory()) add(*std::move(usual));
  if (::geteuid() == 0) add("/var/cache/wasmoor/modules");
  // No container is called so: their names do not begin with a dot.
  add(state_root / ".modules");
  return directories;
}

WasmExecutor::WasmExecutor(WasmOptions options) : options_(std::move(options)) {}

bool WasmExecutor::CanHandle(const jail::ProgramRequest& request) const {
  return IsForWasm(request).value_or(false);
}

Result<std::unique_ptr<jail::Preparation>> WasmExecutor::Prepare(
    const jail::ProgramRequest& request) const {
  if (request.process.args.empty()) return Fail(Code::kInvalidArgument, "process.args: is empty");
  return std::make_unique<WasmPreparation>(options_, request);
}

}  // namespace wasmoor::container
