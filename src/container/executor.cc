#include "wasmoor/container/executor.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include "container/compiler.h"
#include "container/finder.h"
#include "container/grants.h"
#include "container/http_program.h"
#include "container/limits.h"
#include "container/selection.h"
#include "container/wasm_program.h"
#include "wasmoor/os/file.h"
#include "wasmoor/program/program.h"
#include "wasmoor/program/source.h"
#include "wasmoor/seccomp/guest.h"
#include "wasmoor/serve/server.h"
#include "wasmoor/wasm/http.h"

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
  Status Begin(wasm::EngineOptions engine);
  Result<std::unique_ptr<jail::Program>> Finish(wasm::Cache::Found found);
  GuestPlan Plan(wasm::Cache::Found found);
  // Is it to be served, where nobody asked for one of its exports?
  bool Serves(const wasm::Module& module) const;

  const WasmOptions& options_;
  const jail::ProgramRequest& request_;
  const Entrypoint entry_;
  program::Host host_ = program::NewHost();
  program::Source source_;
  std::unique_ptr<wasm::Engine> engine_;
  std::optional<EngineDescriptors> descriptors_{std::in_place};
  std::optional<ModuleLoading> loading_;
  bool serves_ = false;  // And is being loaded, or is loaded, for that.
};

Status WasmPreparation::Begin(wasm::EngineOptions engine) {
  engine.parallel_compile = false;
  engine.host = host_.table;
  descriptors_->Look();
  engine_ = TRY(options_.engine.create(engine));
  TRY(descriptors_->Find());
  loading_.emplace(options_, *engine_, engine.sharing, source_, &*descriptors_);
  return {};
}

Result<std::optional<std::unique_ptr<jail::Program>>> WasmPreparation::Advance() {
  if (!loading_) {
    source_ = TRY(OpenSource(request_, entry_));
    TRY(Begin({}));
  }
  auto found = TRY(loading_->Advance());
  if (found && !serves_ && Serves(*found->module)) {
    // Its guests share a process, which is other code. The pool is the server's own.
    serves_ = true;
    found.reset();
    loading_.reset();
    engine_.reset();
    descriptors_.emplace();
    TRY(Begin({.sharing = wasm::Sharing::kManyGuests, .pool = {.instances = 0}}));
    found = TRY(loading_->Advance());
  }
  if (!found) return std::nullopt;
  return Finish(*std::move(found));
}

bool WasmPreparation::Serves(const wasm::Module& module) const {
  return entry_.function.empty() && module.kind() == wasm::ModuleKind::kComponent &&
         wasm::ServesHttp(module.Exports());
}

GuestPlan WasmPreparation::Plan(wasm::Cache::Found found) {
  const oci::Process& process = request_.process;
  GuestPlan plan;
  plan.host = std::move(host_);
  plan.module = std::move(found.module);
  plan.limits = LimitsOf(request_.spec.on_linux);
  plan.arguments = process.args;
  plan.arguments.front() = entry_.path;
  plan.function = entry_.function;
  plan.environment = EnvironmentOf(process.env, process.cwd);
  for (const oci::Mount& mount : request_.spec.mounts) plan.mounts.push_back(mount.destination);
  plan.visible_to_its_user = ::geteuid() != 0;
  return plan;
}

Result<std::unique_ptr<jail::Program>> WasmPreparation::Finish(wasm::Cache::Found found) {
  GuestPlan plan = Plan(std::move(found));
  if (serves_) {
    serve::Settings settings =
        TRY(serve::SettingsFrom(plan.environment, ServerDefaults(request_.spec.on_linux)));
    return MakeHttpProgram(std::move(plan), std::move(settings), *std::move(descriptors_));
  }
  if (request_.out_of_memory != nullptr && HasMemoryLimit(request_.spec.on_linux))
    plan.out_of_memory = TRY(os::Duplicate(*request_.out_of_memory));
  // Links it, once and for all: what it imports is looked up here, where an operator hears of it.
  descriptors_->Look();
  TRY_AS(plan.module->NewInstance({}), "{}", source_.name);
  TRY(descriptors_->Find());
  plan.filter = seccomp::GuestProgram(plan.module->kind() == wasm::ModuleKind::kComponent
                                          ? seccomp::GuestKind::kComponent
                                          : seccomp::GuestKind::kModule);
  return std::make_unique<WasmProgram>(std::move(plan), *std::move(descriptors_));
}

}  // namespace

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
