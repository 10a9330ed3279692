#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "wasmoor/hostcall/function.h"

namespace wasmoor::wasi {
struct Grants;
}

namespace wasmoor::wasm {

// How many guests one process runs, which decides how they are allocated and how they are ended.
enum class Sharing : uint8_t {
  // One. Its memory is mapped when it is instantiated; its code carries no interruption checks,
  // which
  // cost up to 70 % in the tightest loops (docs/benchmarks.md). It cannot be stopped from inside
  // the
  // process: its deadline and its signals end the process (os::EndProcessAfter).
  kOneGuest,
  // Many, at once and one after another. Instances come from a pool that is reserved once; code
  // carries epoch checks, so that each guest has a deadline of its own and can be stopped alone.
  kManyGuests,
};

// How a module is compiled.
enum class Tier : uint8_t {
  kOptimized,  // Slow to compile, fast to run.
  kBaseline,  // Compiles in one pass, several times faster; runs at a half to a fifth of the speed.
};

std::string_view TierName(Tier tier);  // "optimized", "baseline"

// The WebAssembly proposals that guests may use. The defaults are what has reached phase 4 or later
// and is supported to the engine's first tier; the rest widens the attack surface and is opted
// into.
struct Features {
  bool simd = true;
  bool relaxed_simd = true;
  bool bulk_memory = true;
  bool multi_value = true;
  bool reference_types = true;
  bool multi_memory = true;
  bool memory64 = true;
  bool tail_call = true;
  bool function_references = true;
  bool gc = true;
  bool exceptions = true;
  // Atomics and shared memories; a guest cannot start threads either way. A shared memory is for
  // kOneGuest only, and it may grow to the maximum that it declares whatever Limits say.
  bool threads = false;
  bool custom_page_sizes = false;
  bool wide_arithmetic = false;
  bool stack_switching = false;
  bool component_model = true;
  bool operator==(const Features&) const = default;
};

// Every feature with its name ("tail-call"), for flags, settings and inspect.
struct FeatureInfo {
  std::string_view name;
  bool Features::* member;
};
std::span<const FeatureInfo> AllFeatures();

// The pool of Sharing::kManyGuests. Address space is reserved for all of it at once; memory is used
// only by what runs.
struct Pool {
  // At once, of core modules. 0: no pool; each instance's memory is mapped for it.
  uint32_t instances = 1000;
  uint64_t memory_bytes = uint64_t{4} << 30;  // The most one linear memory may grow to.
  uint32_t memories_per_module = 1;
  uint32_t tables_per_module = 4;
  uint64_t table_elements = 100'000;  // The most one table may grow to.
  // What a freed slot keeps instead of giving it back to the kernel: a page fault less per page for
  // the next instance. Without the table's share every instance costs an madvise, which threads of
  // one address space pay for with each other.
  uint64_t memory_keep_resident = 256 << 10;
  uint64_t table_keep_resident = 64 << 10;
};

struct EngineOptions {
  Sharing sharing = Sharing::kOneGuest;
  Features features;
  Pool pool;
  // Of guest frames; more traps with kStackOverflow. The thread that runs a guest needs 128 KiB
  // more.
  uint64_t stack_bytes = 1 << 20;
  std::chrono::milliseconds tick{10};  // How promptly a looping guest ends; kManyGuests only.
  // Start what ends guests in time with the engine, and not with the first guest: for a process in
  // which the threads of guests may start none. kManyGuests only.
  bool tick_at_once = false;
  // Of kManyGuests: its modules are run by this very process, which will not clone itself, and its
  // components are served (HttpOptions::Process::kPooled).
  bool serves = false;
  bool parallel_compile = true;  // Compile on all CPUs. The helper threads idle afterwards.
  // What guests may import; shared with the engine, not changed afterwards. Null: nothing.
  std::shared_ptr<const hostcall::Table> host;
};

// What one instance may use, as a sum over all its memories and tables. Growth beyond fails inside
// the guest (memory.grow returns -1); a module that starts beyond does not instantiate.
struct Limits {
  uint64_t memory_bytes = uint64_t{4} << 30;
  uint64_t table_elements = 10'000'000;
  uint32_t instances = 100;  // Core instances of a component, and alike below.
  uint32_t memories = 100;
  uint32_t tables = 100;
};

// What the memories of several instances, a pod's say, may have together. Any thread.
struct MemoryPool {
  std::atomic<uint64_t> used = 0;  // Bytes.
  std::atomic<uint64_t> max = std::numeric_limits<uint64_t>::max();
  MemoryPool* above = nullptr;     // What is used of this is used of that, too. Borrowed.
  std::atomic<uint64_t> peak = 0;  // The most that `used` ever was.
};

using Clock = std::chrono::steady_clock;

// Whom a guest asks at every tick while it computes, on its own thread; it waits as long as this
// does, unless it waits for something itself meanwhile. That a guest is to be paused, or has had
// its share of CPU time, is for this to know. Must return soon once the guest is stopped.
class TickHandler {
 public:
  virtual ~TickHandler() = default;
  virtual void OnTick() = 0;
};

struct InstanceOptions {
  Limits limits;
  MemoryPool* memory_pool = nullptr;     // Borrowed; null: none.
  TickHandler* on_tick = nullptr;        // kManyGuests only. Borrowed.
  hostcall::Bindings bindings;           // The contexts of the engine's host functions.
  const wasi::Grants* grants = nullptr;  // For components, whose WASI 0.2 is the engine's own.
};

// What to run.
struct Invocation {
  // The export to call. Empty: the command's entry point, `_start` of a module, wasi:cli/run of a
  // component; a module without `_start` is called at its default export "" if it has one.
  std::string function;
  // For a module: one literal per parameter ("7", "-1", "2.5"). A component takes its arguments
  // inside `function`, as WAVE: "add(1, 2)".
  std::vector<std::string> arguments;
  // Calls an export of a core module by WasmEdge's bindgen convention, with these bytes as its one
  // parameter, a string or a vector of bytes: Exit::results are those of what it returns. An Err of
  // Rust's is an Exit with the code 1, and the Err's text as results.
  std::optional<std::string> bytes;
  // kManyGuests only; an engine of kOneGuest refuses it (see Sharing).
  std::optional<Clock::time_point> deadline;
};

// What an instance has used so far.
struct Usage {
  uint64_t memory_bytes = 0;  // Linear memories, all together; they never shrink.
  uint64_t table_elements = 0;
  uint64_t memory_refusals = 0;  // Growths that a limit (or the kernel) refused.
};

}  // namespace wasmoor::wasm
