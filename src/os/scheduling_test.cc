#include "wasmoor/os/scheduling.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

namespace wasmoor::os {
namespace {

constexpr std::chrono::nanoseconds kUsual{0};

// The turns of the calling thread: sched_runtime of sched_getattr(2).
std::chrono::nanoseconds Turns() {
  constexpr size_t kSize = 48, kRuntimeAt = 24;
  std::array<char, kSize> attributes = {};
  EXPECT_EQ(syscall(SYS_sched_getattr, 0, attributes.data(), kSize, 0), 0);
  uint64_t runtime = 0;
  std::memcpy(&runtime, attributes.data() + kRuntimeAt, sizeof runtime);
  return std::chrono::nanoseconds(runtime);
}

// Run apart, so that the thread of all tests stays as it is.
template <typename Function>
void OnAnother(Function function) {
  std::thread(function).join();
}

TEST(TurnsTest, ShortOnesAreTakenAndGivenBack) {
  OnAnother([] {
    const auto before = Turns();
    if (before.count() == 0) GTEST_SKIP() << "this kernel has no turns of a thread's own";
    ASSERT_TRUE(TakeTurnsOf(kShortTurns, Children::kUsual));
    EXPECT_EQ(Turns(), kShortTurns);
    ASSERT_TRUE(TakeTurnsOf(kUsual, Children::kUsual));
    EXPECT_EQ(Turns(), before);
  });
}

TEST(TurnsTest, AThreadThatIsBegunHasThemIfItIsToHave) {
  OnAnother([] {
    const auto before = Turns();
    if (before.count() == 0) GTEST_SKIP() << "this kernel has no turns of a thread's own";
    ASSERT_TRUE(TakeTurnsOf(kShortTurns, Children::kSame));
    OnAnother([] { EXPECT_EQ(Turns(), kShortTurns); });
    ASSERT_TRUE(TakeTurnsOf(kShortTurns, Children::kUsual));
    OnAnother([before] { EXPECT_EQ(Turns(), before); });
  });
}

TEST(TurnsTest, ANiceValueStays) {
  OnAnother([] {
    ASSERT_EQ(::setpriority(PRIO_PROCESS, 0, 3), 0);
    ASSERT_TRUE(TakeTurnsOf(kShortTurns, Children::kUsual));
    EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), 3);
  });
}

}  // namespace
}  // namespace wasmoor::os
