#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/stats.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/sandbox/guest.h"

namespace wasmoor::handover {
class Pod;
class Sandbox;
}  // namespace wasmoor::handover
namespace wasmoor::os {
class Carried;
}

// A sandbox: the containers of one pod, as a container manager sees them (containerd's task API, v2
// and v3). Whoever holds containers in a way of his own implements these interfaces, and has a shim
// by giving them to task::Service.
//
// Everything is called from the loop's thread and returns at once. What takes longer than that is
// answered through a Done, which is called exactly once, from the loop, and never before the call
// that it was given to has returned. Containers and processes are the Sandbox's, and valid until
// their Remove is answered.
namespace wasmoor::sandbox {

template <typename T>
using Done = std::function<void(Result<T>)>;

enum class State : uint8_t { kCreated, kRunning, kPaused, kStopped };
std::string_view StateName(State state);  // "created" …

// How a process ended.
struct Exit {
  uint32_t status = 0;  // As a shell has it: the exit status, or 128 + the signal.
  std::chrono::system_clock::time_point at;
};

// Where a process's standard streams lead, as containerd names them: the path of a FIFO, or a URI
// of the scheme binary, binary-v2, file or fifo; empty: nowhere. With a terminal, `error` is empty.
struct Streams {
  std::string input, output, error;
  bool terminal = false;
};

// A mount that makes a part of a container's root filesystem (containerd.types.Mount).
struct RootMount {
  std::string type, source;
  std::string target;  // Below the root filesystem; empty: the root filesystem itself.
  std::vector<std::string> options;
};

struct CreateRequest {
  std::string id;
  std::string bundle;             // The directory that has config.json.
  std::vector<RootMount> rootfs;  // Put upon each other at <bundle>/rootfs; may be empty.
  Streams streams;
  bool no_pivot = false;
  bool no_new_keyring = false;
  bool systemd_cgroup = false;
  GuestOptions guest;
};

struct ExecRequest {
  std::string exec_id;
  oci::Process process;
  Streams streams;
  std::string config;  // `process` as it came, JSON; for HandOver until it is started.
};

struct ProcessInfo {
  State state = State::kCreated;
  pid_t pid = 0;  // 0 of an exec that has not been started.
  Exit exit;      // Once it is kStopped.
  Streams streams;
};

class Process {
 public:
  virtual ~Process() = default;

  virtual ProcessInfo info() const = 0;

  // kFailedPrecondition unless kCreated. A program that cannot be started is an error here, and the
  // process has ended then; its end is told to the Listener only if it was started.
  virtual void Start(Done<pid_t> done) = 0;

  // kNotFound, "process already finished": containerd acts upon both.
  virtual Status Kill(int signal) = 0;

  // Answered when it has ended, or at once if it has; any number of them.
  virtual void Wait(Done<Exit> done) = 0;

  // Of its terminal. kFailedPrecondition if it has none.
  virtual Status Resize(uint16_t columns, uint16_t rows) = 0;

  // Whoever else has the input open keeps it so.
  virtual Status CloseInput() = 0;
};

class Container {
 public:
  virtual ~Container() = default;

  virtual const std::string& id() const = 0;
  virtual const std::string& bundle() const = 0;
  virtual Process& first() = 0;

  // Something that runs beside the first process once it is started. kAlreadyExists;
  // kFailedPrecondition unless the container runs.
  virtual Result<Process*> AddProcess(ExecRequest request) = 0;
  // kNotFound.
  virtual Result<Process*> FindProcess(std::string_view exec_id) = 0;

  // All that the container has. kNotFound if there is none.
  virtual Status KillAll(int signal) = 0;
  // As this process's PID namespace numbers them.
  virtual Result<std::vector<pid_t>> Pids() = 0;

  // kFailedPrecondition unless it runs (is paused, for Resume).
  virtual void Pause(Done<void> done) = 0;
  virtual void Resume(Done<void> done) = 0;
  virtual Status Update(const oci::Resources& resources) = 0;
  virtual void ReadStats(Done<cgroup::Stats> done) = 0;
};

class Sandbox {
 public:
  virtual ~Sandbox() = default;

  // kAlreadyExists, also while one of that name is being made. If it fails, nothing of it is left.
  virtual void Create(CreateRequest request, Done<Container*> done) = 0;

  // kNotFound: `container "x": not found`.
  virtual Result<Container*> Find(std::string_view id) = 0;

  // Removes a process of AddProcess, or, if `exec_id` is empty, the container and all that belongs
  // to it, its root filesystem's mounts included. kFailedPrecondition while it runs; one that was
  // never started is killed. Answers how the process ended.
  virtual void Remove(std::string_view id, std::string_view exec_id, Done<Exit> done) = 0;

  virtual std::vector<std::string> Ids() const = 0;

  // For a program that is executed in place of this one (execve(2)) and goes on with what is in the
  // sandbox: adds to `state` what that has to know, and keeps what is open in `carried`. Nothing
  // changes here, since it may come to nothing. kUnavailable: not now, something is under way that
  // must end first; kUnimplemented, also of who does not say: never.
  virtual Status HandOver(handover::Sandbox* state, os::Carried* carried) const;
  // What HandOver has told, in the program that followed. Once, on a sandbox with nothing in it;
  // what cannot be taken over is an error, and the rest is there.
  virtual Status TakeOver(const handover::Sandbox& state);
};

// What a Sandbox tells by itself. Called from the loop, in the order in which it happened: an exit
// never comes before the answer to the Start of the same process.
class Listener {
 public:
  virtual ~Listener() = default;
  // `exec_id` is empty for the container's first process.
  virtual void OnExit(const std::string& id, const std::string& exec_id, pid_t pid,
                      const Exit& exit) = 0;
  // The container met its memory limit and something was killed for it.
  virtual void OnOutOfMemory(const std::string& id) = 0;
};

}  // namespace wasmoor::sandbox
