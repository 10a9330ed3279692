#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/hostcall/value.h"
#include "wasmoor/wasm/exit.h"
#include "wasmoor/wasm/options.h"

// What an engine is. The interface has no word of any engine; a second engine is a folder beside
// wasmtime/ that implements these three classes and passes tests/conformance/engine_suite.
namespace wasmoor::wasm {

class HttpHandler;
struct HttpOptions;
class TrustedCode;

using Bytes = std::span<const uint8_t>;

// One guest: a store with one instance in it. Made, run and destroyed on one thread, which is the
// guest's thread while it runs; only Stop may be called from another.
class Instance {
 public:
  virtual ~Instance() = default;

  // Runs to the end and says how it ended. The first Run also instantiates: memory is reserved and
  // the module's start function runs then, under the same deadline. An Error means that no code of
  // the guest was at fault: limits or a full pool (kResourceExhausted), no such export (kNotFound),
  // wrong arguments (kInvalidArgument), a deadline that the engine cannot keep or a thread with too
  // small a stack (kFailedPrecondition). A second Run works if the first returned kExited with code
  // 0.
  virtual Result<Exit> Run(const Invocation& invocation) = 0;

  // Ends a running guest, looping or blocked in a host function or in a component's WASI, as if by
  // `signal`: Run returns kSignaled within about a tick. Before Run: it will end at once. Any
  // thread; kManyGuests only (without effect otherwise).
  virtual void Stop(int signal) = 0;

  // Another limit of memory from now on, which holds for what is asked for later: what it has it
  // keeps. Any thread.
  virtual void LimitMemory(uint64_t bytes) = 0;

  virtual Usage usage() const = 0;  // The guest's thread, or any after Run has returned.
};

enum class ModuleKind : uint8_t { kCore, kComponent };

enum class ExternKind : uint8_t {
  kFunction,
  kGlobal,
  kTable,
  kMemory,
  kTag,
  kInstance,
  kModule,
  kOther
};

// An import or export, for people and for checks before a run.
struct Extern {
  std::string module;  // Of an import; empty for an export and for a component's import.
  std::string name;
  ExternKind kind = ExternKind::kOther;
  hostcall::Signature signature;  // Of a core function.
  std::string type;               // As text: "(i32) -> i32", "memory 1..10 pages", "instance" …
};

// A compiled module or component with its engine's imports; immutable, shared by threads. Keeps its
// engine's inner parts alive.
class Module {
 public:
  virtual ~Module() = default;
  virtual ModuleKind kind() const = 0;
  virtual std::vector<Extern> Imports() const = 0;
  virtual std::vector<Extern> Exports() const = 0;

  // A fresh instance, of which nothing has run. kFailedPrecondition for imports that the engine's
  // table lacks, with each named and what would provide it.
  virtual Result<std::unique_ptr<Instance>> NewInstance(InstanceOptions options) const = 0;

  // Of a component that serves HTTP (http.h) and was loaded by an engine of kManyGuests: gets ready
  // to, with a pool and a thread of its own, which belong to this process: a handler does not
  // survive fork(2). kFailedPrecondition as NewInstance; kUnimplemented if this engine cannot.
  virtual Result<std::unique_ptr<HttpHandler>> NewHttpHandler(const HttpOptions& options) const;
};

// Compiles and loads. Thread-safe; destroying it leaves modules usable.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string_view name() const = 0;     // "wasmtime"
  virtual std::string_view version() const = 0;  // "48.0.8"

  // Everything besides the module itself that the compiled code depends on: engine version,
  // options, CPU. Equal fingerprints, and only those, may exchange code. Printable, for humans too.
  virtual std::string Fingerprint(Tier tier) const = 0;

  // Compiles a module or a component; the text format (.wat) is accepted too. kInvalidArgument if
  // it is not valid WebAssembly or needs a feature that is off: the message says what and at which
  // offset. kUnimplemented if this tier cannot compile this module while another could.
  virtual Result<TrustedCode> Compile(Bytes wasm, Tier tier) const = 0;

  // Loads what Compile made, in this process or, through the cache, in another. kDataLoss if it is
  // not code for this engine's options and version, or damaged; kResourceExhausted if the pool can
  // never hold an instance of it; kUnimplemented if this Sharing cannot run it.
  virtual Result<std::shared_ptr<const Module>> Load(const TrustedCode& code) const = 0;
};

// How an engine is named and made, for the list in cmd/engines.cc.
struct EngineFactory {
  std::string_view name;
  std::string_view version;
  Result<std::unique_ptr<Engine>> (*create)(const EngineOptions& options);
};

// True for a binary core module or component, by its magic and version fields.
bool LooksLikeModule(Bytes bytes);
bool LooksLikeComponent(Bytes bytes);

}  // namespace wasmoor::wasm
