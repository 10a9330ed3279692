#include "wasmoor/os/process.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "wasmoor/os/file.h"
#include "wasmoor/os/spawn.h"

namespace wasmoor::os {
namespace {

constexpr int kLowestPriority = 19;
// ioprio_set(2), for which the C library has no wrapper.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioClassIdle = 3;
constexpr int kIoprioClassShift = 13;
constexpr int kSignalStatus = 128;

}  // namespace

Status SpawnSelfDetached(std::span<const std::string> arguments, const Fd& input) {
  TRY(Spawn({.program = kThisProgram,
             .arguments = {arguments.begin(), arguments.end()},
             .descriptors = {&input},
             .environment = {},
             .session = SpawnRequest::Session::kNew}));
  return {};
}

void EndWithParent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != parent) _exit(kSignalStatus + SIGKILL);
}

void RunInBackground() {
  // Every one of these may be forbidden; then it runs as it is.
  const struct sched_param none = {};
  sched_setscheduler(0, SCHED_IDLE, &none);
  setpriority(PRIO_PROCESS, 0, kLowestPriority);
  syscall(SYS_ioprio_set, kIoprioWhoProcess, 0, kIoprioClassIdle << kIoprioClassShift);
}

void DieBySignal(int signal) {
  const struct rlimit no_core = {};
  setrlimit(RLIMIT_CORE, &no_core);
  ::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  ::kill(::getpid(), signal);
  // Reached where the signal does not end a process, or its PID namespace protects it.
  _exit(kSignalStatus + signal);
}

Result<Fd> OpenProcess(pid_t pid) {
  // The header of glibc 2.36 declares its wrapper in a way that C++ cannot link.
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return FailErrno(errno, "process {}", pid);
  return process;
}

Status SignalProcess(const Fd& process, int signal) {
  if (syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) == 0) return {};
  return FailErrno(errno, "signal {}", signal);
}

Result<Fd> CopyDescriptor(const Fd& process, int number) {
  Fd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0)));
  if (!copy.valid()) return FailErrno(errno, "descriptor {} of another process", number);
  return copy;
}

Result<Fd> FileInMemory(const char* name, std::span<const uint8_t> bytes) {
  Fd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file.valid()) return FailErrno(errno, "memory file {}", name);
  TRY(WriteAt(file, bytes, 0));
  return file;
}

}  // namespace wasmoor::os
