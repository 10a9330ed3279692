#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <variant>

#include "function/command_run.h"
#include "function/component_run.h"
#include "function/run.h"
#include "function/worker/channel.h"
#include "wasmoor/function/catalog/catalog.h"

namespace wasmoor::function {

class Outlet;

// How much a worker has to do, for the keeper. Any thread.
struct WorkerUse {
  std::atomic<uint32_t> runs = 0;
  std::atomic<std::chrono::steady_clock::rep> last = 0;  // When it had nothing to do any more.
};

// One guest's run in a worker, as the request sees it. All of it is the loop's.
//
// Bodies are passed on as far as the other side has said that it takes more: one part of the input
// after each kWanted, one of the output after each kTaken, so that neither process keeps more than
// what a guest's own buffers hold.
class RemoteRun final : public Run, public std::enable_shared_from_this<RemoteRun> {
 public:
  using Plan = std::variant<CommandPlan, ComponentRun::Plan>;
  RemoteRun(std::shared_ptr<const Ready> function, Plan plan, Outlet& outlet, Station& station,
            Listener& listener);

  std::optional<ReplyHead> TakeHead() override;
  void Begin() override;
  bool TakeBack() override;
  void Stop(int signal) override;
  void OnNews() override;
  void Run(Lane&) override {}
  void Finish() override {}

  const std::shared_ptr<const Ready>& function() const { return function_; }

  // ---- Of its connection.
  // It begins there, as the run of this number of the function of that one. Both are borrowed.
  void BeginAt(Channel& channel, WorkerUse& use, uint64_t number, uint64_t function);
  // What its worker says of it, but its end. An error: nonsense.
  Status OnFrame(const Frame& frame);
  Status OnEnd(const Frame& frame);
  // There is no worker, or none any more.
  void EndWithout(Error why);

 private:
  using Clock = std::chrono::steady_clock;
  void SendInput();
  void SendTaken();
  Status OnOutput(std::string_view part);
  Status OnOutputEnd(BodyOut::State how);
  const Allowance& allowance() const;
  void Pass();
  void Leave();

  const std::shared_ptr<const Ready> function_;
  Plan plan_;
  Outlet& outlet_;
  Channel* channel_ = nullptr;  // While it runs there.
  WorkerUse* use_ = nullptr;
  uint64_t number_ = 0;
  Clock::time_point began_;
  std::optional<ReplyHead> head_;
  bool is_short_ = false;  // So far: the outlet counts it among those.
  bool has_head_ = false, has_ended_output_ = false;
  std::string results_;
  bool wanted_ = true;       // The worker takes more input.
  bool input_over_ = false;  // It was told the input's end.
  bool owes_taken_ = false;  // It waits to be told that its output has gone on.
  loop::Timer patience_;     // With a worker that was told to end it.
};

}  // namespace wasmoor::function
