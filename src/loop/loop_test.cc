#include "wasmoor/loop/loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <thread>

namespace wasmoor::loop {
namespace {

using namespace std::chrono_literals;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends;
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    reader = os::Fd(ends[0]);
    writer = os::Fd(ends[1]);
  }
  os::Fd reader, writer;
};

class LoopTest : public testing::Test {
 protected:
  LoopTest() : loop_(std::move(*Loop::Create())) {}
  std::unique_ptr<Loop> loop_;
};

TEST_F(LoopTest, CallsAgainUntilEverythingIsRead) {
  Pipe pipe;
  ASSERT_EQ(::write(pipe.writer.get(), "abc", 3), 3);
  Source source = std::move(*loop_->Watch(pipe.reader));
  std::string read;
  source.OnReadable([&] {
    char one = 0;
    if (::read(pipe.reader.get(), &one, 1) == 1) read += one;
    if (read == "abc") source.OnReadable(nullptr);
  });
  loop_->Run();  // Ends because nothing is waited for any more.
  EXPECT_EQ(read, "abc");
}

TEST_F(LoopTest, MakesADescriptorNonBlocking) {
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const os::Fd reader(ends[0]), writer(ends[1]);
  const Source source = std::move(*loop_->Watch(reader));
  char one = 0;
  EXPECT_EQ(::read(reader.get(), &one, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(LoopTest, TellsOfTheEndOfAPipe) {
  Pipe pipe;
  Source source = std::move(*loop_->Watch(pipe.reader));
  bool ended = false;
  source.OnReadable([&] {
    char one = 0;
    ended = ::read(pipe.reader.get(), &one, 1) == 0;
    loop_->Stop();
  });
  pipe.writer.Close();
  loop_->Run();
  EXPECT_TRUE(ended);
}

TEST_F(LoopTest, WatchesReadingAndWritingOfOneDescriptor) {
  Pipe pipe;
  Source source = std::move(*loop_->Watch(pipe.writer));
  int writable = 0;
  source.OnReadable([] {});
  source.OnWritable([&] {
    if (++writable == 2) loop_->Stop();
  });
  loop_->Run();
  EXPECT_EQ(writable, 2);
}

TEST_F(LoopTest, ASourceMayBeDestroyedByItsOwnCallback) {
  Pipe pipe;
  ASSERT_EQ(::write(pipe.writer.get(), "x", 1), 1);
  std::optional<Source> source = std::move(*loop_->Watch(pipe.reader));
  int calls = 0;
  source->OnReadable([&] {
    ++calls;
    source.reset();
  });
  loop_->Run();
  EXPECT_EQ(calls, 1);
  // Still open, and free to be watched again.
  EXPECT_TRUE(loop_->Watch(pipe.reader));
}

TEST_F(LoopTest, RefusesARegularFile) {
  const os::Fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const auto source = loop_->Watch(file);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().error_number(), EPERM);
}

TEST_F(LoopTest, TimersGoOffInTheirOrder) {
  std::string order;
  const Timer second = loop_->After(20ms, [&] { order += "2"; });
  const Timer first = loop_->After(1ms, [&] { order += "1"; });
  Timer never = loop_->After(5ms, [&] { order += "x"; });
  never = Timer();
  EXPECT_TRUE(first.pending());
  loop_->Run();
  EXPECT_EQ(order, "12");
  EXPECT_FALSE(first.pending());
}

TEST_F(LoopTest, ATimerMaySetItselfAgain) {
  int rounds = 0;
  Timer timer;
  std::function<void()> round = [&] {
    if (++rounds < 3) timer = loop_->After(1ms, round);
  };
  timer = loop_->After(1ms, round);
  loop_->Run();
  EXPECT_EQ(rounds, 3);
}

TEST_F(LoopTest, PostComesFromAnyThreadAndKeepsItsOrder) {
  std::string order;
  std::thread([&] {
    loop_->Post([&] { order += "a"; });
    loop_->Post([&] { order += "b"; });
  }).join();
  loop_->Run();
  EXPECT_EQ(order, "ab");
}

TEST_F(LoopTest, RunOnceWaitsNoLongerThanItsPatience) {
  Pipe pipe;
  Source source = std::move(*loop_->Watch(pipe.reader));
  int calls = 0;
  source.OnReadable([&] {
    char one = 0;
    calls += ::read(pipe.reader.get(), &one, 1) == 1;
  });
  EXPECT_FALSE(loop_->RunOnce(1ms));
  ASSERT_EQ(::write(pipe.writer.get(), "x", 1), 1);
  EXPECT_TRUE(loop_->RunOnce(1s));
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopTest, CallsNobodyWhoseWatchWasEndedByAnother) {
  Pipe one, other;
  std::array<Source, 2> sources;
  int calls = 0;
  for (Pipe* pipe : {&one, &other}) {
    ASSERT_EQ(::write(pipe->writer.get(), "x", 1), 1);
    Source& own = sources[pipe == &one ? 0 : 1];
    own = std::move(*loop_->Watch(pipe->reader));
    own.OnReadable([&] {
      ++calls;
      for (Source& source : sources) source = Source();
    });
  }
  loop_->Run();
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopTest, DoesNotWakeForAnEndThatNobodyWaitsFor) {
  Pipe pipe;
  Source source = std::move(*loop_->Watch(pipe.reader));
  pipe.writer.Close();
  EXPECT_FALSE(loop_->RunOnce(10ms));
  bool ended = false;
  source.OnReadable([&] { ended = true; });
  EXPECT_TRUE(loop_->RunOnce(1s));
  EXPECT_TRUE(ended);
}

TEST_F(LoopTest, TellsOfAHangupBehindWhatIsNotRead) {
  std::array<int, 2> ends;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  const os::Fd own(ends[0]);
  os::Fd other(ends[1]);
  ASSERT_EQ(::write(other.get(), "x", 1), 1);
  Source source = std::move(*loop_->Watch(own));
  int calls = 0;
  source.OnHangup([&] {
    ++calls;
    source.OnHangup(nullptr);
  });
  EXPECT_FALSE(loop_->RunOnce(1ms));
  other.Close();
  loop_->Run();
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopTest, TimersThatAreDueAtOnceLetOthersHaveTheirTurn) {
  Pipe pipe;
  ASSERT_EQ(::write(pipe.writer.get(), "x", 1), 1);
  Source source = std::move(*loop_->Watch(pipe.reader));
  source.OnReadable([&] { loop_->Stop(); });
  Timer timer;
  std::function<void()> again = [&] { timer = loop_->After(0ms, again); };
  again();
  loop_->Run();
}

TEST_F(LoopTest, WhatIsPutOffUntilTheRoundIsOverComesAfterAllThatWasReady) {
  std::string order;
  loop_->Post([&] {
    loop_->AfterRound([&] { order += "z"; });
    order += "a";
    loop_->Post([&] { order += "c"; });
  });
  loop_->Post([&] { order += "b"; });
  loop_->Run();
  EXPECT_EQ(order, "abzc");
}

TEST_F(LoopTest, WhatIsPutOffDoesNotWaitForARoundThatTakesLong) {
  std::string order;
  loop_->Post([&] { loop_->AfterRound([&] { order += "z"; }); });
  loop_->Post([] { std::this_thread::sleep_for(5ms); });
  loop_->Post([&] { order += "b"; });
  loop_->Run();
  EXPECT_EQ(order, "zb");
}

TEST_F(LoopTest, SeveralThreadsTakeTurns) {
  const Timer staying = loop_->After(1h, [] {});
  std::string order;
  for (const char* text : {"a", "b", "c"}) loop_->Post([&order, text] { order += text; });
  for (int i = 0; i < 3; ++i) std::thread([&] { EXPECT_TRUE(loop_->ServeOne()); }).join();
  EXPECT_EQ(order, "abc");
  std::thread stopping([&] { loop_->Stop(); });
  EXPECT_FALSE(loop_->ServeOne());
  stopping.join();
  EXPECT_FALSE(loop_->ServeOne());
}

TEST_F(LoopTest, SourcesAndTimersMayOutliveIt) {
  Pipe pipe;
  Source source = std::move(*loop_->Watch(pipe.reader));
  source.OnReadable([] {});
  Timer timer = loop_->After(1h, [] {});
  loop_->Post([keeps = std::make_shared<Pipe>()] {});
  loop_.reset();
  source.OnReadable(nullptr);
  timer = Timer();
}

}  // namespace
}  // namespace wasmoor::loop
