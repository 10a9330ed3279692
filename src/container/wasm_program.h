#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "container/loaded_module.h"
#include "container/signals.h"
#include "wasmoor/jail/executor.h"
#include "wasmoor/program/program.h"
#include "wasmoor/seccomp/program.h"

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

// The guest of a container's process. To be made where the engine is.
class WasmProgram : public jail::Program {
 public:
  explicit WasmProgram(GuestPlan plan);

  jail::Privileges privileges() const override { return jail::Privileges::kNone; }
  bool executes() const override { return false; }
  std::span<const os::Fd* const> keeps() const override { return keeps_; }
  Error Become(const std::function<Status()>& confine) override;

 private:
  Result<std::unique_ptr<program::Guest>> MakeGuest();
  // Runs it to its end; the exit status.
  int Run(program::Guest& guest) const;
  bool DiedOfItsLimit(const program::Guest& guest, const wasm::Exit& exit) const;

  GuestPlan plan_;
  std::vector<const os::Fd*> keeps_;
  const FaultHandlers fault_handlers_;
};

}  // namespace wasmoor::container
