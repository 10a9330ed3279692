#include "container/wasm_program.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "container/grants.h"
#include "container/signals.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/landlock.h"
#include "wasmoor/os/title.h"
#include "wasmoor/program/report.h"

namespace wasmoor::container {
namespace {

constexpr int kCannotRun = 126;  // As env(1) has it.
constexpr int kKilled = 128 + SIGKILL;

void Say(int stream, std::string_view text) {
  // To whoever reads the container's output; if nobody does, nobody minds.
  [[maybe_unused]] const ssize_t written = ::write(stream, text.data(), text.size());
}

// "add(1, 2)": a component takes its arguments in the call itself.
std::string CallOf(const std::string& function, std::span<const std::string> arguments) {
  if (function.find('(') != std::string::npos) return function;
  std::string call = function + "(";
  for (size_t i = 0; i < arguments.size(); ++i) call += (i > 0 ? ", " : "") + arguments[i];
  return call + ")";
}

}  // namespace

WasmProgram::WasmProgram(GuestPlan plan) : plan_(std::move(plan)) {
  for (const os::Fd& one : plan_.loaded->descriptors.found()) keeps_.push_back(&one);
  if (plan_.out_of_memory.valid()) keeps_.push_back(&plan_.out_of_memory);
}

Result<std::unique_ptr<program::Guest>> WasmProgram::MakeGuest() {
  const wasm::ModuleKind kind = plan_.loaded->module->kind();
  wasi::Grants grants;
  // First: they have the numbers that they were handed over at.
  grants.listeners = TakeListeners(plan_.environment);
  if (kind == wasm::ModuleKind::kComponent) TRY(RefuseWritableProcfs(plan_.mounts));
  grants.arguments = plan_.arguments;
  grants.environment = std::move(plan_.environment);
  grants.preopens = TRY(OpenTree());
  TRY(program::GrantStreams(kind, &grants));
  program::Guest::Options options;
  options.limits = plan_.limits;
  return program::Guest::Create(*plan_.loaded->module, plan_.loaded->host, std::move(grants),
                                std::move(options));
}

// Refused what it asked for, it ended in disgrace: what the kernel's own limit would have done.
bool WasmProgram::DiedOfItsLimit(const program::Guest& guest, const wasm::Exit& exit) const {
  return plan_.out_of_memory.valid() && !exit.ok() && guest.usage().memory_refusals > 0;
}

int WasmProgram::Run(program::Guest& guest) const {
  const std::string& name = plan_.arguments.front();
  const std::span<const std::string> arguments = std::span(plan_.arguments).subspan(1);
  wasm::Invocation invocation;
  if (!plan_.function.empty() && plan_.loaded->module->kind() == wasm::ModuleKind::kComponent) {
    invocation.function = CallOf(plan_.function, arguments);
  } else if (!plan_.function.empty()) {
    invocation.function = plan_.function;
    invocation.arguments.assign(arguments.begin(), arguments.end());
  }
  const Result<wasm::Exit> exit = guest.Run(invocation);
  if (!exit) {
    Say(STDERR_FILENO, fmt::format("wasmoor: {}: {}\n", Printable(name), exit.error().message()));
    return kCannotRun;
  }
  if (!exit->results.empty()) Say(STDOUT_FILENO, exit->results + "\n");
  if (exit->kind == wasm::Exit::Kind::kTrapped)
    Say(STDERR_FILENO, program::TrapText(name, exit->trap));
  if (!DiedOfItsLimit(guest, *exit)) return exit->ShellStatus();
  Say(STDERR_FILENO,
      fmt::format("wasmoor: {}: out of memory: the container's limit leaves a guest {}\n",
                  Printable(name), FormatSize(plan_.limits.memory_bytes)));
  const uint64_t once = 1;
  [[maybe_unused]] const ssize_t told = ::write(plan_.out_of_memory.get(), &once, sizeof(once));
  return kKilled;
}

Error WasmProgram::Become(const std::function<Status()>& confine) {
  const auto become = [&]() -> Status {
    if (plan_.visible_to_its_user) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    fault_handlers_.Install();
    EndBySignals();
    std::unique_ptr<program::Guest> guest = TRY(MakeGuest());
    os::ShowAs(plan_.arguments);
    TRY(os::RestrictToTree(TRY(os::OpenAt(os::Fd(), "/", O_PATH | O_DIRECTORY))));
    TRY(confine());
    TRY_AS(seccomp::Install(plan_.filter),
           "the guest's own seccomp filter (the container's profile must allow seccomp(2))");
    const int status = Run(*guest);
    // A component's output is on its way in another thread until then.
    if (plan_.loaded->module->kind() == wasm::ModuleKind::kComponent) guest.reset();
    ::_exit(status);
  };
  return std::move(become()).error().WithContext(plan_.arguments.front());
}

}  // namespace wasmoor::container
