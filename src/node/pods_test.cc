#include "wasmoor/node/pods.h"

#include <csignal>

#include "node/node_for_test.h"

namespace wasmoor::node {
namespace {

using controller::PodStatus;
using sandbox::Done;
using sandbox::Exit;
using std::chrono::seconds;
using testing::ElementsAre;

class PodsTest : public NodeTest {
 protected:
  Status Create(const controller::Key& key) {
    controller::CreateRequest request{.key = key, .pod = {}, .options = defaults};
    request.pod.id = key.id;
    return Wait<void>([&](Done<void> done) { pods.Create(request, std::move(done)); });
  }
  Result<PodStatus> Start(const controller::Key& key) {
    return Wait<PodStatus>([&](Done<PodStatus> done) { pods.Start(key, std::move(done)); });
  }
  Status Stop(const controller::Key& key, seconds patience) {
    return Wait<void>([&](Done<void> done) { pods.Stop(key, patience, std::move(done)); });
  }
  Result<cgroup::Stats> ReadStats(const controller::Key& key) {
    return Wait<cgroup::Stats>(
        [&](Done<cgroup::Stats> done) { pods.ReadStats(key, std::move(done)); });
  }
  Status Remove(const controller::Key& key) {
    return Wait<void>([&](Done<void> done) { pods.Remove(key, std::move(done)); });
  }

  const controller::Key key{.name_space = "k8s.io", .id = "pod"};
  task::Options defaults;
  Pods pods{*loop, *sandboxes, defaults, {.address = "/c", .ttrpc_address = scratch / "events"}};
};

TEST_F(PodsTest, ServesTheTasksOfAPodThatIsStarted) {
  Must(Create(key));
  const PodStatus status = Must(Start(key));
  EXPECT_TRUE(status.info.running);
  EXPECT_GT(status.info.pid, 0);
  const auto client = Connect(status.socket);
  Run(*client, "c");
  EXPECT_EQ(Must(pods.Find(key)).details.at("containers"), "1");
  EXPECT_EQ(Must(ReadStats(key)).pids->current, 7U);
  // The directory of what the pod keeps is there as long as the pod.
  EXPECT_TRUE(IsRecorded("k8s.io/pod"));
  Must(Remove(key));
  EXPECT_FALSE(Exists(scratch / "state/k8s.io"));
  EXPECT_EQ(pods.Find(key).error().code(), Code::kNotFound);
}

TEST_F(PodsTest, IsMadeOnceAndAgainAfterItsRemoval) {
  Must(Create(key));
  EXPECT_EQ(Create(key).error().code(), Code::kAlreadyExists);
  Must(Create({.name_space = "other", .id = "pod"}));
  Must(Remove(key));
  Must(Create(key));
  Must(sandboxes->Create(PlaceOf("k8s.io", "a-shims")));
  EXPECT_EQ(Create({.name_space = "k8s.io", .id = "a-shims"}).error().code(), Code::kAlreadyExists);
}

TEST_F(PodsTest, LeavesNothingOfAFailedCreate) {
  make_fails = true;
  EXPECT_FALSE(Create(key));
  EXPECT_EQ(Create({.name_space = "k8s.io", .id = "../x"}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(pods.Find(key).error().code(), Code::kNotFound);
  make_fails = false;
  EXPECT_TRUE(Create(key));
}

TEST_F(PodsTest, KnowsNoPodThatNobodyMade) {
  EXPECT_EQ(Start(key).error().code(), Code::kNotFound);
  EXPECT_EQ(Stop(key, seconds(0)).error().code(), Code::kNotFound);
  EXPECT_EQ(Remove(key).error().code(), Code::kNotFound);
  EXPECT_EQ(Wait<Exit>([&](Done<Exit> done) { pods.Wait(key, std::move(done)); }).error().code(),
            Code::kNotFound);
  EXPECT_EQ(ReadStats(key).error().code(), Code::kNotFound);
}

TEST_F(PodsTest, AnswersAWaitBeforeTheRemovalAndAtOnceAfterTheEnd) {
  Must(Create(key));
  Must(Start(key));
  std::vector<std::string> order;
  pods.Wait(key, [&](const Result<Exit>& exit) { order.push_back(exit ? "end" : "error"); });
  Must(Stop(key, seconds(0)));
  EXPECT_TRUE(Until([&] { return !order.empty(); }));
  Must(Wait<Exit>([&](Done<Exit> done) { pods.Wait(key, std::move(done)); }));
  EXPECT_FALSE(Must(pods.Find(key)).info.running);
  pods.Remove(key, [&](const Status&) { order.emplace_back("removed"); });
  EXPECT_TRUE(Until([&] { return order.size() == 2; }));
  EXPECT_THAT(order, ElementsAre("end", "removed"));
}

TEST_F(PodsTest, AnswersTheWaitOfAPodThatNeverRan) {
  Must(Create(key));
  bool answered = false;
  pods.Wait(key, [&](const Result<Exit>&) { answered = true; });
  Must(Remove(key));
  EXPECT_TRUE(answered);
}

TEST_F(PodsTest, StopAsksBeforeItKills) {
  Must(Create(key));
  const auto client = Connect(Must(Start(key)).socket);
  Run(*client, "c");
  Must(Stop(key, seconds(30)));
  EXPECT_EQ(memories.at({"k8s.io", "pod"})->At("c").process.info().exit.status, 128U + SIGTERM);
}

TEST_F(PodsTest, LastsWhenItsTasksAreGone) {
  Must(Create(key));
  const auto client = Connect(Must(Start(key)).socket);
  Run(*client, "c");
  Must(Delete("k8s.io", "c"));
  Must(Ask<google::protobuf::Empty>(*client, "Shutdown", For<task_api::ShutdownRequest>("c")));
  EXPECT_TRUE(Must(pods.Find(key)).info.running);
}

}  // namespace
}  // namespace wasmoor::node
