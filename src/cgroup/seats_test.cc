#include "wasmoor/cgroup/seats.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "support/child.h"
#include "wasmoor/cgroup/own_limits.h"
#include "wasmoor/cgroup/threads.h"

namespace wasmoor::cgroup {
namespace {

constexpr int kCannot = 77;

std::string NameOf(const char* name) { return std::string("wasmoor-seats-test-") + name; }

// In a process of its own, whose groups may be divided.
template <typename Body>
std::string InHost(Body body) {
  return test::InChild([&]() -> int {
    const auto root = Root::Detect();
    if (!root) return kCannot;
    const auto threads = PrepareThreads(*root);
    if (!threads) return kCannot;
    auto seats = Seats::Make(*threads, NameOf("x"));
    if (!seats) return kCannot;
    return body(*seats);
  });
}

#define REQUIRE_GROUPS(ended) \
  if ((ended) == "exit 77") GTEST_SKIP() << "needs control groups that threads can be in"

TEST(SeatsTest, HoldAThreadToALimitThatIsRewritten) {
  const std::string ended = InHost([](Seats& seats) {
    auto seat = seats.MakeSeat("one");
    if (!seat) return 1;
    if ((*seat)->ThrottledTime() != 0) return 2;
    std::thread spinning([&] {
      if (!(*seat)->Enter()) ::_exit(3);
      if (!(*seat)->Limit(100) || !(*seat)->Limit(Seat::kNoLimit) || !(*seat)->Limit(5) ||
          !(*seat)->Limit(250) || !(*seat)->SetShares(512))
        ::_exit(4);
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
      while (std::chrono::steady_clock::now() < end) continue;
      if (!(*seat)->Limit(Seat::kNoLimit)) ::_exit(5);
    });
    spinning.join();
    return (*seat)->ThrottledTime() > 0 ? 0 : 6;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
}

TEST(SeatsTest, LimitToAsMuchAsThereIsWhatIsMoreThanThat) {
  const std::string ended = InHost([](Seats& seats) {
    auto seat = seats.MakeSeat("one");
    return seat && (*seat)->Limit(1'000'000) ? 0 : 1;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
}

TEST(SeatsTest, OfTwoProcessesDoNotTouchEachOther) {
  const std::string ended = InHost([](Seats& seats) {
    auto seat = seats.MakeSeat("one");
    if (!seat || !(*seat)->Enter()) return 1;
    const pid_t other = ::fork();
    if (other == 0) {
      const auto threads = PrepareThreads(*Root::Detect());
      {
        auto made = Seats::Make(*threads, NameOf("shared"));
        ::_exit(made ? 0 : 1);  // Killed, as it were: what it has made stays.
      }
    }
    int status = 0;
    ::waitpid(other, &status, 0);
    if (status != 0) return 2;
    if (!(*seat)->Limit(100) || !(*seat)->Limit(Seat::kNoLimit)) return 3;
    const auto threads = PrepareThreads(*Root::Detect());
    auto again = Seats::Make(*threads, NameOf("shared"));
    if (!again) return 4;
    const std::string left = again->path().substr(0, again->path().rfind('-') + 1);
    return ::access((left + std::to_string(other)).c_str(), F_OK) == 0 ? 5 : 0;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
}

TEST(SeatsTest, SayWhenTheirGroupIsGone) {
  const std::string ended = InHost([](Seats& seats) {
    auto seat = seats.MakeSeat("one");
    if (!seat) return 1;
    if (::rmdir((seats.path() + "/one").c_str()) != 0) return 2;
    const Status set = (*seat)->Limit(100);
    return !set && set.error().error_number() == ENODEV ? 0 : 3;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
}

TEST(SeatsTest, LeaveNothing) {
  const std::string ended = InHost([](Seats& seats) {
    const std::string path = seats.path();
    {
      auto seat = seats.MakeSeat("one");
      if (!seat || ::access((path + "/one").c_str(), F_OK) != 0) return 1;
    }
    if (::access((path + "/one").c_str(), F_OK) == 0) return 2;
    // One whose object is gone too early goes with the others.
    auto kept = seats.MakeSeat("two");
    {
      const Seats gone = std::move(seats);
    }
    return ::access(path.c_str(), F_OK) != 0 ? 0 : 3;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
}

TEST(SeatsTest, TakeTheirPlaceFromAProcessThatWasKilled) {
  const std::string ended = InHost([](Seats& seats) {
    auto left = seats.MakeSeat("left");
    if (!left) return 1;
    const auto threads = PrepareThreads(*Root::Detect());
    auto again = Seats::Make(*threads, NameOf("x"));
    return again && ::access((again->path() + "/left").c_str(), F_OK) != 0 ? 0 : 2;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
}

TEST(OwnLimitsTest, AreThoseOfTheGroupAndAllAboveIt) {
  const auto root = Root::Detect();
  if (!root) GTEST_SKIP() << "needs control groups";
  const OwnLimits limits = ReadOwnLimits(*root);
  EXPECT_GT(limits.millicores, 0U);
  EXPECT_GT(limits.memory_bytes, 0U);
}

}  // namespace
}  // namespace wasmoor::cgroup
