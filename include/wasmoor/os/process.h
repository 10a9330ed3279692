#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::os {

// Starts this very program again (whatever became of its name) with other arguments, `input` as its
// standard input and nothing else of ours: no other descriptor, a session of its own, output to
// /dev/null. Not waited for: it is adopted when this process ends. arguments[0] is the name it goes
// by.
Status SpawnSelfDetached(std::span<const std::string> arguments, const Fd& input);

// This process ends with `parent`, which made it: by SIGKILL, or now, if that is gone already
// (prctl(2), PR_SET_PDEATHSIG: with the thread that made it, if there are several). A program that
// it executes ends so, too, unless that has more rights than this process.
void EndWithParent(pid_t parent);

// This process gives way to every other from now on: SCHED_IDLE and the idle class of disk access.
void RunInBackground();

// Ends this process by `signal`, as if it had done it to itself; 128 + signal in a shell. Writes no
// core file. Never returns.
[[noreturn]] void DieBySignal(int signal);

// pidfd_open(2): readable (poll) once the process has ended.
Result<Fd> OpenProcess(pid_t pid);

// pidfd_getfd(2): the open file that another process (of OpenProcess) has as descriptor `number`,
// as a descriptor of this one, close-on-exec. Needs the right to trace that process (ptrace(2),
// PTRACE_MODE_ATTACH_REALCREDS): the same user and a process that is dumpable, or CAP_SYS_PTRACE in
// its user namespace; else kPermissionDenied. kNotFound: it has ended. EBADF: no such descriptor.
Result<Fd> CopyDescriptor(const Fd& process, int number);

// pidfd_send_signal(2). ESRCH: it has ended.
Status SignalProcess(const Fd& process, int signal);

// A file that exists in memory only, holding `bytes`, its position at the start.
Result<Fd> FileInMemory(const char* name, std::span<const uint8_t> bytes);

}  // namespace wasmoor::os
