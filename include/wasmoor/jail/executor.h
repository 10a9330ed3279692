#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/pending.h"

// What runs in a container: an Executor knows a kind of program (a Linux executable, a WebAssembly
// module) and turns the container's process into it. Whoever brings a wasm host of his own writes
// one.
namespace wasmoor::jail {

// What an Executor is asked to run. Borrowed, for the call or until its Preparation has ended.
struct ProgramRequest {
  std::string_view container_id;
  const oci::Spec& spec;        // The container's.
  const oci::Process& process;  // What to start: the container's own, or one of `exec`.
  // The top of what the process will have as "/": the root filesystem on the host, without the
  // specification's mounts, for the container's first process; the container's own tree for
  // `exec`. Whatever is below is hostile: to be looked up by os::OpenInRoot only.
  const os::Fd& root;
  bool is_first = true;  // Else one of `exec`.
  // Of `exec`: Executor::name of the one that made the container.
  std::string_view made_by = {};
  // The program itself, if it is no file below `root`; args[0] is its name all the same. It is
  // hostile, too.
  const os::Fd* file = nullptr;
  // An eventfd(2), to be added to by a program that keeps the limit of memory by itself and ends
  // because of it; the kernel tells only what the kernel did. May be null.
  const os::Fd* out_of_memory = nullptr;
};

enum class Privileges : uint8_t {
  kConfigured,  // Capabilities as the specification has them.
  // None at all, whatever the specification has: no capability, no_new_privs, and procfs is
  // mounted read-only, since a process that may write to its own /proc/self/mem needs no other
  // hole.
  kNone,
};

// A program that is ready to be started once. Made in the runtime; its last two functions are
// called in the container's process, a clone of the runtime that has all of its memory and only the
// descriptors that `keeps` names.
class Program {
 public:
  virtual ~Program() = default;

  virtual Privileges privileges() const = 0;

  // Whether Become ends in execve(2). If not, `confine` also closes what execve would close, as
  // that is what tells `start` that the program runs.
  virtual bool executes() const = 0;

  // Descriptors of this object that Become needs. All others but 0 to 2 and those that the caller
  // preserves are closed before.
  virtual std::span<const os::Fd* const> keeps() const { return {}; }

  // In the container's process, in its root and its working directory and with its user's rights,
  // before it reports that it is ready: what an operator should hear from `create` rather than from
  // `start` ("not found in $PATH").
  virtual Status Check() { return {}; }

  // Becomes the program, after `start`. `confine` installs the specification's seccomp filter, if
  // that is still to be done: called once, as late as can be. Returns only if it failed.
  virtual Error Become(const std::function<Status()>& confine) = 0;
};

// A program that takes another process's time to be made ready (see os::Pending).
using Preparation = os::Pending<std::unique_ptr<Program>>;

class Executor {
 public:
  virtual ~Executor() = default;

  virtual std::string_view name() const = 0;  // "native", "wasm"; kept with the container.

  // Whether it is the one for this program. Changes nothing; false if it cannot tell.
  virtual bool CanHandle(const ProgramRequest& request) const = 0;

  // Everything that needs the host: compiling, opening, reading. In the runtime, outside of the
  // container's control group, before anything of the container exists. kNotFound,
  // kFailedPrecondition (no such program; not runnable) with a message that names it.
  virtual Result<std::unique_ptr<Preparation>> Prepare(const ProgramRequest& request) const = 0;
};

// Linux executables: execve(2) of args[0], looked for in the PATH of process.env if it has no
// slash. It handles everything.
class NativeExecutor : public Executor {
 public:
  std::string_view name() const override { return "native"; }
  bool CanHandle(const ProgramRequest&) const override { return true; }
  Result<std::unique_ptr<Preparation>> Prepare(const ProgramRequest& request) const override;
};

// In order: the first that handles a program gets it. Borrowed.
using Executors = std::span<const Executor* const>;

}  // namespace wasmoor::jail
