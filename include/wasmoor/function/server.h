#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/http/server.h"
#include "wasmoor/program/compiler.h"
#include "wasmoor/program/program.h"
#include "wasmoor/telemetry/otlp.h"
#include "wasmoor/wasm/cache.h"
#include "wasmoor/wasm/engine.h"

// A server of functions: those of a directory (catalog.h), each request in a fresh instance with a
// CPU and a memory limit of its own (lanes.h), admitted by what it asks for (admission.h).
// docs/serve.md is what users are told.
namespace wasmoor::function {

// What one request may use.
struct Allowance {
  uint32_t millicores = 500;  // Thousandths of a CPU.
  uint64_t memory_bytes = uint64_t{200} << 20;
  std::chrono::milliseconds time{30'000};  // From its head to the end of its response.
  bool operator==(const Allowance&) const = default;
};

// What keeps guests of different tenants apart besides the engine.
enum class Isolation : uint8_t {
  kThread,   // The jails of their threads; but for functions whose manifest asks for a process.
  kProcess,  // Processes: one for each tenant, and one for each function that has none.
};

// Whether control groups are to see to CPU limits.
enum class Groups : uint8_t {
  kAuto,  // Where they can be written; else guests' own clocks do.
  kOff,
  kRequired,  // Else it does not start.
};

// Knative's queue-proxy, in WasmBox' form: it is told how busy the server is.
struct QueueProxy {
  std::string host = "127.0.0.1";
  uint16_t port = 9096;
  std::chrono::milliseconds period{50};
  uint32_t window = 20;  // Reports over which it is averaged.
  std::chrono::milliseconds first_pause{1000};
  int most_tries_told = 10;
};

struct ServerSettings {
  std::string functions;                                 // The directory.
  std::vector<std::string> listen = {"127.0.0.1:8080"};  // os::ListenTcp, or "unix:/path".
  std::vector<std::string> health;  // Of /ready, /live and /metrics; maybe none.
  std::vector<std::string> admin;   // Of the page and /metrics; maybe none.
  // Names, besides addresses and localhost, by which browsers may ask for the page.
  std::vector<std::string> admin_hosts;

  Allowance usual;  // Of requests that do not say, and whose manifests do not.
  // The most that a request may ask for. Of CPU and memory 0: as much as there is in all.
  Allowance most{.millicores = 0, .memory_bytes = 0, .time = std::chrono::minutes(10)};
  Reply reply = Reply::kAuto;
  bool tells_usage = true;         // By fields of responses.
  uint64_t body_bytes = 64 << 20;  // The most of a request.
  std::string pod;                 // POD_UID; told in WasmBox' replies.

  uint32_t loops = 0;         // 0: one a CPU that there is for it.
  uint32_t guests = 256;      // That have stepped aside, at once.
  uint64_t memory_bytes = 0;  // For all guests together. 0: what the server's own limit leaves.
  // Of instances that wait for another request, as manifests ask for it, besides; at most a quarter
  // of what there is. Each process of functions may have a quarter of this.
  uint64_t idle_memory_bytes = 16 << 20;
  double overcommit = 4;  // So much more CPU may be promised than there is.
  uint32_t queue_requests = 10'000;
  double queue_factor = 4;  // What waits may ask for as much as can run, so many times over.
  Groups groups = Groups::kAuto;
  Isolation isolation = Isolation::kThread;
  uint32_t workers = 64;                          // Processes of functions, at once.
  std::chrono::milliseconds worker_idle{60'000};  // After so long without a request they end.
  bool jail = true;                               // Of the threads that guests run on.
  std::chrono::milliseconds grace{25'000};        // What runs at SIGTERM has to end.
  enum class AccessLog : uint8_t { kNone, kFailures, kAll } access_log = AccessLog::kFailures;

  std::optional<QueueProxy> queue_proxy;
  // Not ready while more of the memory for guests is promised, on the average of so many seconds.
  // 0: whatever is.
  double ready_below = 0;
  uint32_t ready_window = 10;

  Granting granting;
  http::Limits http;
  size_t max_loaded = 1000;  // Modules in memory.
};

class Workers;
struct WorkersParts;

struct ServerParts {
  const wasm::Engine& engine;  // Of kManyGuests, that serves.
  const wasm::Cache& cache;
  const program::Host& host;  // That the engine was made with.
  program::CompilerOptions compiler;
  uint64_t stack_bytes = 1 << 20;  // Of a guest, as the engine has it.
  // Where functions run that are to have processes of their own (worker/worker.h).
  using MakeWorkers = std::function<std::unique_ptr<Workers>(const WorkersParts&)>;
  MakeWorkers workers;
  std::optional<telemetry::OtlpSettings> traces;  // Of requests; nothing: none are sent.
  // Whole lines for an operator, and one of the access log, of this function. Any thread.
  std::function<void(std::string_view)> say;
  std::function<void(std::string_view function, std::string_view line)> report;
};

class Server {
 public:
  // Ready to serve: bound, the directory read, its threads in their jails. Errors say what could
  // not be had.
  static Result<std::unique_ptr<Server>> Create(const ServerSettings& settings, ServerParts parts);
  virtual ~Server() = default;

  // Where it is bound, in the order of the settings: which port a 0 became.
  virtual std::vector<std::string> addresses() const = 0;
  // How CPU limits are kept, and what there is to give: lines for who starts it.
  virtual std::string Description() const = 0;

  // Serves until SIGTERM or SIGINT, and then until what runs has ended or its grace is over.
  virtual Status Run() = 0;
};

}  // namespace wasmoor::function
