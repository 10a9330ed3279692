#pragma once

#include <chrono>
#include <memory>

#include "container/guest_plan.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::host {

// A guest that is ready to be run. Made, run and destroyed by its thread.
class GuestRun {
 public:
  virtual ~GuestRun() = default;
  virtual container::GuestEnd Run() = 0;

  // Any thread, until it is destroyed.
  virtual void Stop(int signal) = 0;  // May be called again, with another signal.
  virtual void LimitMemory(uint64_t bytes) = 0;
  virtual wasm::Usage usage() const = 0;
  // Of CPU time, what threads besides its own have used for it.
  virtual std::chrono::nanoseconds other_time() const { return {}; }
};

// A module, or a component that is a command: from its beginning to its end.
class ProgramRun : public GuestRun {
 public:
  // What it borrows outlives it. `limits_tell` is RunGuest's.
  ProgramRun(std::unique_ptr<program::Guest> guest, container::GuestPlan plan, bool limits_tell,
             int output, int error)
      : plan_(std::move(plan)),
        guest_(std::move(guest)),
        limits_tell_(limits_tell),
        output_(output),
        error_(error) {}

  container::GuestEnd Run() override {
    return container::RunGuest(*guest_, plan_, limits_tell_, output_, error_);
  }
  void Stop(int signal) override { guest_->Stop(signal); }
  void LimitMemory(uint64_t bytes) override { guest_->LimitMemory(bytes); }
  wasm::Usage usage() const override { return guest_->usage(); }

 private:
  const container::GuestPlan plan_;
  const std::unique_ptr<program::Guest> guest_;
  const bool limits_tell_;
  const int output_, error_;
};

}  // namespace wasmoor::host
