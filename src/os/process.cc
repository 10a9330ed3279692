#include "wasmoor/os/process.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr int kLowestPriority = 19;
// ioprio_set(2), for which the C library has no wrapper.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioClassIdle = 3;
constexpr int kIoprioClassShift = 13;
constexpr int kSignalStatus = 128;

}  // namespace

Status SpawnSelfDetached(std::span<const std::string> arguments, const Fd& input) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // The order matters: `input` may be descriptor 1 or 2 itself.
  posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  // Whoever started us may wait for the end of a pipe that we were given without close-on-exec.
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, kSelf, &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return FailErrno(error, "start {}", kSelf);
  return {};
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
