#include "function/worker/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "support/result.h"

namespace wasmoor::function {
namespace {

using std::chrono::milliseconds;

struct Heard {
  Say say;
  uint64_t number;
  std::string payload;
  os::Fd descriptor;
};

class Ear : public Channel::Listener {
 public:
  Status OnFrame(Frame& frame) override {
    heard.push_back(
        {frame.say, frame.number, std::string(frame.payload), std::move(frame.descriptor)});
    if (refuses) return Fail(Code::kDataLoss, "nonsense");
    return {};
  }
  void OnClosed(const Error& why) override { closed.push_back(why); }

  std::vector<Heard> heard;
  std::vector<Error> closed;
  bool refuses = false;
};

class ChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    loop_ = test::Must(loop::Loop::Create());
    std::array<int, 2> ends = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    near_end_ = os::Fd(ends[0]);
    far_end_ = os::Fd(ends[1]);
  }

  std::unique_ptr<Channel> Open(os::Fd& end, Ear& ear, size_t most = 1 << 20,
                                Channel::Descriptors descriptors = Channel::Descriptors::kRefused) {
    auto channel = Channel::Create(*loop_, std::move(end), most, descriptors, ear);
    return channel ? *std::move(channel) : nullptr;
  }

  template <typename Holds>
  void Until(Holds holds) {
    for (int i = 0; i < 1000 && !holds(); ++i) loop_->RunOnce(milliseconds(10));
    ASSERT_TRUE(holds());
  }

  // A head as the channel writes it, by hand.
  static std::string HeadOf(uint32_t size, uint16_t say, uint16_t descriptors, uint64_t number) {
    std::string head(16, '\0');
    std::memcpy(head.data(), &size, 4);
    std::memcpy(head.data() + 4, &say, 2);
    std::memcpy(head.data() + 6, &descriptors, 2);
    std::memcpy(head.data() + 8, &number, 8);
    return head;
  }
  void Write(std::string_view bytes) {
    ASSERT_EQ(::write(far_end_.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  std::unique_ptr<loop::Loop> loop_;
  os::Fd near_end_, far_end_;
  Ear near_ear_, far_ear_;
};

TEST_F(ChannelTest, DeliversFramesWholeAndInTheirOrder) {
  const auto sender = Open(near_end_, near_ear_);
  const auto receiver = Open(far_end_, far_ear_);
  const std::string big(700'000, 'b');
  sender->Send(Say::kAside, 1);
  sender->Send(Say::kOutput, 2, big);
  sender->Send(Say::kOutput, 3, "small");
  Until([&] { return far_ear_.heard.size() == 3; });
  EXPECT_EQ(far_ear_.heard[0].say, Say::kAside);
  EXPECT_EQ(far_ear_.heard[1].payload, big);
  EXPECT_EQ(far_ear_.heard[2].number, 3u);
  EXPECT_EQ(far_ear_.heard[2].payload, "small");
  EXPECT_TRUE(far_ear_.closed.empty());
}

TEST_F(ChannelTest, SendsWhatIsSaidInOneRoundTogether) {
  const auto sender = Open(near_end_, near_ear_);
  for (int i = 0; i < 10; ++i) sender->Send(Say::kTaken, 1);
  EXPECT_EQ(sender->unsent(), 160u);
  loop_->RunOnce(milliseconds(10));
  std::array<char, 1024> bytes;
  EXPECT_EQ(::read(far_end_.get(), bytes.data(), bytes.size()), 160);
}

TEST_F(ChannelTest, TakesDescriptorsToTheFramesTheyCameWith) {
  const auto sender = Open(near_end_, near_ear_);
  const auto receiver = Open(far_end_, far_ear_, 1 << 20, Channel::Descriptors::kTaken);
  std::array<int, 2> pipes = {-1, -1};
  ASSERT_EQ(::pipe2(pipes.data(), O_CLOEXEC), 0);
  const os::Fd reading(pipes[0]);
  sender->Send(Say::kForget, 1, std::string(100'000, 'x'));
  for (uint64_t i = 2; i < 9; ++i) {
    sender->Send(Say::kFunction, i, "with", os::Fd(::fcntl(pipes[1], F_DUPFD_CLOEXEC, 0)));
    sender->Send(Say::kForget, i, "without");
  }
  ::close(pipes[1]);
  Until([&] { return far_ear_.heard.size() == 15; });
  for (const Heard& one : far_ear_.heard) {
    EXPECT_EQ(one.descriptor.valid(), one.say == Say::kFunction) << one.number;
    if (one.descriptor.valid()) {
      EXPECT_EQ(::write(one.descriptor.get(), "x", 1), 1);
    }
  }
}

TEST_F(ChannelTest, TakesNoDescriptorWhereNoneIsExpected) {
  const auto sender = Open(near_end_, near_ear_);
  const auto receiver = Open(far_end_, far_ear_);
  sender->Send(Say::kFunction, 1, "", os::Fd(::fcntl(0, F_DUPFD_CLOEXEC, 3)));
  Until([&] { return !far_ear_.closed.empty(); });
  EXPECT_TRUE(far_ear_.heard.empty());
  EXPECT_EQ(far_ear_.closed.front().code(), Code::kDataLoss);
}

TEST_F(ChannelTest, ClosesOnWordsThatAreNone) {
  const auto receiver = Open(near_end_, near_ear_);
  Write(HeadOf(0, 999, 0, 1));
  Until([&] { return !near_ear_.closed.empty(); });
  EXPECT_EQ(near_ear_.closed.front().code(), Code::kDataLoss);
  EXPECT_TRUE(near_ear_.heard.empty());
}

TEST_F(ChannelTest, ClosesOnAFrameThatWouldBeTooLongBeforeItComes) {
  const auto receiver = Open(near_end_, near_ear_, 1000);
  Write(HeadOf(1001, static_cast<uint16_t>(Say::kOutput), 0, 1));
  Until([&] { return !near_ear_.closed.empty(); });
  EXPECT_EQ(near_ear_.closed.front().code(), Code::kDataLoss);
}

TEST_F(ChannelTest, HearsNothingOfAFrameThatIsCutOff) {
  const auto receiver = Open(near_end_, near_ear_);
  Write(HeadOf(10, static_cast<uint16_t>(Say::kOutput), 0, 1) + "half");
  far_end_ = os::Fd();
  Until([&] { return !near_ear_.closed.empty(); });
  EXPECT_TRUE(near_ear_.heard.empty());
  EXPECT_EQ(near_ear_.closed.front().code(), Code::kUnavailable);
}

TEST_F(ChannelTest, ClosesWhenItsListenerRefusesAFrame) {
  const auto receiver = Open(near_end_, near_ear_);
  near_ear_.refuses = true;
  Write(HeadOf(0, static_cast<uint16_t>(Say::kEnd), 0, 1) +
        HeadOf(0, static_cast<uint16_t>(Say::kEnd), 0, 2));
  Until([&] { return !near_ear_.closed.empty(); });
  EXPECT_EQ(near_ear_.heard.size(), 1u);
  loop_->RunOnce(milliseconds(10));
  EXPECT_EQ(near_ear_.closed.size(), 1u);
}

TEST_F(ChannelTest, ReadsGarbageOfAnyKindWithoutHarm) {
  uint64_t state = 1;
  const auto next = [&] { return state = state * 6364136223846793005u + 1442695040888963407u; };
  for (int round = 0; round < 200; ++round) {
    SetUp();
    Ear ear;
    const auto receiver = Open(near_end_, ear, 4096);
    std::string bytes(next() >> 52, '\0');
    for (char& one : bytes) one = static_cast<char>(next() >> 56);
    // Half of them with a head that makes sense.
    if (round % 2 == 0) bytes = HeadOf(8, next() % 24, 0, next()) + bytes;
    Write(bytes);
    far_end_ = os::Fd();
    Until([&] { return !ear.closed.empty(); });
  }
}

}  // namespace
}  // namespace wasmoor::function
