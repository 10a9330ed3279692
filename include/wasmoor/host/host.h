#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/os/fd.h"

// A process in which the guests of many containers run: one guest is one thread, in a jail of its
// own as far as Linux has one for a thread, and all share one engine and one copy of each module's
// code. What it serves is proto/wasmoor/host.proto. It knows nothing of sandboxes, and outlives
// nobody: it ends when its connection does.
namespace wasmoor::host {

struct HostOptions {
  wasm::EngineFactory engine;
  std::vector<std::filesystem::path> caches;  // As container::WasmOptions has them.
  std::vector<std::string> compiler;
  std::string filters;    // Where compiled seccomp profiles are kept: seccomp::CompileCached.
  std::string skeletons;  // A directory of its own, made if it is not there.
};

// In a process with one thread and all rights, which this keeps to the end: the status to exit
// with.
int RunHost(const HostOptions& options, os::Fd connection);

// The longest message of either side.
constexpr size_t kMostInMessage = size_t{4} << 20;

}  // namespace wasmoor::host
