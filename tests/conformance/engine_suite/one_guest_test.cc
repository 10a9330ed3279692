#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/engine_suite/support.h"
#include "wasmoor/os/deadline.h"

// A process that is its guest: deadlines and signals end the process. Each such process is a child
// of the test's own (a death test that starts this program again).
namespace wasmoor::suite {
namespace {

using std::chrono::milliseconds;
using testing::ExitedWithCode;
using testing::HasSubstr;
using testing::KilledBySignal;

constexpr int kTimeoutStatus = 124;

constexpr std::string_view kLoop = R"((module (func (export "_start") (loop (br 0)))))";
constexpr std::string_view kSleep = R"((module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 24) "\00\00\00\00\00\00\ff\00")  ;; nanoseconds: two years
  (func (export "_start") (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))))";

class OneGuestTest : public EngineTest {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  // Runs `wat` to its end in this process and leaves with what a shell would see.
  [[noreturn]] void RunAndExit(std::string_view wat) {
    wasm::EngineOptions options = Options();
    options.parallel_compile = false;
    const auto engine = NewEngine(options);
    ::_exit(Must(New(*Load(*engine, wat)).Run()).ShellStatus());
  }
  [[noreturn]] void RunUntil(std::string_view wat, milliseconds deadline) {
    Must(os::EndProcessAfter(deadline, kTimeoutStatus, [] {}));
    RunAndExit(wat);
  }
  // A signal that comes from outside, once the guest has run for a while.
  [[noreturn]] void RunAndSend(std::string_view wat, int signal) {
    const pid_t guest = ::getpid();
    if (::fork() == 0) {
      ::usleep(100'000);
      ::kill(guest, signal);
      ::_exit(0);
    }
    RunAndExit(wat);
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, OneGuestTest, testing::ValuesIn(EveryOne()), WayName);

TEST_P(OneGuestTest, ADeadlineOfTheEngineIsRefused) {
  Guest guest = New(kLoop);
  EXPECT_THAT(guest.Run({.deadline = In(milliseconds(10))}),
              FailsWith(Code::kFailedPrecondition, HasSubstr("deadline")));
}

TEST_P(OneGuestTest, StopHasNoEffect) {
  Guest guest = New(R"((module (func (export "_start"))))");
  guest.instance->Stop(SIGTERM);
  EXPECT_THAT(Must(guest.Run()), ExitedWith(0));
}

TEST_P(OneGuestTest, TheStatusOfTheProcessIsTheGuests) {
  EXPECT_EXIT(
      RunAndExit(R"((module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                             (func (export "_start") (call $exit (i32.const 42)))))"),
      ExitedWithCode(42), "");
  EXPECT_EXIT(RunAndExit(R"((module (func (export "_start") unreachable)))"), ExitedWithCode(134),
              "");
}

TEST_P(OneGuestTest, TheProcesssDeadlineEndsALoopAndASleep) {
  EXPECT_EXIT(RunUntil(kLoop, milliseconds(50)), ExitedWithCode(kTimeoutStatus), "");
  EXPECT_EXIT(RunUntil(kSleep, milliseconds(50)), ExitedWithCode(kTimeoutStatus), "");
}

TEST_P(OneGuestTest, ASignalEndsALoopAndASleep) {
  EXPECT_EXIT(RunAndSend(kLoop, SIGTERM), KilledBySignal(SIGTERM), "");
  EXPECT_EXIT(RunAndSend(kSleep, SIGINT), KilledBySignal(SIGINT), "");
}

TEST_P(OneGuestTest, TheEngineKeepsNoThread) {
  EXPECT_EXIT(
      {
        wasm::EngineOptions options = Options();
        options.parallel_compile = false;
        const auto engine = NewEngine(options);
        Must(New(*Load(*engine, R"((module (func (export "_start"))))")).Run());
        ::_exit(Threads() == 1 ? 0 : 1);
      },
      ExitedWithCode(0), "");
}

}  // namespace
}  // namespace wasmoor::suite
