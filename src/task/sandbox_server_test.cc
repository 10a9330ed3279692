#include "task/sandbox_server.h"

#include "proto/containerd/cri.pb.h"
#include "task/service_for_test.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::task {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

namespace api = ::containerd::task::v2;

constexpr std::string_view kService = "containerd.runtime.sandbox.v1.Sandbox";

class SandboxServerTest : public test::ServiceTest {
 protected:
  template <typename Request>
  static Request Of(const std::string& id) {
    Request request;
    request.set_sandbox_id(id);
    return request;
  }
  void CreatePod() {
    auto request = Of<pods::CreateSandboxRequest>("p1");
    request.set_bundle_path("/bundles/p1");
    EXPECT_EQ(Ask("CreateSandbox", request, kService), "");
  }
  void StartPod() {
    CreatePod();
    EXPECT_EQ(Ask("StartSandbox", Of<pods::StartSandboxRequest>("p1"), kService), "");
  }
  pods::SandboxStatusResponse StatusNow() {
    return wasmoor::test::Must(Call<pods::SandboxStatusResponse>(
        "SandboxStatus", Of<pods::SandboxStatusRequest>("p1"), kService));
  }
};

TEST_F(SandboxServerTest, TakesAPodAsAKubeletDescribesIt) {
  ::runtime::v1::PodSandboxConfig config;
  config.set_hostname("web-0");
  (*config.mutable_annotations())["a"] = "b";
  auto* on_linux = config.mutable_on_linux();
  on_linux->set_cgroup_parent("/kubepods/pod1");
  (*on_linux->mutable_sysctls())["net.core.somaxconn"] = "1024";
  auto* namespaces = on_linux->mutable_security_context()->mutable_namespace_options();
  namespaces->set_pid(::runtime::v1::POD);
  namespaces->set_ipc(::runtime::v1::NODE);
  auto* users = namespaces->mutable_userns_options();
  users->set_mode(::runtime::v1::POD);
  auto* mapping = users->add_uids();
  mapping->set_host_id(100'000);
  mapping->set_length(65536);
  auto request = Of<pods::CreateSandboxRequest>("p1");
  request.set_bundle_path("/b");
  request.set_netns_path("/run/netns/p1");
  ttrpc::Pack(config, request.mutable_options());
  EXPECT_EQ(Ask("CreateSandbox", request, kService), "");

  const sandbox::PodRequest& got = pod.request;
  EXPECT_EQ(got.id, "p1");
  EXPECT_EQ(got.bundle, "/b");
  EXPECT_EQ(got.network_namespace, "/run/netns/p1");
  EXPECT_EQ(got.hostname, "web-0");
  EXPECT_EQ(got.annotations.at("a"), "b");
  EXPECT_EQ(got.cgroup_parent, "/kubepods/pod1");
  EXPECT_EQ(got.sysctls.at("net.core.somaxconn"), "1024");
  EXPECT_EQ(got.pid, sandbox::PodRequest::Scope::kPod);
  EXPECT_EQ(got.ipc, sandbox::PodRequest::Scope::kNode);
  ASSERT_EQ(got.uid_mappings.size(), 1u);
  EXPECT_EQ(got.uid_mappings[0].host_id, 100'000u);
  EXPECT_EQ(got.uid_mappings[0].size, 65536u);
}

TEST_F(SandboxServerTest, TellsTheNetworkOfAPodThatHasStarted) {
  auto request = Of<pods::CreateSandboxRequest>("p1");
  request.set_netns_path("/run/netns/p1");
  EXPECT_EQ(Ask("CreateSandbox", request, kService), "");
  const auto started = Call<pods::StartSandboxResponse>(
      "StartSandbox", Of<pods::StartSandboxRequest>("p1"), kService);
  ASSERT_TRUE(started.has_value());
  EXPECT_THAT(started->spec().type_url(), HasSubstr("runtime-spec/1/Spec"));
  EXPECT_THAT(started->spec().value(), HasSubstr(R"({"path":"/run/netns/p1","type":"network"})"));
}

TEST_F(SandboxServerTest, LeavesAPodOfTheHostsNetworkThere) {
  ::runtime::v1::PodSandboxConfig config;
  config.mutable_on_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      ::runtime::v1::NODE);
  auto request = Of<pods::CreateSandboxRequest>("p1");
  request.set_netns_path("/run/netns/p1");
  ttrpc::Pack(config, request.mutable_options());
  EXPECT_EQ(Ask("CreateSandbox", request, kService), "");
  EXPECT_EQ(pod.request.network_namespace, "");
}

TEST_F(SandboxServerTest, RefusesOptionsOfAnotherKind) {
  auto request = Of<pods::CreateSandboxRequest>("p1");
  ttrpc::Pack(pods::PingRequest(), request.mutable_options());
  EXPECT_THAT(Ask("CreateSandbox", request, kService), StartsWith("invalid_argument: pod \"p1\""));
  CreatePod();  // Nothing of it is in the way.
}

TEST_F(SandboxServerTest, HasOnePod) {
  CreatePod();
  EXPECT_THAT(Ask("CreateSandbox", Of<pods::CreateSandboxRequest>("p1"), kService),
              StartsWith("already_exists"));
  EXPECT_THAT(Ask("CreateSandbox", Of<pods::CreateSandboxRequest>("p2"), kService),
              StartsWith("already_exists"));
  for (const char* method :
       {"StartSandbox", "Platform", "StopSandbox", "WaitSandbox", "SandboxStatus", "PingSandbox",
        "SandboxMetrics", "UpdateSandbox", "ShutdownSandbox"})
    EXPECT_THAT(Ask(method, Of<pods::PingRequest>("p2"), kService), StartsWith("not_found"))
        << method;
}

TEST_F(SandboxServerTest, TellsTheStateInTheWordsOfTheKubelet) {
  CreatePod();
  EXPECT_EQ(StatusNow().state(), "SANDBOX_NOTREADY");
  const auto started = Call<pods::StartSandboxResponse>(
      "StartSandbox", Of<pods::StartSandboxRequest>("p1"), kService);
  ASSERT_TRUE(started.has_value());
  EXPECT_EQ(started->pid(), 77u);
  EXPECT_GT(started->created_at().seconds(), 0);
  EXPECT_EQ(StatusNow().state(), "SANDBOX_READY");
  EXPECT_EQ(StatusNow().pid(), 77u);
  EXPECT_EQ(Ask("PingSandbox", Of<pods::PingRequest>("p1"), kService), "");
  EXPECT_EQ(Ask("UpdateSandbox", Of<pods::UpdateSandboxRequest>("p1"), kService), "");
  EXPECT_EQ(Ask("StopSandbox", Of<pods::StopSandboxRequest>("p1"), kService), "");
  EXPECT_EQ(StatusNow().state(), "SANDBOX_NOTREADY");
  EXPECT_TRUE(StatusNow().has_exited_at());
}

TEST_F(SandboxServerTest, NamesItsPlatformAndWhatItUses) {
  StartPod();
  const auto platform =
      Call<pods::PlatformResponse>("Platform", Of<pods::PlatformRequest>("p1"), kService);
  ASSERT_TRUE(platform.has_value());
  EXPECT_EQ(platform->platform().os(), "linux");
  EXPECT_NE(platform->platform().architecture(), "");
  const auto metrics = Call<pods::SandboxMetricsResponse>(
      "SandboxMetrics", Of<pods::SandboxMetricsRequest>("p1"), kService);
  ASSERT_TRUE(metrics.has_value());
  EXPECT_EQ(metrics->metrics().id(), "p1");
  EXPECT_THAT(metrics->metrics().data().type_url(), HasSubstr("Metrics"));
}

TEST_F(SandboxServerTest, AnswersWhoWaitsWhenThePodEnds) {
  StartPod();
  bool ended = false;
  client->Call<pods::WaitSandboxResponse>(
      kService, "WaitSandbox", Of<pods::WaitSandboxRequest>("p1"), {},
      [&](const Result<pods::WaitSandboxResponse>& got) { ended = got.has_value(); });
  Settle();
  EXPECT_FALSE(ended);
  EXPECT_EQ(Ask("StopSandbox", Of<pods::StopSandboxRequest>("p1"), kService), "");
  EXPECT_TRUE(ended);
}

TEST_F(SandboxServerTest, OutlivesItsContainersUntilItIsShutDown) {
  StartPod();
  Create("c1");
  EXPECT_EQ(Ask("Delete", For<api::DeleteRequest>("c1")), "");
  EXPECT_EQ(Ask("Shutdown", For<api::ShutdownRequest>("c1")), "");
  EXPECT_EQ(shut_downs, 0);
  EXPECT_EQ(Ask("ShutdownSandbox", Of<pods::ShutdownSandboxRequest>("p1"), kService), "");
  EXPECT_EQ(shut_downs, 1);
  EXPECT_FALSE(pod.info().running);
}

// containerd does that when it could not create the pod.
TEST_F(SandboxServerTest, IsShutDownWithoutAPod) {
  EXPECT_EQ(Ask("ShutdownSandbox", Of<pods::ShutdownSandboxRequest>("p1"), kService), "");
  EXPECT_EQ(shut_downs, 1);
}

}  // namespace
}  // namespace wasmoor::task
