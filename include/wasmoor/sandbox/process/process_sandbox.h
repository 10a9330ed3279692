#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/sandbox/find_module.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/sandbox/sandbox.h"

namespace wasmoor::loop {
class Loop;
}
namespace wasmoor::jail {
class Containers;
}

// Sandboxes whose containers have processes of their own: children of this process, which must have
// one thread, be the reaper of its descendants (PR_SET_CHILD_SUBREAPER) and have one Orphans.
namespace wasmoor::sandbox {

struct ProcessSandboxOptions {
  loop::Loop& loop;
  Listener& listener;
  std::string name_space;  // containerd's: loggers are told it.
  std::string state_root;  // Where containers are kept: jail::Settings::root.
  // OpenContainers of `state_root`, for a process with many sandboxes, which then share its
  // descriptor. Null: each opens its own.
  std::shared_ptr<const jail::Containers> containers = {};
  container::WasmOptions wasm;
  // Asked when a container's program is not found. May be empty.
  FindModule find_module;
  // Hears what an operator should know, a line a call without its end.
  std::function<void(std::string_view)> log;
};

// For ProcessSandboxOptions::containers.
Result<std::shared_ptr<const jail::Containers>> OpenContainers(const std::string& state_root);

// Containers that exist when it is destroyed live on, without anybody who waits for them.
Result<std::unique_ptr<Sandbox>> MakeProcessSandbox(ProcessSandboxOptions options);

// The surroundings of the pod whose containers are in `sandbox`, which is borrowed: held by a
// process that has no program of its own and waits. Of the options it needs neither the listener
// nor what concerns programs.
Result<std::unique_ptr<Pod>> MakeProcessPod(ProcessSandboxOptions options, Sandbox& sandbox);

// What is left of a container whose sandbox has died: kills it, removes it, and detaches what is
// mounted in `bundle`. No error if there is none. How it ended, as far as that is known: as its
// sandbox saw it, else killed now.
Result<Exit> ClearContainer(const std::string& state_root, const std::string& id,
                            const std::string& bundle);

}  // namespace wasmoor::sandbox
