#include "wasmoor/loop/acceptor.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include "support/scratch.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::loop {
namespace {

using namespace std::chrono_literals;

class AcceptorTest : public testing::Test {
 protected:
  AcceptorTest()
      : loop(std::move(*Loop::Create())),
        listener(std::move(*os::ListenUnix(path))),
        acceptor(std::move(*Acceptor::Create(
            *loop, listener, [this](os::Fd one) { taken.push_back(std::move(one)); }))) {}

  os::Fd Knock() const { return std::move(*os::ConnectUnixAtOnce(path)); }
  void Settle() {
    while (loop->RunOnce(0ms)) continue;
  }

  const test::ScratchDirectory scratch;
  const std::string path = scratch / "socket";
  std::unique_ptr<Loop> loop;
  const os::Fd listener;
  std::vector<os::Fd> taken;
  std::unique_ptr<Acceptor> acceptor;
};

TEST_F(AcceptorTest, TakesAllWhoKnockAndNoneOfThemBlocks) {
  std::vector<os::Fd> callers;
  for (int i = 0; i < 40; ++i) callers.push_back(Knock());
  Settle();
  ASSERT_EQ(taken.size(), callers.size());
  for (const os::Fd& one : taken) {
    EXPECT_NE(::fcntl(one.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(one.get(), F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_F(AcceptorTest, WithoutDescriptorsCallersWaitUntilThereAreSome) {
  const os::Fd caller = Knock();
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {.rlim_cur = static_cast<rlim_t>(caller.get()) + 1,
                       .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  Settle();
  EXPECT_TRUE(taken.empty());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  const auto give_up = std::chrono::steady_clock::now() + 10s;
  while (taken.empty() && std::chrono::steady_clock::now() < give_up) loop->RunOnce(10ms);
  EXPECT_EQ(taken.size(), 1u);
}

TEST_F(AcceptorTest, NobodyIsTakenAfterItsEnd) {
  acceptor.reset();
  const os::Fd caller = Knock();
  Settle();
  EXPECT_TRUE(taken.empty());
}

}  // namespace
}  // namespace wasmoor::loop
