#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "function/worker/channel.h"
#include "function/worker/remote_run.h"
#include "wasmoor/function/lanes/lanes.h"

namespace wasmoor::function {

// A worker's name in both directions: no other has it, before or after it.
using WorkerNumber = uint64_t;

// A worker that can run a function.
struct Given {
  WorkerNumber worker = 0;
  pid_t pid = 0;
  uint64_t function = 0;  // What it calls it.
  std::shared_ptr<WorkerUse> use;
  std::shared_ptr<os::Fd> connection;  // Of a worker that this outlet knows already: null.
};

// One loop's connections to workers, and its runs there. The loop's.
class Outlet {
 public:
  // Who has the workers. Any thread.
  class Source {
   public:
    // The function is to run; ends with OnGiven or OnRefused.
    virtual void Want(size_t outlet, std::shared_ptr<const Ready> function) = 0;
    // A connection is closed: the worker was to go, and nothing of this outlet runs there.
    virtual void OnClosed(WorkerNumber worker) = 0;
    // It was lost, with so many runs. If the worker lives, it is not to.
    virtual void OnLost(WorkerNumber worker, const std::string& why, size_t runs) = 0;

   protected:
    ~Source() = default;
  };

  Outlet(size_t index, Station& station, Source& source);
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;
  ~Outlet();

  // As of Workers.
  bool HasTurn(const std::shared_ptr<const Ready>& function, std::function<void()> then);
  void OnQueued(const std::shared_ptr<const Ready>& function);
  // It is short no more: has ended, or got a thread of its own.
  void Passed(const std::shared_ptr<const Ready>& function);

  void Begin(std::shared_ptr<RemoteRun> run);
  bool Withdraw(const RemoteRun& run);  // Of what has no worker yet; false: it is none of that.
  void Lose(const Channel& channel, std::string why);

  // ---- Of the source, on this loop.
  void OnGiven(const std::shared_ptr<const Ready>& function, const Given& given);
  void OnRefused(const std::shared_ptr<const Ready>& function, const Error& why);
  void Forget(const std::shared_ptr<const Ready>& function);  // Its next run asks again.
  void Retire(WorkerNumber worker);                           // No run begins there any more.

  Station& station() { return station_; }

 private:
  class Link;
  struct Known {
    std::shared_ptr<const Ready> function;
    std::shared_ptr<Link> link;
    uint64_t number = 0;
  };
  struct Waiting {
    std::shared_ptr<const Ready> function;
    std::deque<std::shared_ptr<RemoteRun>> runs;
  };
  // Of a function: what has begun and is short so far, and who waits for the like.
  struct Turns {
    std::shared_ptr<const Ready> function;
    uint32_t under_way = 0;
    uint32_t queued = 0;  // That have asked, and have not begun, as far as is known here.
    std::deque<std::function<void()>> waiting;
  };
  bool HasRoom(const Turns& turns) const;
  void Release(const Ready* function);
  void AskAgain();
  void ForgetLink(const Link& link);
  std::shared_ptr<Link> HoldOf(const Link& link) const;
  void Gone(Link& link);

  const size_t index_;
  Station& station_;
  Source& source_;
  std::unordered_map<const Ready*, Known> known_;
  std::unordered_map<const Ready*, Waiting> waiting_;
  std::unordered_map<const Ready*, Turns> turns_;
  loop::Timer asking_;
  uint32_t at_work_ = 0;  // Of turns_, those that have something under way.
  std::vector<std::shared_ptr<Link>> links_;
};

}  // namespace wasmoor::function
