#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "container/guest_plan.h"
#include "container/signals.h"
#include "wasmoor/jail/executor.h"
#include "wasmoor/program/program.h"

namespace wasmoor::container {

// The guest of a container's process. To be made where the engine is.
class WasmProgram : public jail::Program {
 public:
  explicit WasmProgram(GuestPlan plan);

  jail::Privileges privileges() const override { return jail::Privileges::kNone; }
  bool executes() const override { return false; }
  std::span<const os::Fd* const> keeps() const override { return keeps_; }
  Error Become(const std::function<Status()>& confine) override;

 private:
  Result<std::unique_ptr<program::Guest>> MakeGuest();
  // Runs it to its end; the exit status.
  int Run(program::Guest& guest) const;

  GuestPlan plan_;
  std::vector<const os::Fd*> keeps_;
  const FaultHandlers fault_handlers_;
};

}  // namespace wasmoor::container
