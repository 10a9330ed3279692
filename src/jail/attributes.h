#pragma once

#include <sched.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/capability.h"
#include "wasmoor/os/limit.h"
#include "wasmoor/os/scheduling.h"

// What makes a process of a container different from any other besides its namespaces and mounts:
// config.json's "process", and "linux.personality". Names are understood where nothing has been
// changed yet (ParseAttributes, in the runtime), and put on the process in three steps, with those
// of the file system in between. Errors name the field: "process.rlimits[1]: …".
namespace wasmoor::jail {

struct AttributeLimit {
  int resource = 0;
  os::ResourceLimit limit;
};

struct Attributes {
  std::vector<AttributeLimit> limits;  // As process.rlimits.
  std::optional<int> oom_score_adj;
  std::optional<os::SchedulingPolicy> scheduling;
  std::optional<int> io_class;  // IOPRIO_CLASS_…
  int io_level = 0;
  std::optional<unsigned long> personality;  // As personality(2) takes it.
  std::optional<mode_t> umask;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  os::CapabilitySets capabilities;  // All empty if the configuration has none.
  bool no_new_privileges = false;
  std::string apparmor_profile, selinux_label;
  std::optional<cpu_set_t> initial_cpus, final_cpus;  // process.execCPUAffinity.
};

// kInvalidArgument and kUnimplemented (of a capability that this kernel does not know, of a label
// for a security module that it does not have). Changes nothing. `personality`: linux.personality.
Result<Attributes> ParseAttributes(const oci::Process& process,
                                   const std::optional<oci::Personality>& personality);

// A list of CPUs as cpuset(7) has it ("0-3,7"); the error names `field`.
Result<cpu_set_t> ParseCpuList(std::string_view list, std::string_view field);

// Before the process enters the container's control group, which process.execCPUAffinity.initial is
// for; the runtime itself may call it, as its children inherit it.
Status ApplyInitialCpus(const Attributes& attributes);

// Step one, by the runtime on the container's process: OOM score, scheduling, priorities. What is
// raised here needs rights of the host, which a process in a user namespace has not. The limits
// come at the end of its preparations, which may need more than it may have later.
Status ApplyFromOutside(const Attributes& attributes, pid_t process);
Status ApplyLimits(const Attributes& attributes, pid_t process);

// Step two, in the process, while it has a /proc and all its rights: CPUs, personality, labels for
// the program that is executed later, umask.
Status ApplyInside(const Attributes& attributes);

// Step three, as late as can be: bounding set, groups, user, capabilities, no_new_privs. A seccomp
// filter is installed before this if !no_new_privileges, and else after it.
Status ApplyIdentity(const Attributes& attributes);

// A session keyring of the container's own, unless the caller asked for none
// (--no-new-keyring). Where a kernel or a filter around us has no keys, there are none to hide.
Status ApplyKeyring(const std::string& container_id);

}  // namespace wasmoor::jail
