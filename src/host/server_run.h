#pragma once

#include <pthread.h>

#include <memory>
#include <mutex>
#include <vector>

#include "host/guest_run.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/serve/server.h"

namespace wasmoor::host {

// A component of wasi:http as one guest of many: it listens in the pod's network namespace, and
// serves on its thread alone. What its requests wait in, and the names that they ask for, are on
// threads that this one makes once the first request is there: they have its jail, its control
// group and its descriptors, and are gone before it is.
class ServerRun : public GuestRun {
 public:
  struct Parts {
    container::GuestPlan plan;
    serve::Settings settings;
    int output = -1, error = -1;  // Open for as long as this lives.
    uint64_t descriptors = 0;     // serve::ServingThread::descriptors.
    wasm::TickHandler* on_tick = nullptr;
    wasm::MemoryPool* pool = nullptr;  // Of its pod; may be null.
  };
  // Bound, in the calling thread's network namespace.
  static Result<std::unique_ptr<ServerRun>> Make(Parts parts);

  // A server is told of its end by a signal to its thread, where a descriptor means what it is to
  // mean. For the process, before its first guest.
  static void CatchBells();

  container::GuestEnd Run() override;
  void Stop(int signal) override;
  void LimitMemory(uint64_t bytes) override { memory_.max = bytes; }
  wasm::Usage usage() const override { return {.memory_bytes = memory_.used}; }
  std::chrono::nanoseconds other_time() const override;

 private:
  explicit ServerRun(Parts parts) : parts_(std::move(parts)) {}
  Status Open();
  void OnOtherThread(bool begins);

  const Parts parts_;
  const pthread_t thread_ = ::pthread_self();
  wasm::MemoryPool memory_;  // Of all its requests together.
  std::atomic<int> ended_by_ = 0;
  mutable std::mutex mutex_;
  std::vector<pid_t> others_;
  std::chrono::nanoseconds others_ended_{0};
  std::unique_ptr<serve::Server> server_;  // After what its threads tell.
};

// How a component is served by a thread in a container with this configuration.
Result<serve::Settings> SettingsForThread(const oci::Linux& config,
                                          const container::GuestBounds& bounds,
                                          const container::GuestPlan& plan);

}  // namespace wasmoor::host
