#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/stats.h"
#include "wasmoor/jail/executor.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/oci/state.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/pending.h"

// Linux containers, as the OCI runtime specification 1.2 has them (runtime.md, "Lifecycle"; the
// numbers of its steps are in container_create.cc). All calls need a process with one thread.
namespace wasmoor::cgroup {
class Group;
class Root;
}  // namespace wasmoor::cgroup

namespace wasmoor::jail {

class Store;

// What a new process of a container gets from whoever starts it.
struct ProcessOptions {
  // Its standard streams unless it has a terminal; null: this process's own. Borrowed.
  const os::Fd* standard_input = nullptr;
  const os::Fd* standard_output = nullptr;
  const os::Fd* standard_error = nullptr;
  // Where a Unix socket listens that gets the terminal's master side (SCM_RIGHTS). Empty, and
  // process.terminal is set: the caller finds it in Started::terminal.
  std::string console_socket;
  std::string pid_file;  // Gets the process's number, in decimal, all at once; empty: none.
  // What runs, if it is no file of the container's (ProgramRequest::file). Borrowed.
  const os::Fd* program = nullptr;
  // For ProgramRequest::out_of_memory. Borrowed.
  const os::Fd* out_of_memory = nullptr;
  int preserve_fds = 0;  // So many of this process's descriptors, from 3 on, stay open in it.
  bool no_new_keyring = false;
};

struct CreateOptions : ProcessOptions {
  std::string id;
  std::string bundle;  // The directory that has config.json.
  // The root filesystem, as a mount that is attached nowhere; the process attaches it at root.path
  // of its own mount namespace, and with that it ends. Borrowed. Null: what is at root.path.
  const os::Fd* root = nullptr;
  bool systemd_cgroup = false;  // Its control group is asked of systemd (linux.cgroupsPath has its
                                // form then, "slice:prefix:name").
  bool no_pivot = false;        // Of pivot_root(2), which the root of an initramfs does not allow.
};

// A process of a container. A child of this process: to be waited for by whoever wants its status,
// else adopted when this process ends.
struct Started {
  pid_t pid = 0;
  os::Fd process;   // Its pidfd.
  os::Fd terminal;  // The master side, if it has a terminal and nobody else got it.
};

// What went wrong although a call succeeded: a line each, for the log.
using Warnings = std::vector<std::string>;

enum class Whom : uint8_t { kFirstProcess, kEveryProcess };
enum class Force : uint8_t { kNo, kYes };

// A container that exists. Destroying the object does nothing to it; it must not outlive the
// Containers that it came from. What changes a container is done by one caller at a time: another
// waits (kUnavailable after Settings::patience), also one in the process that has a Begin… under
// way.
class Container {
 public:
  struct Parts;  // src/jail/container_parts.h

  Container(Container&&) noexcept;
  Container& operator=(Container&&) noexcept;
  ~Container();

  const std::string& id() const;
  const std::string& bundle() const;  // Absolute.
  const std::string& rootfs() const;  // Absolute.
  std::chrono::system_clock::time_point created() const;
  uid_t owner() const;                  // Who created it.
  const std::string& executor() const;  // Executor::name.

  // Looked at now: nothing about it is remembered.
  oci::State state() const;

  // kFailedPrecondition unless created. A startContainer hook or program that fails is an error
  // here, and the container is stopped then. What went wrong in poststart hooks is in `warnings`.
  Status Start(Warnings* warnings);
  // The same for whoever must not wait. This object must stay until its end.
  std::unique_ptr<os::Pending<Warnings>> BeginStart() const;

  // kFailedPrecondition, "container not running", unless created, running or paused. With
  // kEveryProcess those of a stopped container's control group too, which is then no error.
  Status Kill(int signal, Whom whom) const;

  // kFailedPrecondition unless running (and paused, for Resume).
  Status Pause();
  Status Resume();
  Status Update(const oci::Resources& resources);

  // Starts a process in the namespaces, the control group and the root of the running container.
  // In a paused one it waits, and so does this call, until Resume.
  Result<Started> Exec(const oci::Process& process, const ProcessOptions& options,
                       Executors executors) const;
  // The same for whoever must not wait. What `options` and `executors` lend must stay until its
  // end.
  std::unique_ptr<os::Pending<Started>> BeginExec(oci::Process process, ProcessOptions options,
                                                  Executors executors) const;
  // The process of the container's configuration: what `exec` without --process starts from.
  Result<oci::Process> ConfiguredProcess() const;

  Result<std::vector<pid_t>> Pids() const;  // As this process's PID namespace numbers them.
  Result<cgroup::Stats> ReadStats() const;
  // See cgroup::Group::OomEvents.
  Result<os::Fd> OomEvents() const;

  // Whether Delete would have to wait, for hooks or for processes to die.
  bool TakesTimeToDelete() const;
  // Removes the container and all that belongs to it. kFailedPrecondition unless stopped; with
  // kYes it is killed first, and what is broken is cleared as far as can be. What went wrong in
  // poststop hooks is in `warnings`.
  Status Delete(Force force, Warnings* warnings);

 private:
  friend class Containers;
  friend class Creation;
  explicit Container(std::unique_ptr<Parts> parts);
  Result<cgroup::Group*> OpenedGroup() const;
  std::unique_ptr<Parts> parts_;
};

struct Settings {
  std::string root;  // Where containers are kept; made with mode 0700.
  // How long a call waits for another that is at work on the same container: none at all where
  // nothing may wait.
  std::chrono::milliseconds patience = std::chrono::seconds(10);
};

// The containers of one state root.
class Containers {
 public:
  static Result<Containers> Open(const Settings& settings);
  Containers(Containers&&) noexcept;
  ~Containers();

  struct Created {
    Container container;
    Started first;
  };
  // Steps 1 to 5 of the lifecycle: afterwards the first process waits for Start. If this fails,
  // nothing of the container exists; kAlreadyExists if the id is taken.
  Result<Created> Create(const CreateOptions& options, Executors executors) const;
  // The same for whoever must not wait. What `options` and `executors` lend, and this object, must
  // stay until its end.
  std::unique_ptr<os::Pending<Created>> BeginCreate(CreateOptions options,
                                                    Executors executors) const;

  // kNotFound: `container "x" does not exist`.
  Result<Container> Find(std::string_view id) const;

  // As Container::Delete, also of what cannot be understood any more. With kYes a container that
  // does not exist is no error.
  Status Delete(std::string_view id, Force force, Warnings* warnings) const;

  // Those that exist, by id. What a killed Create left behind is cleared on the way.
  Result<std::vector<Container>> List() const;

 private:
  explicit Containers(Store store);
  std::unique_ptr<Store> store_;
  // How control groups are mounted here, once that was asked.
  std::unique_ptr<std::optional<cgroup::Root>> cgroups_;
};

}  // namespace wasmoor::jail
