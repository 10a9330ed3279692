#include "container/guest_plan.h"

#include <unistd.h>

#include <csignal>
#include <span>
#include <string_view>

#include "container/grants.h"
#include "container/limits.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/base/units.h"
#include "wasmoor/program/report.h"

namespace wasmoor::container {
namespace {

constexpr int kCannotRun = 126;  // As env(1) has it.
constexpr int kKilled = 128 + SIGKILL;

void Say(int stream, std::string_view text) {
  [[maybe_unused]] const ssize_t written = ::write(stream, text.data(), text.size());
}

// "add(1, 2)": a component takes its arguments in the call itself.
std::string CallOf(const std::string& function, std::span<const std::string> arguments) {
  if (function.find('(') != std::string::npos) return function;
  std::string call = function + "(";
  for (size_t i = 0; i < arguments.size(); ++i) call += (i > 0 ? ", " : "") + arguments[i];
  return call + ")";
}

wasm::Invocation InvocationOf(const GuestPlan& plan) {
  const std::span<const std::string> arguments = std::span(plan.arguments).subspan(1);
  wasm::Invocation invocation;
  if (plan.function.empty()) return invocation;
  if (plan.loaded->module->kind() == wasm::ModuleKind::kComponent) {
    invocation.function = CallOf(plan.function, arguments);
  } else {
    invocation.function = plan.function;
    invocation.arguments.assign(arguments.begin(), arguments.end());
  }
  return invocation;
}

}  // namespace

GuestPlan PlanGuest(const GuestBounds& bounds, const jail::ProgramRequest& request,
                    const Entrypoint& entry, std::shared_ptr<const LoadedModule> loaded) {
  const oci::Process& process = request.process;
  GuestPlan plan;
  plan.loaded = std::move(loaded);
  plan.limits = Within(bounds, LimitsOf(request.spec.on_linux));
  plan.arguments = process.args;
  plan.arguments.front() = entry.path;
  plan.function = entry.function;
  plan.environment = EnvironmentOf(process.env, process.cwd);
  for (const oci::Mount& mount : request.spec.mounts) plan.mounts.push_back(mount.destination);
  plan.visible_to_its_user = ::geteuid() != 0;
  return plan;
}

bool IsBoundByContainer(const GuestPlan& plan, const oci::Linux& config) {
  return HasMemoryLimit(config) && plan.limits.memory_bytes == LimitsOf(config).memory_bytes;
}

GuestEnd RunGuest(program::Guest& guest, const GuestPlan& plan, bool limits_tell, int output,
                  int error) {
  const std::string name = Printable(plan.arguments.front());
  const Result<wasm::Exit> exit = guest.Run(InvocationOf(plan));
  if (!exit) {
    Say(error, fmt::format("wasmoor: {}: {}\n", name, exit.error().message()));
    return {.status = kCannotRun};
  }
  if (!exit->results.empty()) Say(output, exit->results + "\n");
  if (exit->kind == wasm::Exit::Kind::kTrapped)
    Say(error, program::TrapText(plan.arguments.front(), exit->trap));
  if (!limits_tell || exit->ok() || guest.usage().memory_refusals == 0)
    return {.status = exit->ShellStatus()};
  Say(error, fmt::format("wasmoor: {}: out of memory: the container's limit leaves a guest {}\n",
                         name, FormatSize(plan.limits.memory_bytes)));
  return {.status = kKilled, .out_of_memory = true};
}

}  // namespace wasmoor::container
