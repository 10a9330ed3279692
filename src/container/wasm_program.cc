#include "container/wasm_program.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "container/grants.h"
#include "container/signals.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/landlock.h"
#include "wasmoor/os/title.h"

namespace wasmoor::container {
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

int WasmProgram::Run(program::Guest& guest) const {
  const GuestEnd end =
      RunGuest(guest, plan_, plan_.out_of_memory.valid(), STDOUT_FILENO, STDERR_FILENO);
  if (!end.out_of_memory) return end.status;
  const uint64_t once = 1;
  [[maybe_unused]] const ssize_t told = ::write(plan_.out_of_memory.get(), &once, sizeof(once));
  return end.status;
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
