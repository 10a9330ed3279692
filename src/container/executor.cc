#include "wasmoor/container/executor.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "container/compiler.h"
#include "container/finder.h"
#include "container/grants.h"
#include "container/limits.h"
#include "container/selection.h"
#include "container/wasm_program.h"
#include "wasmoor/os/file.h"
#include "wasmoor/program/program.h"
#include "wasmoor/program/source.h"
#include "wasmoor/seccomp/guest.h"

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

Result<program::Source> OpenSource(const jail::ProgramRequest& request, const Entrypoint& entry) {
  ProgramFile found = TRY(FindProgram(request, entry.path));
  auto source = program::TakeSource(found.path, std::move(found.file));
  if (source) return source;
  return Fail(source.error().code(), "{} ({})", source.error().message(),
              Advice(request, entry.path));
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
  const auto found = FindProgram(request, entry.path);
  return found && IsWasm(*found);
}

Result<std::unique_ptr<jail::Program>> WasmExecutor::Prepare(
    const jail::ProgramRequest& request) const {
  const oci::Process& process = request.process;
  if (process.args.empty()) return Fail(Code::kInvalidArgument, "process.args: is empty");
  const Entrypoint entry = ParseEntrypoint(process.args.front());
  const program::Source source = TRY(OpenSource(request, entry));

  GuestPlan plan;
  plan.host = program::NewHost();
  const auto engine =
      TRY(options_.engine.create({.parallel_compile = false, .host = plan.host.table}));
  EngineDescriptors descriptors;
  plan.module = TRY(LoadModule(options_, *engine, source)).module;
  // Links it, once and for all: what it imports is looked up here, where an operator hears of it.
  TRY_AS(plan.module->NewInstance({}), "{}", source.name);
  descriptors.Find();
  plan.limits = LimitsOf(request.spec.on_linux);
  plan.arguments = process.args;
  plan.arguments.front() = entry.path;
  plan.function = entry.function;
  plan.environment = EnvironmentOf(process.env, process.cwd);
  for (const oci::Mount& mount : request.spec.mounts) plan.mounts.push_back(mount.destination);
  plan.visible_to_its_user = ::geteuid() != 0;
  plan.filter = seccomp::GuestProgram(plan.module->kind() == wasm::ModuleKind::kComponent
                                          ? seccomp::GuestKind::kComponent
                                          : seccomp::GuestKind::kModule);
  return std::make_unique<WasmProgram>(std::move(plan), std::move(descriptors));
}

}  // namespace wasmoor::container
