#include <atomic>
#include <thread>

#include "conformance/engine_suite/support.h"

// Many guests of one module at once.
namespace wasmoor::suite {
namespace {

constexpr int kThreads = 4;

constexpr std::string_view kCounter =
    R"((module (memory (export "memory") 1) (global $g (mut i32) (i32.const 0))
  (func (export "count") (param $times i32) (result i32)
    (loop $next
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
      (global.set $g (i32.add (global.get $g) (i32.const 1)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br_if $next (local.get $times)))
    (i32.add (i32.load (i32.const 0)) (global.get $g)))))";

using ParallelTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, ParallelTest, testing::ValuesIn(EveryWay()), WayName);

// A failure in a thread is counted there and reported here.
int InThreads(const std::function<bool(int)>& good) {
  std::atomic<int> bad = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      if (!good(i)) ++bad;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return bad;
}

TEST_P(ParallelTest, GuestsOfOneModuleShareNoMemoryAndNoGlobals) {
  const auto module = Load(kCounter);
  EXPECT_EQ(InThreads([&](int thread) {
              for (int round = 0; round < 25; ++round) {
                const int times = 1000 + thread * 100 + round;
                Guest guest = New(*module);
                const Exit exit = guest.Invoke("count", {std::to_string(times)});
                if (exit.results != std::to_string(2 * times)) return false;
              }
              return true;
            }),
            0);
}

TEST_P(ParallelTest, ModulesAreMadeLinkedAndDroppedByManyThreads) {
  engine();
  EXPECT_EQ(InThreads([&](int thread) {
              for (int round = 0; round < 5; ++round) {
                const auto module =
                    Load(fmt::format(R"((module (import "test" "plain" (func $f)) (func (export "f")
                                        (result i32) (call $f) (i32.const {}))))",
                                     thread));
                if (New(*module).Invoke("f").results != std::to_string(thread)) return false;
              }
              return true;
            }),
            0);
}

TEST_P(ParallelTest, TrapsOfOneThreadAreNoneOfTheOthers) {
  const auto module = Load(R"((module (memory 1)
    (func (export "fall") (drop (i32.load (i32.const -4))))
    (func (export "stand") (result i32) (i32.const 1))))");
  EXPECT_EQ(InThreads([&](int thread) {
              for (int round = 0; round < 50; ++round) {
                Guest guest = New(*module);
                const Exit exit = guest.Invoke(thread % 2 == 0 ? "fall" : "stand");
                const bool fell = exit.kind == Exit::Kind::kTrapped &&
                                  exit.trap.code == TrapCode::kMemoryOutOfBounds;
                if (thread % 2 == 0 ? !fell : exit.results != "1") return false;
              }
              return true;
            }),
            0);
}

TEST_P(ParallelTest, AModuleOutlivesItsEngineAndAnInstanceItsModule) {
  auto own = NewEngine(Options());
  auto module = Load(*own, kCounter);
  own.reset();
  Guest guest = New(*module);
  module.reset();
  EXPECT_THAT(guest.Invoke("count", {"3"}), Returned("6"));
}

TEST_P(ParallelTest, AnInstanceThatNeverRanLeavesNothing) {
  const auto module = Load(kCounter);
  for (int i = 0; i < 100; ++i) New(*module);
  EXPECT_THAT(New(*module).Invoke("count", {"1"}), Returned("2"));
}

}  // namespace
}  // namespace wasmoor::suite
