#pragma once

#include <cstdint>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/seccomp.h"

// Filters on system calls (seccomp(2)): made by whoever starts a process, installed by the process
// itself, as late as it can.
namespace wasmoor::seccomp {

// A filter ready for the kernel. Plain values: copied, kept, or sent to another process as bytes.
struct Program {
  std::vector<os::FilterInstruction> instructions;
  uint32_t flags = 0;  // SECCOMP_FILTER_FLAG_*

  // Some call is put to a listener: Install gives its descriptor, and oci::Seccomp::listener_path
  // names who waits for it (see SendListener).
  bool listens() const;
};

// The filter that a profile of the OCI runtime specification describes (config-linux.md,
// "Seccomp"). System calls that libseccomp does not know are left out, as every runtime does: a
// profile is written for many kernels. Beyond the specification, and as runc has it: an action
// with an errno has EPERM if the profile names none, and SCMP_ACT_NOTIFY may be neither the default
// nor an answer to write(2), for the process could then never say which descriptor its listener
// has. A call that is newer than the profile gets ENOSYS: if the default action is an errno, every
// number above the largest that the profile names for its architecture has it, so that a C library
// tries the older call, which an EPERM would keep it from. Architectures that this machine's
// processor has not are left out. kInvalidArgument names the field
// ("linux.seccomp.syscalls[3].args[0].op: …"); kUnimplemented names the action or architecture that
// this kernel or libseccomp lacks. Any thread.
Result<Program> Compile(const oci::Seccomp& profile);

// Installs the filter for the calling thread, for good. The descriptor is the listener's, valid if
// the program listens. Allocates nothing unless it fails, and nothing is filtered if it fails.
// kPermissionDenied: needs CAP_SYS_ADMIN, or no_new_privs set before.
Result<os::Fd> Install(const Program& program);

}  // namespace wasmoor::seccomp
