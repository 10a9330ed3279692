#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "conformance/engine_suite/support.h"

// Deadlines and Stop, where guests share a process.
namespace wasmoor::suite {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kGuest = R"((module
  (import "test" "plain" (func $block))
  (import "test" "number" (func $number (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "loop") (loop (br 0)))
  (func $f (export "recurse") (result i32)
    (loop (result i32) (drop (call $number (i32.const 0))) (br 0)))
  (func (export "block") (call $block))
  (func (export "trap") (call $block) unreachable)
  (func (export "answer") (result i32) (i32.const 42))))";

// A host function that blocks as those of WASI do, until it is told to stop.
Outcome Block(Call& call) {
  while (!call.interrupt.requested()) {
    if (::poll(nullptr, 0, -1) != -1) return call.Trap("poll returned");
  }
  return Outcome::kStopped;
}

class StopTest : public EngineTest {
 protected:
  GuestOptions Blocking() {
    GuestOptions options;
    options.hooks->plain = Block;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, StopTest, testing::ValuesIn(EveryMany()), WayName);

TEST_P(StopTest, StopEndsALoopACallingLoopAndABlockedCall) {
  const auto module = Load(kGuest);
  for (const char* function : {"loop", "recurse", "block"}) {
    Guest guest = New(*module, Blocking());
    const auto started = wasm::Clock::now();
    {
      const Meanwhile meanwhile([&] { guest.instance->Stop(SIGTERM); });
      EXPECT_THAT(guest.Invoke(function), SignaledBy(SIGTERM)) << function;
    }
    EXPECT_LT(wasm::Clock::now() - started, kGenerous) << function;
  }
}

TEST_P(StopTest, ADeadlineEndsALoopACallingLoopAndABlockedCall) {
  const auto module = Load(kGuest);
  for (const char* function : {"loop", "recurse", "block"}) {
    Guest guest = New(*module, Blocking());
    const auto started = wasm::Clock::now();
    EXPECT_THAT(Must(guest.Run({.function = function, .deadline = In(milliseconds(20))})),
                TimedOut())
        << function;
    EXPECT_GE(wasm::Clock::now() - started, milliseconds(20)) << function;
    EXPECT_LT(wasm::Clock::now() - started, kGenerous) << function;
  }
}

TEST_P(StopTest, BaselineCodeIsEndedToo) {
  const auto code = Must(engine().Compile(BytesOf(kGuest), Tier::kBaseline));
  Guest guest = New(*Must(engine().Load(code)), Blocking());
  EXPECT_THAT(Must(guest.Run({.function = "loop", .deadline = In(milliseconds(10))})), TimedOut());
}

TEST_P(StopTest, AStartFunctionThatLoopsIsEnded) {
  Guest guest = New(R"((module (func $s (loop (br 0))) (start $s) (func (export "_start"))))");
  EXPECT_THAT(Must(guest.Run({.deadline = In(milliseconds(10))})), TimedOut());
  Guest stopped = New(R"((module (func $s (loop (br 0))) (start $s) (func (export "_start"))))");
  const Meanwhile meanwhile([&] { stopped.instance->Stop(SIGINT); });
  EXPECT_THAT(Must(stopped.Run()), SignaledBy(SIGINT));
}

TEST_P(StopTest, AGuestThatWasStoppedBeforehandDoesNotBegin) {
  GuestOptions options;
  bool began = false;
  options.hooks->plain = [&](Call&) { return began = true, Outcome::kReturned; };
  Guest guest =
      New(R"((module (import "test" "plain" (func $f)) (start $f) (func (export "_start"))))",
          std::move(options));
  guest.instance->Stop(SIGHUP);
  EXPECT_THAT(Must(guest.Run()), SignaledBy(SIGHUP));
  EXPECT_FALSE(began);
}

TEST_P(StopTest, ADeadlineThatHasPassedIsNotBegun) {
  GuestOptions options;
  bool began = false;
  options.hooks->plain = [&](Call&) { return began = true, Outcome::kReturned; };
  Guest guest =
      New(R"((module (import "test" "plain" (func $f)) (func (export "_start") (call $f))))",
          std::move(options));
  EXPECT_THAT(Must(guest.Run({.deadline = In(milliseconds(-1))})), TimedOut());
  EXPECT_FALSE(began);
}

TEST_P(StopTest, StopAfterTheEndIsHarmless) {
  Guest guest = New(kGuest);
  EXPECT_THAT(guest.Invoke("answer"), Returned("42"));
  guest.instance->Stop(SIGTERM);
  guest.instance->Stop(SIGKILL);
  EXPECT_THAT(New(kGuest).Invoke("answer"), Returned("42"));
}

TEST_P(StopTest, TheFirstStopCounts) {
  Guest guest = New(kGuest);
  guest.instance->Stop(SIGUSR1);
  guest.instance->Stop(SIGKILL);
  const Exit exit = guest.Invoke("loop");
  EXPECT_THAT(exit, testing::AnyOf(SignaledBy(SIGUSR1), SignaledBy(SIGKILL)));
}

TEST_P(StopTest, ADeadlineThatWasMetDoesNotEndTheNextRun) {
  Guest guest = New(kGuest);
  EXPECT_THAT(Must(guest.Run({.function = "answer", .deadline = In(milliseconds(15))})),
              Returned("42"));
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_THAT(guest.Invoke("answer"), Returned("42"));
}

TEST_P(StopTest, AGuestThatIsStoppedWhileItTrapsHasTrapped) {
  GuestOptions options;
  Guest* self = nullptr;
  options.hooks->plain = [&](Call&) { return self->instance->Stop(SIGTERM), Outcome::kReturned; };
  Guest guest = New(kGuest, std::move(options));
  self = &guest;
  EXPECT_THAT(guest.Invoke("trap"),
              testing::AnyOf(TrappedBy(TrapCode::kUnreachable), SignaledBy(SIGTERM)));
}

TEST_P(StopTest, OneOfTwoIsStoppedAndTheOtherIsNotDisturbed) {
  const auto module = Load(kGuest);
  GuestOptions slow;
  slow.hooks->number = [](Call& call) {
    std::this_thread::sleep_for(milliseconds(60));
    return call.Return(call.interrupt.requested() ? -1 : 7);
  };
  const auto caller = Load(R"((module (import "test" "number" (func $n (param i32) (result i32)))
    (func (export "f") (result i32) (call $n (i32.const 0)))))");
  Guest stopped = New(*module);
  Guest other = New(*caller, std::move(slow));
  Exit stopped_exit, other_exit;
  std::thread first([&] { stopped_exit = stopped.Invoke("loop"); });
  std::thread second([&] { other_exit = other.Invoke("f"); });
  std::this_thread::sleep_for(milliseconds(10));
  stopped.instance->Stop(SIGTERM);
  first.join();
  second.join();
  EXPECT_THAT(stopped_exit, SignaledBy(SIGTERM));
  EXPECT_THAT(other_exit, Returned("7"));
}

TEST_P(StopTest, AThreadThatBlocksAllSignalsIsReachedToo) {
  const auto module = Load(kGuest);
  Guest guest = New(*module, Blocking());
  Exit exit;
  std::thread thread([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    exit = Must(guest.Run({.function = "block", .deadline = In(milliseconds(20))}));
  });
  thread.join();
  EXPECT_THAT(exit, TimedOut());
}

TEST_P(StopTest, ADeepGuestIsEndedToo) {
  wasm::EngineOptions options = Options();
  options.stack_bytes = 4 << 20;
  const auto engine = NewEngine(options);
  // Goes down two megabytes of frames and loops there: signals arrive on a deep stack.
  Guest guest = New(*Load(*engine, R"((module
    (func $down (export "f") (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (loop (br 0))))
      (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (local.get 0)))))"));
  EXPECT_THAT(
      Must(guest.Run({.function = "f", .arguments = {"20000"}, .deadline = In(milliseconds(30))})),
      TimedOut());
}

TEST_P(StopTest, StopsFromManyThreadsAtAnyMomentEndTheGuestOnce) {
  const auto module = Load(kGuest);
  for (int round = 0; round < 50; ++round) {
    Guest guest = New(*module, Blocking());
    std::vector<std::thread> stoppers;
    for (int i = 0; i < 3; ++i) {
      stoppers.emplace_back([&, round] {
        std::this_thread::sleep_for(std::chrono::microseconds(round * 40));
        guest.instance->Stop(SIGTERM);
      });
    }
    EXPECT_THAT(guest.Invoke(round % 2 == 0 ? "block" : "loop"), SignaledBy(SIGTERM));
    for (std::thread& stopper : stoppers) stopper.join();
  }
}

TEST_P(StopTest, NothingRunsAfterwards) {
  const size_t threads = Threads();
  const size_t descriptors = OpenDescriptors();
  {
    const auto engine = NewEngine(Options());
    Guest guest = New(*Load(*engine, kGuest));
    EXPECT_THAT(Must(guest.Run({.function = "loop", .deadline = In(milliseconds(5))})), TimedOut());
  }
  EXPECT_LE(Threads(), threads + 2) << "helpers of the compiler may stay";
  EXPECT_EQ(OpenDescriptors(), descriptors);
}

}  // namespace
}  // namespace wasmoor::suite
