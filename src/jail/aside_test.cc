#include "wasmoor/jail/aside.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace wasmoor::jail {
namespace {

using ::testing::ElementsAre;

TEST(AsideTest, BringsBackWhatWasSaid) {
  const pid_t here = ::getpid();
  const auto done = DoAside([here]() -> Result<Warnings> {
                      return Warnings{here == ::getpid() ? "the same" : "another", "second"};
                    })->Wait();
  ASSERT_TRUE(done);
  EXPECT_THAT(*done, ElementsAre("another", "second"));
}

TEST(AsideTest, BringsBackAnErrorAsItIs) {
  const auto done = DoAside([]() -> Result<Warnings> {
                      return Fail(Code::kNotFound, "nothing at {}", "/x");
                    })->Wait();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kNotFound);
  EXPECT_EQ(done.error().message(), "nothing at /x");
}

TEST(AsideTest, DoesNotHoldUpWhoeverHasALoop) {
  const auto work = DoAside([]() -> Result<Warnings> {
    ::usleep(50'000);
    return Warnings();
  });
  const auto at_once = work->Advance();
  ASSERT_TRUE(at_once);
  EXPECT_FALSE(*at_once);
  struct pollfd waiting = {work->waits_for().get(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 0), 0);
  EXPECT_TRUE(work->Wait());
}

TEST(AsideTest, OneThatIsKilledIsAnError) {
  const auto done = DoAside([]() -> Result<Warnings> {
                      ::raise(SIGKILL);
                      return Warnings();
                    })->Wait();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kAborted);
}

TEST(AsideTest, EndsWithWhoeverBeganIt) {
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t runtime = ::fork();
  ASSERT_GE(runtime, 0);
  if (runtime == 0) {
    ::close(ends[0]);
    // While it lives, so does the other end of the pipe.
    const auto work = DoAside([]() -> Result<Warnings> {
      for (;;) ::pause();
    });
    static_cast<void>(work->Advance());
    ::raise(SIGKILL);
  }
  ::close(ends[1]);
  EXPECT_EQ(::waitpid(runtime, nullptr, 0), runtime);
  struct pollfd waiting = {ends[0], POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 10'000), 1) << "it lives on";
  ::close(ends[0]);
}

TEST(AsideTest, LeavesNoProcessHoweverItEnds) {
  {
    const auto endless = DoAside([]() -> Result<Warnings> {
      for (;;) ::pause();
    });
    ASSERT_TRUE(endless->Advance());
  }
  EXPECT_TRUE(DoAside([]() -> Result<Warnings> { return Warnings(); })->Wait());
  EXPECT_EQ(::waitpid(-1, nullptr, 0), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace wasmoor::jail
