// Go's client against our server.
#include <sys/wait.h>
#include <unistd.h>

#include "controller/memory_pods_for_test.h"
#include "grpc/service_for_test.h"
#include "support/child.h"
#include "wasmoor/controller/controller.h"

namespace wasmoor::grpc {
namespace {

using namespace std::chrono_literals;

class GoClientTest : public test::ServerTest {
 protected:
  // How Go's side ends a test, while this one serves. What it finds wrong goes to the output.
  std::string Run(const char* name) {
    wasmoor::test::Child go([&] {
      ::execl(WASMOOR_GO_PEER, WASMOOR_GO_PEER, path.c_str(), name, nullptr);
      ::perror(WASMOOR_GO_PEER);
      return 127;
    });
    const auto ended = [&] {
      if (on_turn) on_turn();
      siginfo_t info = {};
      return ::waitid(P_PID, static_cast<id_t>(go.pid()), &info, WEXITED | WNOHANG | WNOWAIT) ==
                 0 &&
             info.si_pid != 0;
    };
    const auto end = Clock::now() + 60s;
    while (!ended() && Clock::now() < end) loop->RunOnce(5ms);
    return go.Wait();
  }

  void SetUp() override {
    if (::access(WASMOOR_GO_PEER, X_OK) != 0) GTEST_SKIP() << "needs Go, to build its side";
  }

  std::function<void()> on_turn;
};

class GoCallTest : public GoClientTest, public testing::WithParamInterface<const char*> {};

TEST_P(GoCallTest, IsServed) { EXPECT_EQ(Run(GetParam()), "exit 0"); }

INSTANTIATE_TEST_SUITE_P(Calls, GoCallTest,
                         testing::Values("echo", "error", "unimplemented", "compressed",
                                         "oversized", "metadata"),
                         [](const auto& one) { return std::string(one.param); });

TEST_F(GoClientTest, TheServiceHearsOfDeadlinesAndOfCallsGivenUp) {
  for (const char* name : {"deadline", "cancel"}) {
    service.kept.clear();
    bool told = false;
    on_turn = [&] {
      if (!service.kept.empty() && !told) service.kept[0].second.OnGone([&] { told = true; });
    };
    EXPECT_EQ(Run(name), "exit 0");
    EXPECT_TRUE(told) << name;
    EXPECT_EQ(service.last_deadline.has_value(), true);
  }
}

TEST_F(GoClientTest, ThousandsWaitOnOneConnection) {
  size_t connections = 0;
  on_turn = [&] {
    connections = std::max(connections, server->connections());
    if (service.kept.size() < 3000) return;
    for (auto& [message, reply] : service.kept) reply("for " + message);
    service.kept.clear();
  };
  EXPECT_EQ(Run("wait"), "exit 0");
  EXPECT_EQ(connections, 2u);  // Go's, and that of this side's own peer.
}

TEST_F(GoClientTest, WhoWaitsHearsThatTheServerStops) {
  on_turn = [&] {
    if (!service.kept.empty()) server->Stop();
  };
  EXPECT_EQ(Run("goodbye"), "exit 0");
}

TEST_F(GoClientTest, ContainerdLeadsAPodThroughItsLife) {
  controller::test::MemoryPods pods(*loop);
  controller::Service controller(*loop, pods);
  ASSERT_TRUE(server->Add(controller).has_value());
  EXPECT_EQ(Run("life"), "exit 0");
  EXPECT_TRUE(pods.pods.empty());
  server.reset();
}

}  // namespace
}  // namespace wasmoor::grpc
