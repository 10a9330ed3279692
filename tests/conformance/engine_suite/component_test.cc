#include <csignal>
#include <thread>

#include "conformance/engine_suite/support.h"

namespace wasmoor::suite {
namespace {

using testing::HasSubstr;

// Adds, loops, sleeps, traps, allocates.
constexpr std::string_view kComponent = R"((component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $inner (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $inner))))))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core module $m
    (import "" "block" (func $block (param i32)))
    (import "" "subscribe" (func $subscribe (param i64) (result i32)))
    (memory 1)
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "loop") (loop (br 0)))
    (func (export "sleep") (param i64) (call $block (call $subscribe (local.get 0))))
    (func $fall (export "fall") unreachable)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func $deep (export "deep") (result i32) (i32.add (call $deep) (i32.const 1))))
  (core instance $i (instantiate $m (with "" (instance
    (export "block" (func $block)) (export "subscribe" (func $subscribe))))))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (func (export "loop") (canon lift (core func $i "loop")))
  (func (export "sleep") (param "nanoseconds" u64) (canon lift (core func $i "sleep")))
  (func (export "fall") (canon lift (core func $i "fall")))
  (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow")))
  (func (export "deep") (result u32) (canon lift (core func $i "deep")))))";

constexpr std::string_view kForever = "sleep(3600000000000)";

using ComponentTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, ComponentTest, testing::ValuesIn(EveryWay()), WayName);

TEST_P(ComponentTest, AnExportIsCalledWithArguments) {
  const auto module = Load(kComponent);
  EXPECT_EQ(module->kind(), wasm::ModuleKind::kComponent);
  Guest guest = New(*module);
  EXPECT_THAT(guest.Invoke("add(40, 2)"), Returned("42"));
  EXPECT_THAT(guest.Invoke("add(4294967295, 1)"), Returned("0"))
      << "a second call in the same instance";
  EXPECT_THAT(guest.Invoke("sleep(1000)"), ExitedWith(0));
}

TEST_P(ComponentTest, ACallThatDoesNotFitIsAnError) {
  const auto module = Load(kComponent);
  const auto run = [&](std::string call) {
    return New(*module).Run({.function = std::move(call)});
  };
  EXPECT_THAT(run("add(1)"), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(run("add(1, \"x\")"), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(run("add(1,"), FailsWith(Code::kInvalidArgument, HasSubstr("add(1,")));
  EXPECT_THAT(run("subtract(1, 2)"), FailsWith(Code::kNotFound, HasSubstr("subtract")));
  EXPECT_THAT(New(*module).Run({.function = "add(1, 2)", .arguments = {"3"}}),
              FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(New(*module).Run(), FailsWith(Code::kNotFound, HasSubstr("not a command")));
}

TEST_P(ComponentTest, ATrapHasItsCodeAndFrames) {
  const auto module = Load(kComponent);
  const Exit exit = New(*module).Invoke("fall()");
  EXPECT_THAT(exit, TrappedBy(TrapCode::kUnreachable));
  ASSERT_FALSE(exit.trap.frames.empty());
  EXPECT_EQ(exit.trap.frames.front().function, "fall");
  EXPECT_THAT(New(*module).Invoke("deep()"), TrappedBy(TrapCode::kStackOverflow));
}

TEST_P(ComponentTest, MemoryBeyondTheLimitIsRefusedToTheGuest) {
  GuestOptions options;
  options.limits.memory_bytes = 4 * 65536;
  Guest guest = New(kComponent, std::move(options));
  EXPECT_THAT(guest.Invoke("grow(4)"), Returned("-1"));
  EXPECT_THAT(guest.Invoke("grow(3)"), Returned("1"));
  EXPECT_EQ(guest.instance->usage().memory_bytes, 4 * 65536U);
}

TEST_P(ComponentTest, AnImportThatNothingProvidesIsNamed) {
  EXPECT_THAT(TryNew(*Load(R"((component (import "acme:rockets/launch@1.0.0" (instance
                                (export "go" (func))))))")),
              FailsWith(Code::kFailedPrecondition, HasSubstr("acme:rockets/launch@1.0.0")));
}

TEST_P(ComponentTest, AStartFunctionMayEndTheGuest) {
  for (const int status : {0, 1}) {
    Guest guest = New(fmt::format(R"((component
      (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
      (core func $leave (canon lower (func $exit "exit")))
      (core module $m (import "" "leave" (func $leave (param i32)))
        (func $s (call $leave (i32.const {}))) (start $s) (func (export "f")))
      (core instance $i (instantiate $m (with "" (instance (export "leave" (func $leave))))))
      (func (export "f") (canon lift (core func $i "f")))))",
                                  status));
    EXPECT_THAT(guest.Invoke("f()"), ExitedWith(status));
  }
}

TEST_P(ComponentTest, ACommandOfARealCompilerRuns) {
  if (const auto why = WhyMissing("hello-component"); !why.empty()) GTEST_SKIP() << why;
  Pipe output;
  GuestOptions options;
  options.grants.arguments = {"hello"};
  options.grants.standard_output = std::move(output.write);
  {
    Guest guest = New(GuestFile("hello-component"), std::move(options));
    EXPECT_THAT(Must(guest.Run()), ExitedWith(0));
  }
  EXPECT_EQ(output.Drain(), "Hello from wasm!\n");
}

// What only guests that share a process can: end one while the process goes on.
using ManyComponentsTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, ManyComponentsTest, testing::ValuesIn(EveryMany()), WayName);

TEST_P(ManyComponentsTest, ADeadlineEndsALoopAndASleep) {
  const auto module = Load(kComponent);
  for (const std::string_view call : {std::string_view("loop()"), kForever}) {
    Guest guest = New(*module);
    const auto started = wasm::Clock::now();
    EXPECT_THAT(Must(guest.Run({.function = std::string(call),
                                .deadline = In(std::chrono::milliseconds(30))})),
                TimedOut())
        << call;
    EXPECT_LT(wasm::Clock::now() - started, kGenerous) << call;
  }
}

TEST_P(ManyComponentsTest, StopEndsALoopAndASleep) {
  const auto module = Load(kComponent);
  for (const std::string_view call : {std::string_view("loop()"), kForever}) {
    Guest guest = New(*module);
    const Meanwhile meanwhile([&] { guest.instance->Stop(SIGTERM); });
    EXPECT_THAT(guest.Invoke(std::string(call)), SignaledBy(SIGTERM)) << call;
  }
}

TEST_P(ManyComponentsTest, StopEndsAReadOfAPipeThatStaysSilent) {
  if (const auto why = WhyMissing("cat-component"); !why.empty()) GTEST_SKIP() << why;
  Pipe input;
  GuestOptions options;
  options.grants.arguments = {"cat"};
  options.grants.standard_input = std::move(input.read);
  Guest guest = New(GuestFile("cat-component"), std::move(options));
  const Meanwhile meanwhile([&] { guest.instance->Stop(SIGINT); });
  EXPECT_THAT(Must(guest.Run()), SignaledBy(SIGINT));
}

TEST_P(ManyComponentsTest, AStoppedSleeperDisturbsNoOther) {
  const auto module = Load(kComponent);
  Guest stopped = New(*module);
  Guest other = New(*module);
  Exit stopped_exit, other_exit;
  std::thread first([&] { stopped_exit = stopped.Invoke(std::string(kForever)); });
  std::thread second([&] { other_exit = other.Invoke("sleep(150000000)"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  stopped.instance->Stop(SIGKILL);
  first.join();
  second.join();
  EXPECT_THAT(stopped_exit, SignaledBy(SIGKILL));
  EXPECT_THAT(other_exit, ExitedWith(0));
}

TEST_P(ManyComponentsTest, EndedSleepersGiveTheirPlacesInThePoolBack) {
  const auto module = Load(kComponent);
  for (uint32_t i = 0; i < 3 * Options().pool.instances; ++i) {
    Guest guest = New(*module);
    EXPECT_THAT(Must(guest.Run({.function = std::string(kForever),
                                .deadline = In(std::chrono::milliseconds(1))})),
                TimedOut())
        << "guest " << i;
  }
}

}  // namespace
}  // namespace wasmoor::suite
