#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "function/ask.h"
#include "function/run.h"
#include "wasmoor/function/catalog/granting.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::function {

// What a program is run with. Borrowed by its run.
struct CommandPlan {
  const wasm::Module& module;
  const program::Host& host;
  Allowance allowance;
  std::vector<std::string> arguments;
  wasm::Invocation invocation;
  wasi::LateEnvironment* environment = nullptr;
  const Granted* granted = nullptr;  // Whose directories it gets.
  Stopwatch::Until until = Stopwatch::Until::kPassed;
};

// One run of a program, a fresh instance: a core module that is a WASI command, or one of its
// exports.
class CommandRun : public Run, private wasm::TickHandler, private wasi::WaitHandler {
 public:
  CommandRun(CommandPlan plan, Station& station, Listener& listener);

  void Stop(int signal) override;
  void Run(Lane& lane) override;
  void Finish() override { listener_.Ended(); }

 private:
  void OnTick() override;
  void OnWait() override;
  void StepAside();
  Result<wasm::Exit> RunGuest();

  CommandPlan plan_;
  ErrorText errors_;
  Lane* lane_ = nullptr;  // Of the guest's thread.
  Stopwatch watch_;

  std::mutex mutex_;
  wasm::Instance* instance_ = nullptr;  // While it runs.
  Lane* limited_ = nullptr;             // Once it is aside, while it runs.
  int stop_signal_ = 0;
};

}  // namespace wasmoor::function
