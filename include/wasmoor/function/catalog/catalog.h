#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/function/catalog/granting.h"
#include "wasmoor/function/catalog/manifest.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/program/compiler.h"
#include "wasmoor/wasm/cache.h"
#include "wasmoor/wasm/engine.h"

// The functions of a directory, always the newest that works.
//
// DIR/hello.wasm is the function "hello", DIR/acme/hello.wasm is "acme/hello", of the tenant acme;
// NAME.toml beside it is its manifest. What is put there can be had at once, what is replaced is
// replaced as soon as the new one works, and what is removed is gone; a file that is half written,
// or no module, or asks for what it may not have changes nothing but what is told of it. Modules
// are compiled by other processes, and loaded from the cache when they are asked for first.
namespace wasmoor::function {

// How a function is run.
enum class Kind : uint8_t {
  kCommand,  // From its entry point: a module's _start, a component's wasi:cli/run.
  kHttp,     // A component that serves HTTP (wasm::ServesHttp).
  kBindgen,  // A library whose functions are called by WasmEdge's bindgen, "_main" where none is
             // named.
  kLibrary,  // It has nothing but exports to call.
};

// A function that can be run. Immutable; any thread. Whoever runs it holds it: it stays as it is
// when the function is replaced, removed or unloaded.
struct Ready {
  std::string function;  // "hello", "acme/hello"
  std::string tenant;    // Empty: none.
  std::string name;      // "hello"
  // Of what was put there: a later one has a higher number than all before it, whatever function it
  // is of. The same with optimized code, and when it is loaded again, has the same.
  uint64_t generation = 0;
  std::shared_ptr<const Manifest> manifest;
  std::shared_ptr<const Granted> granted;  // Descriptors of the catalog's thread's table.
  std::shared_ptr<const wasm::Module> module;
  Kind kind = Kind::kCommand;
  wasm::Tier tier = wasm::Tier::kOptimized;
  wasm::ModuleHash hash = {};

  using Clock = std::chrono::steady_clock;
  // For whoever runs it without asking the catalog for it each time: what is not used for long is
  // unloaded first.
  void MarkUse(Clock::time_point now) const {
    last_used.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }
  mutable std::atomic<Clock::rep> last_used = 0;
};

struct FunctionInfo {
  enum class State : uint8_t {
    kRegistered,  // Nobody has asked for it yet, and it was not looked at closely.
    kCompiling,   // It waits for a compiler, or for its end; nothing of it can be run so far.
    kReady,
    kBroken,  // See `problem`.
  };
  std::string function;
  State state = State::kRegistered;
  bool loaded = false;  // Of kReady: it is in memory.
  // What is in force, of kReady.
  uint64_t generation = 0;
  Kind kind = Kind::kCommand;
  wasm::Tier tier = wasm::Tier::kOptimized;
  wasm::ModuleHash hash = {};
  std::shared_ptr<const Manifest> manifest;
  // What is wrong with what is there now; of kReady: an earlier one is in force meanwhile.
  std::optional<Error> problem;
};

// Hears of functions, on the catalog's thread. May ask the catalog, and must not destroy it.
class CatalogListener {
 public:
  virtual ~CatalogListener() = default;
  // This is in force from now on: loaded since somebody asked for it, or in place of an earlier
  // one.
  virtual void OnChange(const std::shared_ptr<const Ready>& ready) = 0;
  enum class Gone : uint8_t {
    kRemoved,   // There is no such function any more.
    kUnloaded,  // It is to be asked for again when it is needed: memory is others'.
  };
  virtual void OnGone(const std::string& function, Gone why) = 0;
  // What is there now cannot be run; once each. What was in force stays so.
  virtual void OnProblem(const std::string& function, const Error& error) = 0;
  virtual void OnNotice(const std::string& line) = 0;  // For an operator, of no function.
};

struct CatalogOptions {
  std::string directory;
  std::chrono::milliseconds poll{500};  // How often changes are looked for.
  bool inotify = true;                  // And heard of, where the file system tells of them.

  program::CompilerOptions compiler;  // `features` are the engine's.
  uint32_t compilers = 2;             // At once.
  // What is there at the start is compiled before anybody asks for it, too, when no compiler has
  // anything else to do.
  bool compile_all = false;

  size_t max_loaded = 1000;  // Functions in memory, besides those that somebody holds.
  Granting granting;
  Maxima maxima;
};

// One thread, the loop's, which may open files and start processes; Ready is for all. What it keeps
// of a function that nobody asks for is some hundred bytes. A network file system that hangs hangs
// this thread, and nobody who has a Ready.
class Catalog {
 public:
  // Looks at the directory, and loads nothing. `engine` is one of kManyGuests, with the table that
  // its guests import from. All that is given is borrowed. kFailedPrecondition: there is no place
  // for compiled code. Else an error says why the directory cannot be read.
  static Result<std::unique_ptr<Catalog>> Create(loop::Loop& loop, CatalogOptions options,
                                                 const wasm::Engine& engine,
                                                 const wasm::Cache& cache,
                                                 CatalogListener& listener);
  // Ends its compilers. Who waits is not answered any more.
  virtual ~Catalog() = default;

  using Done = std::function<void(Result<std::shared_ptr<const Ready>>)>;
  // Calls `done`, perhaps before this returns, with the function when it can be run: at once if it
  // is in memory, after a moment if its code is in the cache, else when it has been compiled. A
  // name that is not known is looked for on the disk, unless too many are. kNotFound: "no function
  // 'x'". kUnavailable: nobody can tell now, or its code can be kept nowhere. kPermissionDenied:
  // its manifest asks for too much. Else what is wrong with its files (kInvalidArgument,
  // kFailedPrecondition, …), remembered until they change.
  virtual void Want(std::string_view function, Done done) = 0;

  virtual std::vector<FunctionInfo> List() const = 0;  // By name.
  virtual std::optional<FunctionInfo> Find(std::string_view function) const = 0;

  struct Counts {
    size_t functions = 0, loaded = 0, compiling = 0, broken = 0;
  };
  virtual Counts counts() const = 0;

  // Why the directory cannot be read now; none if it can. What is known of it stays in force.
  virtual std::optional<Error> away() const = 0;
};

}  // namespace wasmoor::function
