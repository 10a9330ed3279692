#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/jail/executor.h"
#include "wasmoor/program/compiler.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/engine.h"

// WebAssembly in containers: which containers are wasm, and how one's process becomes a guest.
// docs/wasm-containers.md is what users are told.
namespace wasmoor::container {

class KeptModules;

// What an operator says of all guests, beyond what each container's own configuration has.
struct GuestBounds {
  // At most; a container's own limit that is lower holds. Empty: wasm::Limits.
  std::optional<uint64_t> memory_bytes, table_elements;
  // Where components that serve HTTP listen, unless their environment says. Empty: serve::Settings.
  std::string http_address;
  // Whom guests may ask at most (serve::ParseDestinations), whatever their environment says. Not
  // there: whom the network namespace lets them reach.
  std::optional<std::vector<std::string>> http_outgoing;
};

// The engine of a process in which many guests run at once: for that of kManyGuests.
struct SharedEngine {
  program::Host host;
  std::shared_ptr<wasm::Engine> engine;  // Made with that host's table.
};

struct WasmOptions {
  wasm::EngineFactory engine;
  // Loads all modules, instead of an engine that is made for each. Null in a process whose clones
  // are the guests. Borrowed.
  const SharedEngine* shared = nullptr;
  // Where compiled code is kept, the best place first: the others are for when nothing can be kept
  // there. wasm::Cache has its say about each.
  std::vector<std::filesystem::path> caches;
  // program::CompilerOptions has these.
  std::vector<std::string> compiler;
  uint64_t compiler_bytes = program::CompilerOptions().bytes;
  GuestBounds guest;
  // For a process that makes many containers. Null: each loads its module anew. Borrowed.
  KeptModules* kept = nullptr;
  // Hears what an operator should know although all went well: a line without its end. May be
  // empty.
  std::function<void(std::string_view)> warn;
};

// For WasmOptions::caches: what wasmoor(1) takes (wasm::DefaultCacheDirectory), for root
// /var/cache/wasmoor/modules, and below the directory that a runtime has its containers in, which
// it can always write. Reads the environment.
std::vector<std::filesystem::path> CacheDirectories(const std::filesystem::path& state_root);

// Modules and components, each alone in its container's process: found or compiled on the host,
// loaded before the process is cloned, which never executes anything. The guest has the container's
// root as "/", no capability, Landlock, the specification's seccomp filter and beneath it the one
// for guests. Thread-compatible; the runtime that uses it stays with one thread, since a compiler
// is a process of its own.
class WasmExecutor : public jail::Executor {
 public:
  explicit WasmExecutor(WasmOptions options);

  std::string_view name() const override { return kName; }
  // A container that is marked as wasm (see selection.h) and a program that is by its content, in
  // whatever container; in a container that this made, everything: Prepare refuses what is native.
  bool CanHandle(const jail::ProgramRequest& request) const override;
  // kNotFound: "…: no such file or directory"; kInvalidArgument: it is not WebAssembly, or not
  // valid; kFailedPrecondition: it imports what nobody provides, or its code can be kept nowhere.
  Result<std::unique_ptr<jail::Preparation>> Prepare(
      const jail::ProgramRequest& request) const override;

  static constexpr std::string_view kName = "wasm";

 private:
  WasmOptions options_;
};

}  // namespace wasmoor::container
