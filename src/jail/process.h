#pragma once

#include <optional>
#include <span>
#include <string>

#include "jail/attributes.h"
#include "jail/channel.h"
#include "wasmoor/base/result.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/jail/executor.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/seccomp/program.h"

// What the container's first process and one of `exec` have in common, in the order of its calls.
// All of it happens in that process, which is a clone of the runtime; errors go back to that.
namespace wasmoor::jail {

// Made by the runtime before the clone.
struct ProcessPlan {
  const std::string& container_id;
  const oci::Process& spec;
  const ProcessOptions& options;
  Attributes attributes;
  std::optional<seccomp::Program> filter;
  std::unique_ptr<Program> program;

  // Reads and checks `process`; `program` decides how privileged it is. Filters are kept in
  // `store`.
  static Result<ProcessPlan> Make(const std::string& container_id, const oci::Spec& container,
                                  const oci::Process& process, const ProcessOptions& options,
                                  std::unique_ptr<Program> program, const Store& store);
};

// A process in a user namespace has no right to raise its limits, but the runtime has (prlimit(2)).
// In the runtime's own it is the other way round: once it is another user, only CAP_SYS_RESOURCE
// lets the runtime.
constexpr std::string_view kWithoutLimits = "limits";

class ContainerProcess {
 public:
  // `channel` leads to the runtime.
  ContainerProcess(ProcessPlan& plan, Channel& channel) : plan_(plan), channel_(channel) {}

  // A session of its own; the rights of a user namespace's root, if it is in another than the
  // runtime. Before anything of the container's is touched.
  Status Begin(bool other_user_namespace);

  // A terminal of the devpts in `root`, if the process shall have one: the runtime gets its master
  // side. Empty if not.
  Result<os::Fd> MakeTerminal(const os::Fd& root);

  // In the container's root: standard streams (`terminal` if it is valid), working directory,
  // attributes, limits, user, and the filter if that cannot come later. Says kReady at the end,
  // with kWithoutLimits if the runtime has to set its limits.
  Status Settle(const os::Fd& terminal);

  // Closes what neither the program, nor whoever preserved it, nor `keeps` needs.
  void CloseOthers(std::span<const os::Fd* const> keeps);

  // Returns why it could not become its program. `keeps`: open until then.
  Error Become(std::span<const os::Fd* const> keeps);

 private:
  Status TakeStreams(const os::Fd& terminal);
  Status EnterDirectory();
  Status InstallFilter();

  ProcessPlan& plan_;
  Channel& channel_;
  bool other_user_namespace_ = false;
  bool directory_entered_ = false;
  bool filter_installed_ = false;
};

}  // namespace wasmoor::jail
