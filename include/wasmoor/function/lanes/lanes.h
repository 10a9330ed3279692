#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/seats.h"
#include "wasmoor/loop/loop.h"

// Threads that run guests, and the event loops that they serve in turns.
//
// A request is read, run and answered on one thread, since handing it to another costs more than
// most requests do. So the thread that leads a loop runs the guests itself, between two callbacks.
// A guest that takes long, or is about to wait, makes its thread step aside: another one leads the
// loop from then on, and this one is the guest's alone, in its own control group, whose limit is
// rewritten for it. No thread is ever moved, and nothing is made for a request.
namespace wasmoor::function {

class Lane;
class Lanes;

// One guest's run.
class Job {
 public:
  virtual ~Job() = default;
  // On a thread that leads, and may step aside meanwhile.
  virtual void Run(Lane& lane) = 0;
  // On the loop, after Run. May destroy the job.
  virtual void Finish() = 0;
  // On the loop, in the place of both, of one that was begun apart: there was no thread for it.
  virtual void NotRun(Error error) = 0;
};

// A loop and the jobs that its callbacks have begun.
class Station {
 public:
  loop::Loop& loop() { return *loop_; }

  // Runs it as soon as the callback under way has returned and those before it have run or stepped
  // aside. On the loop.
  void Begin(Job& job) { jobs_.push_back(&job); }
  // Takes back what has not begun to run; false: it has.
  bool Withdraw(const Job& job);
  // Whether somebody leads next. As long as nobody does, what was begun waits.
  bool has_standby() const { return has_standby_.load(std::memory_order_relaxed); }

 private:
  friend class Lane;
  friend class Lanes;
  explicit Station(std::unique_ptr<loop::Loop> loop);

  std::unique_ptr<loop::Loop> loop_;
  loop::Timer staying_;  // There is always something to wait for.
  std::deque<Job*> jobs_;
  Lane* standby_ = nullptr;  // Leads next. With the mutex of the lanes.
  std::atomic<bool> has_standby_ = false;
};

// A thread, of one loop at a time or of one guest.
class Lane {
 public:
  // Of the guest's thread. The guest is not to be waited for any longer: from now on it has at most
  // so many thousandths of a CPU (0: no limit), and somebody else leads the loop, if it was this
  // one.
  void StepAside(uint32_t millicores);
  bool leads() const { return leads_; }

  // Of the guest's thread, at its ticks after StepAside: sleeps as long as the guest has to where
  // no control group sees to its limit, or until a signal comes.
  void Pace();

  // Another limit of the guest that runs here now, any thread. 0: none.
  void Limit(uint32_t millicores);

  // Whether a control group sees to its limit.
  bool has_group() const { return has_group_.load(std::memory_order_relaxed); }
  uint32_t number() const { return number_; }

 private:
  friend class Lanes;
  Lane(Lanes& lanes, uint32_t number, std::unique_ptr<cgroup::Seat> seat)
      : lanes_(lanes), number_(number), seat_(std::move(seat)), has_group_(seat_ != nullptr) {}
  void Live();
  void Lead();
  void RunJob(Job& job);
  void LiveApart();
  Status Enter(const std::function<Status()>& jail);
  void Lose(const Error& why);
  void Leave();

  Lanes& lanes_;
  const uint32_t number_;
  const std::unique_ptr<cgroup::Seat> seat_;
  std::atomic<bool> has_group_;  // The seat is still there.
  pthread_t thread_ = {};
  Station* station_ = nullptr;  // That it is to lead, or leads, or whose guest it has.
  bool leads_ = false;
  // Of one that was made for a single job.
  Job* apart_ = nullptr;
  std::function<Status()> enter_;
  std::atomic<uint32_t> limit_ = 0;
  // Where there is no group: since when the guest is held to its limit, and what it had used then.
  std::chrono::steady_clock::time_point paced_since_;
  std::chrono::nanoseconds paced_from_{0};

  std::condition_variable turn_;  // With the mutex of the lanes.
  enum class State : uint8_t { kParked, kStandby, kAtWork } state_ = State::kParked;
};

struct LanesOptions {
  uint32_t stations = 1;  // Loops.
  uint32_t most = 256;    // Guests that have stepped aside, at once.
  uint32_t spare = 2;     // Threads that wait for nothing but their turn.
  uint64_t stack_bytes = 2 << 20;
  // What each thread does first, as its jail. An error ends it.
  std::function<Status()> enter;
  // Null: by the guests' clocks, as of every lane that can get no group or has lost it. Borrowed.
  const cgroup::Seats* seats = nullptr;
  // Where threads are made: a loop of a thread that may, which is none of these.
  loop::Loop& keeper;
  std::function<void(std::string_view)> warn;  // A line for the operator; the keeper's thread.
};

// All lanes of a process. Belongs to the keeper's thread, but where it says otherwise.
class Lanes {
 public:
  static Result<std::unique_ptr<Lanes>> Create(LanesOptions options);
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  ~Lanes();  // After Stop.

  const std::vector<std::unique_ptr<Station>>& stations() const { return stations_; }

  // Runs it on a thread that is made for it, where `enter` is called first instead of the options'
  // own, as it needs a jail of another kind: it has stepped aside before it begins. Any thread.
  void BeginApart(Station& station, Job& job, std::function<Status()> enter);

  // Loops are served from now on. An error of the first threads is this one's.
  Status Start();
  // Ends all loops after the callbacks under way, and joins all threads: guests that have stepped
  // aside must have been told to end. What jobs have not run by then never does.
  void Stop();

  struct Counts {
    uint32_t threads = 0, aside = 0;  // All; and those that have a guest of their own.
  };
  Counts counts() const;  // Any thread.

 private:
  friend class Lane;
  explicit Lanes(LanesOptions options) : options_(std::move(options)) {}
  std::unique_ptr<Lane> NewLane();
  Status MakeLane();
  Status Launch(std::unique_ptr<Lane> lane);
  Status MakeApart(Station& station, Job& job, std::function<Status()> enter);
  void TopUp();        // As many as there should be, by the keeper.
  void AskForLanes();  // Any thread; with the mutex.
  static void* Enter(void* lane);

  bool WaitForTurn(Lane& lane);  // False: it is to end.
  void Failed(Lane& lane, Status why);
  void Warn(std::string_view what, const Error& why);  // Any thread; of the same once a while.
  void Retire(Lane& lane);
  void Stand(Station& station);  // Finds it somebody who leads next, if there is one. Locked.
  void Appoint(Lane& lane, Station& station);

  const LanesOptions options_;
  std::vector<std::unique_ptr<Station>> stations_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Lane*> parked_;
  std::vector<std::unique_ptr<Lane>> ended_;
  size_t apart_ = 0;               // Jobs apart that have not ended.
  std::condition_variable first_;  // A first thread has come so far as to wait for its turn.
  uint32_t made_ = 0;              // Numbers given.
  uint32_t entered_ = 0;
  Status failed_;  // Of the first that could not enter.
  bool started_ = false, stopping_ = false;
  std::mutex telling_;  // Of what was warned of last.
  std::map<std::string, std::chrono::steady_clock::time_point, std::less<>> told_;
  std::atomic<bool> asked_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // For what is posted.
};

}  // namespace wasmoor::function
