#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "wasmoor/jail/container.h"
#include "wasmoor/loop/answer.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/sandbox/process/process_sandbox.h"

namespace wasmoor::sandbox {

// What all parts of a process sandbox use. Outlives them.
struct Surroundings {
  loop::Loop& loop;
  Listener& listener;
  std::string name_space;
  container::WasmOptions wasm;
  FindModule find_module;
  std::function<void(std::string_view)> log;
  // With no patience: nothing here may wait.
  std::shared_ptr<const jail::Containers> containers;
};

// Those of the options, or opened now.
Result<std::shared_ptr<const jail::Containers>> ContainersFor(const ProcessSandboxOptions& options);

}  // namespace wasmoor::sandbox
