#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"

// What this kernel lets this process do, found out by asking it: each probe makes the system call
// that it names, in a way that changes nothing, and says how it was answered. No version is ever
// guessed from. Any thread, unless a probe says otherwise.
namespace wasmoor::os {

// How the kernel answered.
enum class Answer : uint8_t {
  kYes,
  kNo,         // It does not have it (ENOSYS, ENODEV …).
  kForbidden,  // It has it, and this process may not (EPERM, EACCES): a sysctl, seccomp, rights.
};

struct Support {
  Answer answer = Answer::kNo;
  int error_number = 0;  // Why not; 0 for yes.
  bool yes() const { return answer == Answer::kYes; }
};

std::string KernelRelease();  // uname(2): "6.1.0-18-amd64"

Support ProbeOpenat2();         // openat2(2), by opening "/".
Support ProbePidfd();           // pidfd_open(2) of this process.
Support ProbeClone3();          // clone3(2) with a size that no kernel takes.
Support ProbeSeccompFilter();   // seccomp(2): filters that answer with an errno.
Support ProbeSeccompNotify();   // seccomp(2): filters that ask another process.
Support ProbeMountApi();        // open_tree(2) of "/", as a path only.
Support ProbeIdmappedMounts();  // mount_setattr(2), which came with them, on nothing.
Support ProbeUserfaultfd();     // userfaultfd(2), for faults in user mode.
Support ProbeIoUring();         // io_uring_setup(2) of a ring of one entry.
Support ProbeProtectionKeys();  // pkey_alloc(2).
Support ProbeKvm();             // /dev/kvm, and that it speaks version 12 of its interface.

// landlock_create_ruleset(2): the version of its interface, 1 or more; an errno's Support if none.
struct Landlock {
  Support support;
  int abi = 0;
};
Landlock ProbeLandlock();

// A filesystem that this kernel has now (/proc/filesystems), or could load as a module.
enum class Filesystem : uint8_t { kPresent, kLoadable, kAbsent };
Filesystem FindFilesystem(std::string_view name);

// The kinds of namespaces, by their names in /proc/self/ns.
constexpr std::array<std::string_view, 8> kNamespaces = {"user", "mnt", "pid",    "net",
                                                         "ipc",  "uts", "cgroup", "time"};

// Puts this whole process into a new namespace of each kind, one after another, and says for each
// how that was answered. With `as_nobody`, as a user without any rights who begins with a user
// namespace. The process is of no more use afterwards: for one that was made to try it, with one
// thread.
std::array<Support, kNamespaces.size()> TryNamespaces(bool as_nobody);

// A control group hierarchy as this process finds it.
struct Cgroup {
  int version = 0;                       // 1 or 2.
  std::vector<std::string> controllers;  // v1: of this mount; v2: those this process's group has.
  std::string mount;                     // "/sys/fs/cgroup"
  std::string directory;                 // Of this process's own group.
  // May this process make groups below its own? v2: and hand controllers on to them (delegation,
  // cgroups(7)).
  bool writable = false;
  std::string problem;  // Why not, if it is not.
};
std::vector<Cgroup> FindCgroups();
bool IsSystemdInit();  // sd_booted(3).
bool HasSelinux();     // Is there anybody to keep its labels (selinux(8))?

// The address space that this process can reserve in one piece, up to `bytes`: it is mapped without
// access and unmapped again. kResourceExhausted says what stands against it.
Status ProbeAddressSpace(uint64_t bytes);

// The value of /proc/sys/NAME ("vm/max_map_count"); nothing if there is none or it is no number.
std::optional<int64_t> ReadSysctl(const std::string& name);

// getrlimit(2). UINT64_MAX: unlimited.
struct ResourceLimit {
  uint64_t soft = 0, hard = 0;
};
ResourceLimit GetLimit(int resource);

// Can a connection to this Unix socket be made? It is closed again at once.
Support ProbeUnixSocket(const std::string& path);

// Space in the filesystem of a path, in bytes, for this user.
Result<uint64_t> FreeSpace(const std::string& path);

}  // namespace wasmoor::os
