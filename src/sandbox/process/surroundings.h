#pragma once

#include <functional>
#include <string>
#include <string_view>

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
};

}  // namespace wasmoor::sandbox
