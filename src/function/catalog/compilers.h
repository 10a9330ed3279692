#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/loop/pump.h"
#include "wasmoor/os/output.h"
#include "wasmoor/program/compiler.h"
#include "wasmoor/program/source.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::function {

// In their order. What nobody waits for leaves a compiler to what somebody does: the last but one
// that may run, or, where there is one only, that one at once.
enum class Urgency : uint8_t { kWanted, kNew, kOptimize, kIdle };

// Modules that are compiled, or are to be, a few at a time, each module once, whichever functions
// are of it. The loop's thread. Destroying it ends the processes.
class Compilers {
 public:
  struct Work {
    wasm::ModuleHash module = {};
    bool optimized = false;  // Else whatever code is there soonest.
    auto operator<=>(const Work&) const = default;
  };

  class Owner {
   public:
    virtual ~Owner() = default;
    // A function's file, when its turn has come. An Error: it is not this module's any more. Must
    // not ask the compilers for anything.
    virtual Result<program::Source> OpenToCompile(const std::string& function,
                                                  const wasm::ModuleHash& module) = 0;
    // For program::ReadAnswer, with the functions that it was for; or why there was no process.
    virtual void OnCompiled(const Work& work, const std::vector<std::string>& functions,
                            const Result<os::Output>& output) = 0;
  };

  Compilers(loop::Loop& loop, const program::CompilerOptions& options, uint32_t most,
            const wasm::Cache& cache, Owner& owner)
      : loop_(loop),
        options_(options),
        most_(std::max<uint32_t>(most, 1)),
        cache_(cache),
        owner_(owner) {}

  // Again for the same: it may have become more urgent.
  void Request(const std::string& function, const Work& work, Urgency urgency);
  // Somebody waits for whatever is compiled of it, or is to be.
  void Hurry(const std::string& function);
  // A function is gone, or another module's. What is compiled for nobody is given up.
  void Withdraw(const std::string& function);
  // It is of this module now.
  void WithdrawOthers(const std::string& function, const wasm::ModuleHash& module);

  // Is it compiled for the first time, or to be?
  bool IsAt(const std::string& function) const;
  bool idle() const { return jobs_.empty(); }
  size_t size() const { return jobs_.size(); }

 private:
  struct Job {
    explicit Job(loop::Loop& loop) : pump(loop) {}
    Work work;
    Urgency urgency = Urgency::kIdle;
    uint64_t number = 0;  // First come, first served.
    std::set<std::string> functions;
    loop::Pump<os::Output> pump;
    bool runs = false;  // Or has ended, which is to be told.
  };
  using Turn = std::tuple<Urgency, uint64_t, Work>;

  static Turn TurnOf(const Job& job) { return {job.urgency, job.number, job.work}; }
  void SetUrgency(Job& job, Urgency urgency);
  void Step();
  void StepLater();
  bool MakeRoom(Urgency urgency);
  void Start(Job& job);
  void Withdraw(const std::string& function, const Work& work);
  void End(const Work& work, Result<os::Output> output);
  void Tell();
  std::unique_ptr<Job> Take(const Work& work);  // Out of all tables.

  loop::Loop& loop_;
  const program::CompilerOptions& options_;
  const uint32_t most_;
  const wasm::Cache& cache_;
  Owner& owner_;
  std::map<Work, std::unique_ptr<Job>> jobs_;
  std::set<Turn> queue_;  // Of those that do not run.
  std::set<Turn> running_;
  std::map<std::string, std::set<Work>> work_of_;
  uint64_t last_number_ = 0;
  bool stepping_ = false;
  std::vector<std::pair<Work, Result<os::Output>>> ended_;
  loop::Timer tell_, step_;
};

}  // namespace wasmoor::function
