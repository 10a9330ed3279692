#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "function/command_run.h"
#include "function/component_run.h"
#include "function/run.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/function/lanes/lanes.h"
#include "wasmoor/function/server.h"

namespace wasmoor::function {

// Where functions run that are not to share this process with others: one process for all functions
// of a tenant, and one for each that has none. Destroying it ends them, after all loops have ended.
// The keeper's thread, but where it says otherwise.
class Workers {
 public:
  virtual ~Workers() = default;

  // Runs of such a function, on its station's loop: the same as CommandRun and ComponentRun.
  virtual std::shared_ptr<Run> NewRun(std::shared_ptr<const Ready> function, CommandPlan plan,
                                      Station& station, Run::Listener& listener) = 0;
  virtual std::shared_ptr<Run> NewRun(std::shared_ptr<const Ready> function,
                                      ComponentRun::Plan plan, Station& station,
                                      Run::Listener& listener) = 0;

  // May a request for the function ask to be admitted now? As many as a worker has at hand begin
  // at once, and others wait outside of the queue, as they would be unread yet if they ran here. Of
  // those `then` is called when it is their turn. On the station's loop.
  virtual bool HasTurn(const std::shared_ptr<const Ready>& function, Station& station,
                       std::function<void()> then) = 0;

  // One has asked, and was queued: while short ones run, those after it wait for them and do not
  // ask, since the queue is for what will not be over in a moment.
  virtual void OnQueued(const std::shared_ptr<const Ready>& function, Station& station) = 0;

  // A function is another from now on, or gone: what was in force is needed no more.
  virtual void Forget(const std::string& function) = 0;

  struct Counts {
    uint32_t workers = 0;
    uint64_t started = 0, died = 0;        // Died: by themselves.
    std::chrono::nanoseconds cpu_time{0};  // Of all there have been.
  };
  virtual Counts counts() const = 0;
};

struct WorkersParts {
  const ServerSettings& settings;
  const wasm::Engine& engine;  // Whose code they run: with options of WorkerEngineOptions.
  const wasm::Cache& cache;
  loop::Loop& keeper;
  std::span<const std::unique_ptr<Station>> stations;
  uint64_t memory_bytes = 0;       // For all guests together.
  uint64_t idle_memory_bytes = 0;  // Of each process: for instances between two requests.
  std::function<void(std::string_view function, std::string_view lines)> guest_says;
  std::function<void(const std::string& line)> notice;  // For the operator.
};

}  // namespace wasmoor::function
