#include "function/catalog/compilers.h"

#include <algorithm>
#include <utility>

namespace wasmoor::function {
namespace {

bool IsInBackground(Urgency urgency) { return urgency != Urgency::kWanted; }

program::CompilerWork WorkFor(bool optimized, Urgency urgency) {
  if (optimized) return program::CompilerWork::kOptimized;
  return IsInBackground(urgency) ? program::CompilerWork::kAhead : program::CompilerWork::kAtOnce;
}

}  // namespace

void Compilers::Request(const std::string& function, const Work& work, Urgency urgency) {
  auto& job = jobs_[work];
  if (!job) {
    job = std::make_unique<Job>(loop_);
    job->work = work;
    job->urgency = urgency;
    job->number = ++last_number_;
    queue_.insert(TurnOf(*job));
  }
  job->functions.insert(function);
  work_of_[function].insert(work);
  if (urgency < job->urgency) SetUrgency(*job, urgency);
  // Starting a process takes a moment, which nobody needs to wait for if nobody waits for its end.
  if (urgency == Urgency::kWanted) {
    Step();
  } else {
    StepLater();
  }
}

void Compilers::StepLater() {
  if (!step_.pending()) step_ = loop_.After(std::chrono::nanoseconds(0), [this] { Step(); });
}

void Compilers::Hurry(const std::string& function) {
  const auto found = work_of_.find(function);
  if (found == work_of_.end()) return;
  for (const Work& work : found->second) {
    if (!work.optimized) SetUrgency(*jobs_.at(work), Urgency::kWanted);
  }
  Step();
}

// A process that runs stays as it was started, but is not ended any more for another.
void Compilers::SetUrgency(Job& job, Urgency urgency) {
  auto& turns = job.runs ? running_ : queue_;
  turns.erase(TurnOf(job));
  job.urgency = std::min(job.urgency, urgency);
  turns.insert(TurnOf(job));
}

bool Compilers::IsAt(const std::string& function) const {
  const auto found = work_of_.find(function);
  return found != work_of_.end() && std::any_of(found->second.begin(), found->second.end(),
                                                [](const Work& work) { return !work.optimized; });
}

std::unique_ptr<Compilers::Job> Compilers::Take(const Work& work) {
  const auto found = jobs_.find(work);
  std::unique_ptr<Job> job = std::move(found->second);
  jobs_.erase(found);
  queue_.erase(TurnOf(*job));
  running_.erase(TurnOf(*job));
  for (const std::string& function : job->functions) {
    const auto of = work_of_.find(function);
    of->second.erase(work);
    if (of->second.empty()) work_of_.erase(of);
  }
  return job;
}

void Compilers::Withdraw(const std::string& function) {
  const auto found = work_of_.find(function);
  if (found == work_of_.end()) return;
  for (const Work& work : std::set<Work>(found->second)) Withdraw(function, work);
}

void Compilers::WithdrawOthers(const std::string& function, const wasm::ModuleHash& module) {
  const auto found = work_of_.find(function);
  if (found == work_of_.end()) return;
  for (const Work& work : std::set<Work>(found->second)) {
    if (work.module != module) Withdraw(function, work);
  }
}

void Compilers::Withdraw(const std::string& function, const Work& work) {
  const auto of = work_of_.find(function);
  of->second.erase(work);
  if (of->second.empty()) work_of_.erase(of);
  Job& job = *jobs_.at(work);
  job.functions.erase(function);
  if (job.functions.empty()) Take(work);  // Its process ends with it.
  StepLater();
}

// May one of this urgency run? The queue's first is the most urgent: if it may not, nobody may.
bool Compilers::MakeRoom(Urgency urgency) {
  const auto background =
      static_cast<uint32_t>(std::count_if(running_.begin(), running_.end(), [](const Turn& turn) {
        return IsInBackground(std::get<Urgency>(turn));
      }));
  if (IsInBackground(urgency))
    return running_.size() < most_ && background < std::max<uint32_t>(most_ - 1, 1);
  if (running_.size() < most_) return true;
  if (background < most_) return false;
  // Nobody waits for what runs: it ends, and begins anew later.
  const std::unique_ptr<Job>& slot = jobs_.at(std::get<Work>(*running_.rbegin()));
  auto again = std::make_unique<Job>(loop_);
  again->work = slot->work;
  again->urgency = slot->urgency;
  again->number = slot->number;
  again->functions = slot->functions;
  running_.erase(TurnOf(*again));
  queue_.insert(TurnOf(*again));
  jobs_[slot->work] = std::move(again);
  return true;
}

void Compilers::Step() {
  // Called again by what a start that fails makes of it.
  if (std::exchange(stepping_, true)) return;
  while (!queue_.empty() && MakeRoom(std::get<Urgency>(*queue_.begin())))
    Start(*jobs_.at(std::get<Work>(*queue_.begin())));
  stepping_ = false;
}

void Compilers::Start(Job& job) {
  const Work work = job.work;
  queue_.erase(TurnOf(job));
  running_.insert(TurnOf(job));
  job.runs = true;
  for (const std::string& function : job.functions) {
    const auto source = owner_.OpenToCompile(function, work.module);
    if (!source) continue;
    auto process = program::StartCompiler(options_, cache_, wasm::Sharing::kManyGuests,
                                          WorkFor(work.optimized, job.urgency), *source);
    if (!process) return End(work, tl::unexpected(std::move(process).error()));
    return job.pump.Run(*std::move(process),
                        [this, work](Result<os::Output> output) { End(work, std::move(output)); });
  }
  Take(work);
}

// Told later: who asked may not know yet that it was begun, and its pump may be the one that calls.
void Compilers::End(const Work& work, Result<os::Output> output) {
  ended_.emplace_back(work, std::move(output));
  tell_ = loop_.After(std::chrono::nanoseconds(0), [this] { Tell(); });
}

void Compilers::Tell() {
  const auto ended = std::exchange(ended_, {});
  for (const auto& [work, output] : ended) {
    // It may have been withdrawn.
    const auto found = jobs_.find(work);
    if (found == jobs_.end() || !found->second->runs || found->second->pump.busy()) continue;
    const std::unique_ptr<Job> job = Take(work);
    owner_.OnCompiled(work, {job->functions.begin(), job->functions.end()}, output);
  }
  Step();
}

}  // namespace wasmoor::function
