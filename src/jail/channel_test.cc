#include "jail/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace wasmoor::jail {
namespace {

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() : ends(*Channel::MakePair()) {}
  std::pair<Channel, Channel> ends;
};

TEST_F(ChannelTest, CarriesStepsInTheirOrder) {
  ASSERT_TRUE(ends.first.Send(Step::kMapped).has_value());
  ASSERT_TRUE(ends.first.Send(Step::kReady, "text").has_value());
  EXPECT_TRUE(ends.second.Expect(Step::kMapped).has_value());
  EXPECT_EQ(ends.second.Expect(Step::kReady)->text, "text");
}

TEST_F(ChannelTest, AnErrorComesOutAsItWentIn) {
  ends.second.SendError(Error(Code::kPermissionDenied, "mounts[3]: no", EPERM));
  const auto heard = ends.first.Expect(Step::kReady);
  ASSERT_FALSE(heard.has_value());
  EXPECT_EQ(heard.error().code(), Code::kPermissionDenied);
  EXPECT_EQ(heard.error().error_number(), EPERM);
  EXPECT_EQ(heard.error().message(), "mounts[3]: no");
}

TEST_F(ChannelTest, ALongErrorIsCutAndNotLost) {
  ends.second.SendError(Error(Code::kInternal, std::string(1 << 20, 'x')));
  const auto heard = ends.first.Receive();
  ASSERT_FALSE(heard.has_value());
  EXPECT_GT(heard.error().message().size(), 1000u);
}

TEST_F(ChannelTest, ADescriptorIsTheSameFileAndClosesOnExec) {
  const os::Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(ends.first.SendDescriptor(null, "console").has_value());
  const auto heard = ends.second.Expect(Step::kDescriptor);
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->text, "console");
  EXPECT_EQ(write(heard->descriptor.get(), "x", 1), 1);
  EXPECT_EQ(fcntl(heard->descriptor.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(ChannelTest, AnotherStepThanExpectedIsAnError) {
  ASSERT_TRUE(ends.first.Send(Step::kMounted).has_value());
  EXPECT_EQ(ends.second.Expect(Step::kReady).error().code(), Code::kInternal);
}

TEST_F(ChannelTest, ThatTheOtherSideWasKilledIsHeard) {
  const pid_t child = fork();
  if (child == 0) {
    ends.first.Close();
    pause();
    _exit(0);
  }
  ends.second.Close();
  ASSERT_TRUE(ends.first.Send(Step::kMapped).has_value());  // Which nobody reads.
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(ends.first.Receive().error().code(), Code::kAborted);
  EXPECT_FALSE(ends.first.Send(Step::kMapped).has_value());
}

}  // namespace
}  // namespace wasmoor::jail
