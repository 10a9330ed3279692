#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "function/worker/outlet.h"
#include "function/worker/process.h"
#include "function/workers.h"

namespace wasmoor::function {

// All workers of a server. A worker is started when somebody first wants a function of its tenant,
// and goes when it has had nothing to do for a while, when another tenant needs its place, or when
// a function is granted what it may not reach: then its next one begins beside it. One that dies is
// started again when it is wanted, after a pause that doubles each time. The keeper's thread, but
// for NewRun, and for what an outlet asks.
class WorkerPool final : public Workers, private Outlet::Source, private WorkerProcess::Owner {
 public:
  WorkerPool(std::vector<std::string> words, wasm::Features features, const WorkersParts& parts);
  ~WorkerPool() override;

  std::shared_ptr<Run> NewRun(std::shared_ptr<const Ready> function, CommandPlan plan,
                              Station& station, Run::Listener& listener) override;
  std::shared_ptr<Run> NewRun(std::shared_ptr<const Ready> function, ComponentRun::Plan plan,
                              Station& station, Run::Listener& listener) override;
  bool HasTurn(const std::shared_ptr<const Ready>& function, Station& station,
               std::function<void()> then) override {
    return OutletOf(station).HasTurn(function, std::move(then));
  }
  void OnQueued(const std::shared_ptr<const Ready>& function, Station& station) override {
    OutletOf(station).OnQueued(function);
  }
  void Forget(const std::string& function) override;
  Counts counts() const override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Wanted {
    size_t outlet = 0;
    std::shared_ptr<const Ready> function;
  };
  // Of one tenant, or one function that has none.
  struct Slot {
    std::unique_ptr<WorkerProcess> worker;
    std::list<Wanted> wanted;
    std::chrono::milliseconds pause{0};  // Before the next start.
    Clock::time_point not_before{};
    loop::Timer starting;
  };
  // One that is to end, and the outlets that have not closed their connections yet.
  struct Going {
    std::unique_ptr<WorkerProcess> worker;
    size_t open = 0;
  };

  // Outlet::Source
  void Want(size_t outlet, std::shared_ptr<const Ready> function) override;
  void OnClosed(WorkerNumber worker) override;
  void OnLost(WorkerNumber worker, const std::string& why, size_t runs) override;

  // WorkerProcess::Owner
  void OnReady(WorkerProcess& worker) override { Step(worker.key()); }
  void OnFunction(WorkerProcess& worker, const std::shared_ptr<const Ready>& function,
                  const Status& loaded) override;
  void OnLine(WorkerProcess& worker, std::string_view function, std::string_view line) override;
  void OnEnded(WorkerProcess& worker, const std::string& how) override;

  void Step(const std::string& key);
  void StepSoon(const std::string& key);
  void Start(const std::string& key, Slot& slot);
  void Serve(Slot& slot);
  bool Give(WorkerProcess& worker, const Wanted& wanted);
  void Refuse(Slot& slot, const Error& why);
  void Answer(const Wanted& wanted, const Error& why);
  bool MakeRoom();
  void Retire(Slot& slot);
  void LookForIdle();
  void Died(const std::string& key, WorkerProcess& worker, const std::string& how);
  void SweepGroups();
  Outlet& OutletOf(const Station& station);

  const std::vector<std::string> words_;
  const wasm::Features features_;
  const WorkersParts parts_;
  std::vector<std::unique_ptr<Outlet>> outlets_;
  std::map<std::string, Slot> slots_;
  std::deque<std::string> in_line_;  // Slots that wait for a place.
  std::vector<Going> going_;
  std::map<WorkerNumber, size_t> lost_runs_;  // What is to be told of one when it has ended.
  WorkerNumber last_ = 0;
  uint64_t started_ = 0, died_ = 0;
  std::chrono::nanoseconds ended_cpu_time_{0};
  bool ending_ = false;
  loop::Timer idle_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // For what is posted.
};

}  // namespace wasmoor::function
