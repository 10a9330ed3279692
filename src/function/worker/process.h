#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "function/worker/channel.h"
#include "function/worker/messages.h"
#include "function/worker/outlet.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::function {

// What a worker's process may reach, which is settled when it is started.
class WorkerRights {
 public:
  Status Add(const Granted& granted);
  bool Cover(const Granted& granted) const;
  bool asks_others() const { return asks_others_; }
  struct Tree {
    dev_t device = 0;
    ino_t inode = 0;
    wasi::Access access = wasi::Access::kReadOnly;
    os::Fd directory;
  };
  std::vector<Tree>& trees() { return trees_; }

 private:
  std::vector<Tree> trees_;
  bool asks_others_ = false;
};

// One worker, as the server sees it: started, told of functions, ended. The keeper's thread.
// Destroying it kills the process if it is there still, and waits for its end.
class WorkerProcess final : private Channel::Listener {
 public:
  class Owner {
   public:
    virtual void OnReady(WorkerProcess& worker) = 0;
    // A function that it was given can be run, or cannot.
    virtual void OnFunction(WorkerProcess& worker, const std::shared_ptr<const Ready>& function,
                            const Status& loaded) = 0;
    virtual void OnLine(WorkerProcess& worker, std::string_view function,
                        std::string_view line) = 0;
    // It has ended, and `how`. May not destroy it.
    virtual void OnEnded(WorkerProcess& worker, const std::string& how) = 0;

   protected:
    ~Owner() = default;
  };
  struct Parts {
    const std::vector<std::string>& words;
    loop::Loop& keeper;
    const wasm::Engine& engine;
    const wasm::Cache& cache;
    Owner& owner;
  };
  static Result<std::unique_ptr<WorkerProcess>> Start(const Parts& parts, WorkerNumber number,
                                                      WorkerRights rights,
                                                      const WorkerSetup& setup);
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess();

  enum class State : uint8_t { kStarting, kReady, kGoing, kEnded };
  State state() const { return state_; }
  bool was_ready() const { return was_ready_; }
  const std::string& key() const { return key_; }
  WorkerNumber number() const { return number_; }
  pid_t pid() const { return pid_; }
  const std::shared_ptr<WorkerUse>& use() const { return use_; }
  const WorkerRights& rights() const { return rights_; }
  std::chrono::steady_clock::time_point started() const { return started_; }
  std::chrono::nanoseconds cpu_time() const;
  // Whom its functions are of, for the operator.
  std::string Name() const;

  // Its number for the function, once it is loaded; nothing: it was told of it, and OnFunction is
  // to come.
  Result<std::optional<uint64_t>> NumberOf(const std::shared_ptr<const Ready>& function);
  // What it has of functions of this name that are not `but`; told to forget them after a moment.
  std::vector<std::shared_ptr<const Ready>> Forget(const std::string& function);
  std::vector<std::shared_ptr<const Ready>> functions() const;

  // A connection to it, once for each outlet; null: that one has it.
  Result<std::shared_ptr<os::Fd>> Connect(size_t outlet);

  // From now on it is given nothing. Ends when it is told to.
  void Retire() { state_ = State::kGoing; }
  void End();                  // It is to end: nothing runs there. Killed after a moment.
  void Kill(std::string why);  // `why`: what it has done.

 private:
  struct Function {
    std::shared_ptr<const Ready> ready;
    uint64_t number = 0;
    bool loaded = false;
  };
  WorkerProcess(const Parts& parts, WorkerNumber number, WorkerRights rights, std::string key);
  Status Spawn();
  Status Watch();
  Status Tell(const Ready& function, uint64_t number);
  Status OnFrame(Frame& frame) override;
  Status OnAnswer(const Frame& frame);
  void OnClosed(const Error& why) override;
  void ReadLines();
  void TellLine(std::string_view line);
  void Reap();

  const Parts parts_;
  const WorkerNumber number_;
  WorkerRights rights_;
  const std::string key_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  State state_ = State::kStarting;
  pid_t pid_ = 0;
  const std::shared_ptr<WorkerUse> use_ = std::make_shared<WorkerUse>();
  std::map<const Ready*, Function> functions_;
  std::set<std::string, std::less<>> names_;  // Of all that it was ever told of.
  uint64_t last_function_ = 0;
  std::set<size_t> connected_;
  std::string why_killed_;
  bool was_ready_ = false, told_to_end_ = false;
  std::chrono::nanoseconds all_cpu_time_{0};  // Once it has ended.
  os::Fd handle_, lines_, theirs_;
  std::unique_ptr<Channel> control_;
  std::string line_;
  std::vector<loop::Timer> timers_;
  loop::Source handle_source_, lines_source_;
};

}  // namespace wasmoor::function
