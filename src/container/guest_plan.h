#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "container/loaded_module.h"
#include "container/selection.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/jail/executor.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/program/program.h"
#include "wasmoor/seccomp/program.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::container {

// A module that is loaded, and what its guest is to be told: everything that can be made before the
// container's process is. Plain values; copied with the process that it is used in.
struct GuestPlan {
  std::shared_ptr<const LoadedModule> loaded;
  wasm::Limits limits;
  std::vector<std::string> arguments;  // [0] is the program, without the export's name.
  std::string function;                // An export; empty: the program's own beginning.
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> mounts;  // Where the specification mounts something.
  seccomp::Program filter;          // Beneath the specification's.
  // ProgramRequest::out_of_memory, where the container limits its memory; else not valid.
  os::Fd out_of_memory;
  // The runtime's own user is no root: then `exec` can enter the process's namespaces only if the
  // process may be looked at (PR_SET_DUMPABLE), which an execve(2) would have made it. A root
  // needs no such leave, and to others the process, whose executable is the runtime's, stays
  // closed.
  bool visible_to_its_user = false;
};

// The plan for what is requested, but for `filter` and `out_of_memory`.
GuestPlan PlanGuest(const GuestBounds& bounds, const jail::ProgramRequest& request,
                    const Entrypoint& entry, std::shared_ptr<const LoadedModule> loaded);

// Whether it is the container's own limit of memory that bounds the guest, and not an operator's
// below it.
bool IsBoundByContainer(const GuestPlan& plan, const oci::Linux& config);

// How a guest ended, for whoever counts and tells.
struct GuestEnd {
  int status = 0;              // As a shell has it.
  bool out_of_memory = false;  // Refused what it asked for, it ended in disgrace.
};

// Runs it to its end, and says on its standard error what it died of. `output` and `error` are
// descriptors; messages to nobody are nobody's loss. `limits_tell`: ending because of the limit of
// memory is what the kernel's own limit would have done.
GuestEnd RunGuest(program::Guest& guest, const GuestPlan& plan, bool limits_tell, int output,
                  int error);

}  // namespace wasmoor::container
