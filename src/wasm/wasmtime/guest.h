#pragma once

#include <atomic>
#include <string>

#include "wasm/wasmtime/handles.h"
#include "wasm/wasmtime/shared.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::wasm::wasmtime {

// What belongs to one store beside the store: limits, the interrupt, the contexts of its host
// functions, and how a host function ended the guest if one did. The store's data pointer points
// here, so it neither moves nor dies before the store.
class Guest {
 public:
  Guest(std::shared_ptr<Shared> shared, InstanceOptions options);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // The store, under the limits and with the epoch callback. Call once, with the engine of the
  // module.
  void MakeStore(wasm_engine_t* engine);
  wasmtime_context_t* context() const { return context_; }

  const InstanceOptions& options() const { return options_; }
  // See Instance::Stop. Any thread.
  void Stop(int signal);

  // See Instance::LimitMemory. Any thread.
  void LimitMemory(uint64_t bytes);

  // Remembers the memory that host functions work on.
  void UseMemory(const wasmtime_memory_t& memory);
  hostcall::Memory memory() const;  // That, as it is now; empty if there is none.

  // Calls a host function for the guest and keeps how it ended; null if the guest goes on.
  wasm_trap_t* CallHost(const hostcall::Table::Entry& entry, wasmtime_caller_t* caller,
                        wasmtime_val_raw_t* values, size_t count);

  // Called at every tick while the guest runs: is it to end?
  bool MustStop();

  // For a component, which waits in its engine's WASI: gets ready to be ended there. Once, before
  // Run. `resources`: see wasmoor_drive_t.
  Status Drive(size_t resources);
  // How calls of a component are ended while they wait; null if nothing does.
  const wasmoor_drive_t* drive() const { return driver_ != nullptr ? &drive_ : nullptr; }
  // It waits, or has ended to.
  void Waits(bool waits) { in_host_.store(waits, std::memory_order_relaxed); }

  // Runs `call`, which enters the guest, with the deadline in force; returns how the guest ended.
  // `call` returns an error or a trap of the C API, both null for success.
  struct Ended {
    ErrorHandle error;
    TrapHandle trap;
  };
  template <typename Call>
  Result<Exit> Run(std::optional<Clock::time_point> deadline, Call call);

  // How the last host function, or the tick, ended the guest during the last Run; kReturned if none
  // did.
  hostcall::Outcome outcome() const { return outcome_; }

  Usage usage() const;

 private:
  hostcall::Memory MemoryOf(wasmtime_caller_t* caller);
  Status CheckStack() const;
  std::optional<Exit> ExitBeforeStart(std::optional<Clock::time_point> deadline);
  std::optional<Exit> ExitOnRequest() const;
  Exit ExitFrom(const Ended& ended) const;

  const std::shared_ptr<Shared> shared_;
  const InstanceOptions options_;
  hostcall::Interrupt interrupt_;
  std::atomic<bool> in_host_ = false;  // In a host function.
  std::atomic<int> stop_signal_ = 0;   // Of Stop; 0 if nobody called it.
  wasmoor_limits_t limits_ = {};
  DriverHandle driver_;
  wasmoor_drive_t drive_ = {};
  StoreHandle store_;  // After what its guest waits in.
  wasmtime_context_t* context_ = nullptr;
  wasmtime_memory_t memory_ = {};
  bool has_memory_ = false;
  hostcall::Outcome outcome_ = hostcall::Outcome::kReturned;
  int32_t exit_code_ = 0;
  std::string trap_message_;
};

template <typename Call>
Result<Exit> Guest::Run(std::optional<Clock::time_point> deadline, Call call) {
  TRY(CheckStack());
  if (!shared_->many_guests()) {
    if (deadline) {
      return Fail(Code::kFailedPrecondition,
                  "an engine for one guest keeps no deadlines: end the process at the deadline");
    }
    outcome_ = hostcall::Outcome::kReturned;
    return ExitFrom(call());
  }
  if (auto exit = ExitBeforeStart(deadline)) return *std::move(exit);
  outcome_ = hostcall::Outcome::kReturned;
  const auto run = [&] {
    const Ticker::Running running(*shared_->ticker(), interrupt_, in_host_, deadline,
                                  driver_.get());
    return call();
  };
  Exit exit = ExitFrom(run());
  if (exit.ok()) interrupt_.WithdrawDeadline();
  return exit;
}

// The C API's callback for every host function: `entry` is a hostcall::Table::Entry.
wasm_trap_t* CallHostFunction(void* entry, wasmtime_caller_t* caller, wasmtime_val_raw_t* values,
                              size_t count) noexcept;

}  // namespace wasmoor::wasm::wasmtime
