#include "wasmoor/container/executor.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "container/finder.h"
#include "container/grants.h"
#include "container/http_program.h"
#include "container/limits.h"
#include "container/module_loading.h"
#include "container/selection.h"
#include "container/wasm_program.h"
#include "wasmoor/os/file.h"
#include "wasmoor/program/program.h"
#include "wasmoor/program/source.h"
#include "wasmoor/seccomp/guest.h"
#include "wasmoor/serve/server.h"

namespace wasmoor::container {
namespace {

bool IsWasm(const ProgramFile& program) {
  std::array<uint8_t, kHeadBytes> head;
  const auto size = os::ReadAt(program.file, head, 0);
  return size && LooksLikeWasm(program.path, std::span(head).first(*size));
}

// Why a program that is none was tried, and what to do.
std::string Advice(const jail::ProgramRequest& request, const std::string& path) {
  if (!request.is_first)
    return "the container is one of WebAssembly, in which nothing else runs: its processes have a "
           "guest's rights; exec a .wasm file of its root filesystem";
  return fmt::format(
      "the container is marked as WebAssembly by its annotation {}: give it a .wasm file, or "
      "remove "
      "the annotation",
      MarkingAnnotation(request.spec.annotations, path));
}

// A file that is given is given with its name.
Result<ProgramFile> FindOrTake(const jail::ProgramRequest& request, const Entrypoint& entry) {
  if (request.file == nullptr) return FindProgram(request, entry.path);
  // A descriptor of its own: another may read from this one, too.
  const std::string again = fmt::format("/proc/self/fd/{}", request.file->get());
  return ProgramFile{
      .path = entry.path,
      .file = TRY_AS(os::OpenAt(os::Fd(), again.c_str(), O_RDONLY), "{}", entry.path)};
}

Result<program::Source> OpenSource(const jail::ProgramRequest& request, const Entrypoint& entry) {
  ProgramFile found = TRY(FindOrTake(request, entry));
  auto source = program::TakeSource(found.path, std::move(found.file));
  if (source) return source;
  return Fail(source.error().code(), "{} ({})", source.error().message(),
              Advice(request, entry.path));
}

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
  GuestPlan Plan(std::shared_ptr<const LoadedModule> loaded);

  const WasmOptions& options_;
  const jail::ProgramRequest& request_;
  const Entrypoint entry_;
  program::Source source_;
  std::optional<ModuleLoading> loading_;
};

Result<std::optional<std::unique_ptr<jail::Program>>> WasmPreparation::Advance() {
  if (!loading_) {
    source_ = TRY(OpenSource(request_, entry_));
    loading_.emplace(
        options_, source_,
        entry_.function.empty() ? ModuleLoading::Use::kProgram : ModuleLoading::Use::kLibrary);
  }
  auto loaded = TRY(loading_->Advance());
  if (!loaded) return std::nullopt;
  return Finish(*std::move(loaded));
}

GuestPlan WasmPreparation::Plan(std::shared_ptr<const LoadedModule> loaded) {
  const oci::Process& process = request_.process;
  GuestPlan plan;
  plan.loaded = std::move(loaded);
  plan.limits = Within(options_.guest, LimitsOf(request_.spec.on_linux));
  plan.arguments = process.args;
  plan.arguments.front() = entry_.path;
  plan.function = entry_.function;
  plan.environment = EnvironmentOf(process.env, process.cwd);
  for (const oci::Mount& mount : request_.spec.mounts) plan.mounts.push_back(mount.destination);
  plan.visible_to_its_user = ::geteuid() != 0;
  return plan;
}

Result<std::unique_ptr<jail::Program>> WasmPreparation::Finish(
    std::shared_ptr<const LoadedModule> loaded) {
  GuestPlan plan = Plan(std::move(loaded));
  if (plan.loaded->serves) {
    serve::Settings settings = TRY(serve::SettingsFrom(
        plan.environment, TRY(ServerDefaults(request_.spec.on_linux, options_.guest))));
    return MakeHttpProgram(std::move(plan), std::move(settings));
  }
  // Of the container's own limit, which an operator's may be below.
  const wasm::Limits own = LimitsOf(request_.spec.on_linux);
  if (request_.out_of_memory != nullptr && HasMemoryLimit(request_.spec.on_linux) &&
      plan.limits.memory_bytes == own.memory_bytes)
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
  if (request.process.args.empty()) return false;
  if (!request.is_first && request.made_by == kName) return true;
  const Entrypoint entry = ParseEntrypoint(request.process.args.front());
  if (request.is_first) {
    const Mark mark = MarkOf(request.spec.annotations, entry.path);
    if (mark != Mark::kNone) return mark == Mark::kWasm;
  }
  const auto found = FindOrTake(request, entry);
  return found && IsWasm(*found);
}

Result<std::unique_ptr<jail::Preparation>> WasmExecutor::Prepare(
    const jail::ProgramRequest& request) const {
  if (request.process.args.empty()) return Fail(Code::kInvalidArgument, "process.args: is empty");
  return std::make_unique<WasmPreparation>(options_, request);
}

}  // namespace wasmoor::container
