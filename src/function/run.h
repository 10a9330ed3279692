#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "function/body.h"
#include "function/reply.h"
#include "wasmoor/base/result.h"
#include "wasmoor/function/lanes/lanes.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::function {

// How a guest ended and what it took.
struct RunResult {
  // An Error: no code of the guest was at fault.
  Result<wasm::Exit> exit = wasm::Exit();
  std::chrono::nanoseconds cpu_time{0}, wall_time{0};
  wasm::Usage usage;
};

// One guest's run for one request. Belongs to the request, whose loop's thread uses it, but for
// Run.
class Run : public Job {
 public:
  // All of its calls come on the guest's thread, but OnWait and Ended, which are the loop's.
  class Listener {
   public:
    virtual void OnAside() = 0;   // It takes long: its thread leads no more.
    virtual void OnOutput() = 0;  // There is output, or a head, that nobody was told of.
    virtual void OnWanted() = 0;  // It has read all of the body that there is.
    virtual void OnError(std::string_view lines) = 0;
    virtual void OnWait() = 0;  // It waits, and has no thread meanwhile.
    virtual void Ended() = 0;

   protected:
    ~Listener() = default;
  };

  Run(Station& station, Listener& listener)
      : station_(station),
        listener_(listener),
        input_([this] { listener_.OnWanted(); }),
        output_([this] { listener_.OnOutput(); }) {}

  BodyIn& input() { return input_; }
  BodyOut& output() { return output_; }
  RunResult& result() { return result_; }  // After Ended.

  // The head of the response, once it is known, of guests that say it apart from their output.
  virtual std::optional<ReplyHead> TakeHead() { return std::nullopt; }
  // On the loop, as all that follows. It begins as soon as it can.
  virtual void Begin() { station_.Begin(*this); }
  // As if it had never begun; false: it has.
  virtual bool TakeBack() { return station_.Withdraw(*this); }
  // Ends it as if by a signal.
  virtual void Stop(int signal) = 0;
  // There is more of the input, or its end, or room for output.
  virtual void OnNews() {}

  void NotRun(Error error) override {
    result_.exit = tl::unexpected(std::move(error));
    Finish();
  }

 protected:
  Station& station_;
  Listener& listener_;
  BodyIn input_;
  BodyOut output_;
  RunResult result_;
};

// What the guest's thread has taken, since it began a stretch of its run.
class Stopwatch {
 public:
  // What is counted before the first tick.
  enum class Until : uint8_t {
    kPassed,  // All that passed, since most runs are over before, and asking the kernel costs a
              // part of them.
    kTaken,   // For who is not alone on its CPU: a worker, which shares it with its server.
  };
  void Begin(Until until = Until::kPassed);
  // At a tick.
  std::chrono::nanoseconds Look();
  // At the end.
  struct Time {
    std::chrono::nanoseconds cpu, wall;
  };
  Time End() const;

 private:
  std::chrono::nanoseconds Passed() const;

  std::chrono::steady_clock::time_point began_;
  std::optional<std::chrono::nanoseconds> measured_;  // The thread's time when it was first asked.
  std::chrono::nanoseconds before_{0};
};

// As long as this a guest may keep its loop's other requests waiting.
inline constexpr std::chrono::microseconds kSlice{500};

}  // namespace wasmoor::function
