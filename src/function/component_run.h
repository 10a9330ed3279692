#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "function/idle_instances.h"
#include "function/run.h"
#include "wasmoor/function/server.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::function {

// One run of a component of wasi:http: of a fresh instance, or of one that has served. It runs in
// stretches, between which it waits without a thread: each begins on the thread that leads the
// loop, and ends when the guest waits, or has ended. One that stays (Plan) is run by
// Lanes::BeginApart, on a thread of its own, and waits there. Bodies go through the buffers of Run.
class ComponentRun : public Run, public std::enable_shared_from_this<ComponentRun> {
 public:
  // Borrowed until Ended; the handler is shared.
  struct Plan {
    std::shared_ptr<wasm::HttpHandler> handler;
    std::shared_ptr<const Reuse> reuse;  // Null: a fresh instance, for this request only.
    Allowance allowance;
    std::string_view method;
    std::string target;
    std::vector<wasm::HttpField> fields;
    bool has_body = false;
    // It has files: all of it is run, and waits, on the one thread that may open them.
    bool stays = false;
    Stopwatch::Until until = Stopwatch::Until::kPassed;
  };
  ComponentRun(Plan plan, Station& station, Listener& listener);

  void Begin() override { Resume(); }
  bool TakeBack() override;
  std::optional<ReplyHead> TakeHead() override;
  void Stop(int signal) override;
  void OnNews() override { Resume(); }
  void Run(Lane& lane) override;
  void Finish() override;

 private:
  enum class Step : uint8_t { kGoOn, kWait, kEnd };

  void Resume();
  void StepAside(Lane& lane);
  void RunStretch(Lane& lane);
  void WaitForNews();
  bool MakeRequest();
  void Feed();
  Step Poll();
  void Answer();
  void Carry(BodyOut::State end);
  void GiveInstance();
  wasm::Exit Stopped() const {
    return {.kind = wasm::Exit::Kind::kSignaled, .signal = stop_signal_};
  }
  void EndWith(Result<wasm::Exit> exit);

  Plan plan_;
  Stopwatch watch_;
  wasm::MemoryPool memory_;
  std::unique_ptr<wasm::HttpRequest> request_;  // Of the thread that runs it.
  uint32_t served_ = 0;                         // By its instance, before.
  // The loop's: it is in the queue or runs, and is to go on after that.
  bool is_begun_ = false, again_ = false;
  bool over_ = false, is_answered_ = false, body_over_ = false, body_broken_ = false,
       fed_all_ = false;
  std::atomic<int> stop_signal_ = 0;

  std::mutex mutex_;  // Of what follows.
  std::optional<ReplyHead> head_;
  bool has_news_ = false;                 // Of one that stays.
  std::condition_variable came_;          // That.
  wasm::HttpRequest* running_ = nullptr;  // The same as request_.
  Lane* limited_ = nullptr;               // While a stretch is aside.
};

}  // namespace wasmoor::function
