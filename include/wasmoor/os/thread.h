#pragma once

#include <sys/types.h>

#include <chrono>
#include <span>

#include "wasmoor/base/result.h"

// What Linux keeps for each thread by itself, though POSIX has it for the whole process: the C
// library's functions of the same names change all threads (nptl(7)). Of the calling thread, but
// where a thread is named.
namespace wasmoor::os {

// setgroups(2).
Status SetThreadGroups(std::span<const gid_t> groups);
// The user and the group as whom it reaches files (setfsuid(2), setfsgid(2)). Another user than
// root takes the capabilities about files out of the effective set. kPermissionDenied.
Status SetThreadFileUser(uid_t uid, gid_t gid);

// A descriptor table of its own, with a copy of what is in the process's (CLONE_FILES of
// unshare(2)): what it opens is nobody else's from now on, and its numbers are limited by
// themselves (RLIMIT_NOFILE, getrlimit(2)). Only src/jail/spawn_*.cc may use it (tests/law).
Status SeparateThreadFiles();

// Whether a thread of this process is gone for the kernel, too: with all that it held, its mount
// namespace among that. pthread_join(3) returns before.
bool IsThreadGone(pid_t thread);

// What the calling thread has run (CPU time).
std::chrono::nanoseconds OwnThreadTime();
// What a thread of this process has run, or what it had when it is gone.
std::chrono::nanoseconds ThreadTime(pid_t thread);

}  // namespace wasmoor::os
