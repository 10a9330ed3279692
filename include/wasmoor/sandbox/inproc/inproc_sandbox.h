#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/sandbox/find_module.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/sandbox/sandbox.h"

namespace wasmoor::loop {
class Loop;
}
namespace wasmoor::handover {
class Hosts;
}

// Sandboxes whose guests are threads of a process that many sandboxes share: a host (host/host.h).
// Loop thread only, of a process that may have one thread.
namespace wasmoor::sandbox {

struct HostsOptions {
  loop::Loop& loop;
  // The words that start this executable as a host, which must call host::RunHost with the
  // descriptor kHostConnection then; [0] is the name that it goes by.
  std::vector<std::string> words;
  // As many guests at once in one process; then there is another. What a process may have of
  // mappings is limited (vm.max_map_count, proc(5)), and a guest needs a handful.
  uint32_t guests_per_host = 8000;
  // When hosts of the program before are killed with what they still run; 0: never.
  std::chrono::seconds deadline{0};
  // Hears what an operator should know, a line a call without its end.
  std::function<void(std::string_view)> log;
};
constexpr int kHostConnection = 3;

// The hosts of this process. They are started when they are needed, and end with it. One that dies
// takes its guests along, which end as if killed, and another takes its place.
class Hosts {
 public:
  static Result<std::unique_ptr<Hosts>> Create(HostsOptions options);
  virtual ~Hosts() = default;

  // Starts the first one now, and not when it is needed.
  virtual Status Prepare() = 0;
  virtual size_t guests() const = 0;
  virtual std::vector<pid_t> pids() const = 0;

  // As Sandbox::HandOver and TakeOver, before those of the sandboxes. Hosts that are taken over
  // have the code of the program before: they take no more containers, and end with their last
  // guest.
  virtual Status HandOver(handover::Hosts* state, os::Carried* carried) const = 0;
  virtual void TakeOver(const handover::Hosts& state) = 0;
};

struct InprocSandboxOptions {
  loop::Loop& loop;
  Hosts& hosts;
  Listener& listener;
  std::string name_space;  // containerd's: loggers are told it.
  std::string pod;         // Whose containers they are, in that namespace: its memory is one.
  // Asked when a container's program is not found. May be empty.
  FindModule find_module;
  std::function<void(std::string_view)> log;
  // Takes the containers that need a process of their own: by their program, by what their
  // configuration asks for, or by the annotation io.wasmoor.isolation. Tells the same listener.
  std::unique_ptr<Sandbox> processes;
};

std::unique_ptr<Sandbox> MakeInprocSandbox(InprocSandboxOptions options);

// A pod that counts what guests have that are threads, where its control group does not: memory,
// which is their host's, and CPU time of those that have no group of their own in the pod's.
// `sandbox`, of MakeInprocSandbox, is borrowed.
std::unique_ptr<Pod> CountGuests(std::unique_ptr<Pod> pod, Sandbox& sandbox);

}  // namespace wasmoor::sandbox
