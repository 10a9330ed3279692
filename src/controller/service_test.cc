#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "controller/memory_pods_for_test.h"
#include "proto/containerd/cri.pb.h"
#include "proto/containerd/runtime_options.pb.h"
#include "proto/containerd/sandbox_controller.pb.h"
#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/grpc/client.h"
#include "wasmoor/grpc/server.h"
#include "wasmoor/os/unix_socket.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::controller {
namespace {

namespace api = ::containerd::services::sandbox::v1;
namespace cri = ::runtime::v1;
using test::MemoryPods;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;
using testing::UnorderedElementsAre;
using wasmoor::test::Must;
using namespace std::chrono_literals;

class ControllerTest : public testing::Test {
 protected:
  explicit ControllerTest(std::chrono::nanoseconds patience = Service::kUnstartedPatience)
      : service(std::make_unique<Service>(*loop, pods, patience)) {
    Must(server->Add(*service));
    Must(server->Listen(Must(os::ListenUnix(path))));
  }

  bool RunUntil(const std::function<bool()>& done) {
    const auto end = grpc::Clock::now() + 10s;
    while (!done() && grpc::Clock::now() < end) loop->RunOnce(20ms);
    return done();
  }

  static grpc::Request ToRequest(const std::string& method, std::string message,
                                 const std::string& name_space,
                                 std::chrono::nanoseconds timeout = 10s) {
    grpc::Request request = {.method = "/containerd.services.sandbox.v1.Controller/" + method,
                             .message = std::move(message),
                             .metadata = {},
                             .timeout = timeout};
    if (!name_space.empty()) request.metadata = {{"containerd-namespace", name_space}};
    return request;
  }

  Result<std::string> Call(const std::string& method, std::string message,
                           const std::string& name_space) {
    std::optional<Result<std::string>> answer;
    client.Ask(ToRequest(method, std::move(message), name_space),
               [&](Result<std::string> got) { answer = std::move(got); });
    EXPECT_TRUE(RunUntil([&] { return answer.has_value(); }));
    return *std::move(answer);
  }

  template <typename Response, typename Request>
  Result<Response> Get(const std::string& method, const Request& request,
                       const std::string& name_space = "k8s.io") {
    Response response;
    EXPECT_TRUE(
        response.ParseFromString(TRY(Call(method, request.SerializeAsString(), name_space))));
    return response;
  }

  // "", or why not: "not_found: …".
  template <typename Request>
  std::string Ask(const std::string& method, const Request& request,
                  const std::string& name_space = "k8s.io") {
    const auto answer = Call(method, request.SerializeAsString(), name_space);
    return answer ? ""
                  : std::string(CodeName(answer.error().code())) + ": " + answer.error().message();
  }

  template <typename Request>
  static Request Of(const std::string& id) {
    Request request;
    request.set_sandbox_id(id);
    return request;
  }

  static api::ControllerCreateRequest CreateOf(const std::string& id) {
    auto request = Of<api::ControllerCreateRequest>(id);
    request.set_sandboxer("wasm");
    request.mutable_sandbox()->set_sandbox_id(id);
    request.mutable_sandbox()->mutable_runtime()->set_name("io.containerd.wasmtimed.v1");
    return request;
  }

  void StartPod(const std::string& id = "p1") {
    EXPECT_EQ(Ask("Create", CreateOf(id)), "");
    EXPECT_EQ(Ask("Start", Of<api::ControllerStartRequest>(id)), "");
  }

  MemoryPods::Pod& At(const std::string& id) { return pods.pods.at({"k8s.io", id}); }
  size_t Count() const { return pods.pods.size(); }

  const std::unique_ptr<loop::Loop> loop = Must(loop::Loop::Create());
  const wasmoor::test::ScratchDirectory scratch;
  const std::string path = scratch / "socket";
  MemoryPods pods{*loop};
  std::unique_ptr<Service> service;
  std::unique_ptr<grpc::Server> server = std::make_unique<grpc::Server>(*loop);
  grpc::Client client{*loop, path};
};

class ControllerHasteTest : public ControllerTest {
 protected:
  ControllerHasteTest() : ControllerTest(30ms) {}
};

TEST_F(ControllerTest, MakesAPodFromTheCriConfiguration) {
  api::ControllerCreateRequest request = CreateOf("p1");
  request.set_netns_path("/run/netns/x");
  (*request.mutable_annotations())["one"] = "1";
  cri::PodSandboxConfig config;
  config.set_hostname("web-0");
  (*config.mutable_annotations())["two"] = "2";
  auto& on_linux = *config.mutable_on_linux();
  on_linux.set_cgroup_parent("/kubepods/pod1");
  (*on_linux.mutable_sysctls())["net.core.somaxconn"] = "128";
  auto& namespaces = *on_linux.mutable_security_context()->mutable_namespace_options();
  namespaces.set_ipc(cri::NODE);
  namespaces.set_pid(cri::POD);
  ttrpc::Pack(config, request.mutable_options());
  const auto made = Must(Get<api::ControllerCreateResponse>("Create", request));
  EXPECT_EQ(made.sandbox_id(), "p1");

  const sandbox::PodRequest& pod = At("p1").request.pod;
  EXPECT_EQ(pod.id, "p1");
  EXPECT_EQ(pod.bundle, "");
  EXPECT_EQ(pod.network_namespace, "/run/netns/x");
  EXPECT_EQ(pod.hostname, "web-0");
  EXPECT_EQ(pod.cgroup_parent, "/kubepods/pod1");
  EXPECT_EQ(pod.ipc, sandbox::PodRequest::Scope::kNode);
  EXPECT_EQ(pod.pid, sandbox::PodRequest::Scope::kPod);
  EXPECT_THAT(pod.annotations, UnorderedElementsAre(Pair("one", "1"), Pair("two", "2")));
  EXPECT_THAT(pod.sysctls, UnorderedElementsAre(Pair("net.core.somaxconn", "128")));
}

TEST_F(ControllerTest, GivesAPodWithTheHostsNetworkNoOther) {
  api::ControllerCreateRequest request = CreateOf("p1");
  request.set_netns_path("/run/netns/x");
  cri::PodSandboxConfig config;
  config.mutable_on_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      cri::NODE);
  ttrpc::Pack(config, request.mutable_options());
  EXPECT_EQ(Ask("Create", request), "");
  EXPECT_EQ(At("p1").request.pod.network_namespace, "");
}

TEST_F(ControllerTest, TellsTheNetworkOfAPodThatHasStarted) {
  api::ControllerCreateRequest request = CreateOf("p1");
  request.set_netns_path("/run/netns/\"x\"");
  EXPECT_EQ(Ask("Create", request), "");
  const auto started =
      Must(Get<api::ControllerStartResponse>("Start", Of<api::ControllerStartRequest>("p1")));
  EXPECT_THAT(started.spec().value(),
              HasSubstr(R"("namespaces":[{"path":"/run/netns/\"x\"","type":"network"}])"));
}

TEST_F(ControllerTest, MakesAPodWithoutAConfiguration) {
  EXPECT_EQ(Ask("Create", Of<api::ControllerCreateRequest>("p1")), "");
  EXPECT_EQ(At("p1").request.pod.hostname, "");
}

TEST_F(ControllerTest, RefusesAConfigurationOfAnotherKind) {
  api::ControllerCreateRequest request = CreateOf("p1");
  request.mutable_options()->set_type_url("some.Thing");
  EXPECT_THAT(Ask("Create", request),
              AllOf(StartsWith("invalid_argument: "), HasSubstr("some.Thing"), HasSubstr("p1")));
  EXPECT_EQ(Count(), 0u);
}

TEST_F(ControllerTest, TheRuntimesOptionsHaveTheSayOverTheNodes) {
  pods.defaults.systemd_cgroup = true;
  pods.defaults.no_pivot_root = true;
  EXPECT_EQ(Ask("Create", CreateOf("p1")), "");
  EXPECT_TRUE(At("p1").request.options.systemd_cgroup);
  EXPECT_TRUE(At("p1").request.pod.systemd_cgroup);

  api::ControllerCreateRequest request = CreateOf("p2");
  ::runtimeoptions::v1::Options options;
  options.set_config_body("systemd_cgroup = false");
  ttrpc::Pack(options, request.mutable_sandbox()->mutable_runtime()->mutable_options());
  EXPECT_EQ(Ask("Create", request), "");
  EXPECT_FALSE(At("p2").request.pod.systemd_cgroup);
  EXPECT_TRUE(At("p2").request.options.no_pivot_root);

  options.set_config_body("no_such_key = 1");
  request = CreateOf("p3");
  ttrpc::Pack(options, request.mutable_sandbox()->mutable_runtime()->mutable_options());
  EXPECT_THAT(Ask("Create", request),
              AllOf(StartsWith("invalid_argument: "), HasSubstr("p3"), HasSubstr("no_such_key")));
}

TEST_F(ControllerTest, TellsWhereTheTasksOfAPodAreServed) {
  EXPECT_EQ(Ask("Create", CreateOf("p1")), "");
  const auto before =
      Must(Get<api::ControllerStatusResponse>("Status", Of<api::ControllerStatusRequest>("p1")));
  EXPECT_EQ(before.state(), "SANDBOX_NOTREADY");
  EXPECT_EQ(before.address(), "");
  EXPECT_FALSE(before.has_exited_at());

  const auto started =
      Must(Get<api::ControllerStartResponse>("Start", Of<api::ControllerStartRequest>("p1")));
  EXPECT_EQ(started.sandbox_id(), "p1");
  EXPECT_EQ(started.pid(), 4711u);
  EXPECT_EQ(started.created_at().seconds(), 1000);
  EXPECT_EQ(started.address(), "ttrpc+unix:///run/pods/p1");
  EXPECT_EQ(started.version(), 3u);
  EXPECT_THAT(started.spec().type_url(), HasSubstr("runtime-spec/1/Spec"));
  EXPECT_EQ(started.spec().value(), R"({"linux":{},"ociVersion":"1.2.0"})");

  const auto status =
      Must(Get<api::ControllerStatusResponse>("Status", Of<api::ControllerStatusRequest>("p1")));
  EXPECT_EQ(status.sandbox_id(), "p1");
  EXPECT_EQ(status.pid(), 4711u);
  EXPECT_EQ(status.state(), "SANDBOX_READY");
  EXPECT_EQ(status.created_at().seconds(), 1000);
  EXPECT_EQ(status.address(), "ttrpc+unix:///run/pods/p1");
  EXPECT_EQ(status.version(), 3u);
}

TEST_F(ControllerTest, TellsDetailsToWhoAsksForThem) {
  StartPod();
  At("p1").status.details["guests"] = "3";
  auto request = Of<api::ControllerStatusRequest>("p1");
  EXPECT_THAT(Must(Get<api::ControllerStatusResponse>("Status", request)).info(), IsEmpty());
  request.set_verbose(true);
  EXPECT_THAT(Must(Get<api::ControllerStatusResponse>("Status", request)).info(),
              UnorderedElementsAre(Pair("guests", "3")));
}

TEST_F(ControllerTest, APodsLifeGoesAsContainerdHasIt) {
  StartPod();
  const auto platform = Must(
      Get<api::ControllerPlatformResponse>("Platform", Of<api::ControllerPlatformRequest>("p1")));
  EXPECT_EQ(platform.platform().os(), "linux");
  EXPECT_NE(platform.platform().architecture(), "");
  const auto metrics =
      Must(Get<api::ControllerMetricsResponse>("Metrics", Of<api::ControllerMetricsRequest>("p1")));
  EXPECT_EQ(metrics.metrics().id(), "p1");
  EXPECT_THAT(metrics.metrics().data().type_url(), HasSubstr("Metrics"));
  EXPECT_EQ(Ask("Update", Of<api::ControllerUpdateRequest>("p1")), "");

  auto stop = Of<api::ControllerStopRequest>("p1");
  stop.set_timeout_secs(9);
  EXPECT_EQ(Ask("Stop", stop), "");
  EXPECT_EQ(At("p1").patience, 9s);
  const auto status =
      Must(Get<api::ControllerStatusResponse>("Status", Of<api::ControllerStatusRequest>("p1")));
  EXPECT_EQ(status.state(), "SANDBOX_NOTREADY");
  EXPECT_EQ(status.exited_at().seconds(), 2000);
  const auto ended =
      Must(Get<api::ControllerWaitResponse>("Wait", Of<api::ControllerWaitRequest>("p1")));
  EXPECT_EQ(ended.exit_status(), 137u);
  EXPECT_EQ(ended.exited_at().seconds(), 2000);
  EXPECT_EQ(Ask("Shutdown", Of<api::ControllerShutdownRequest>("p1")), "");
  EXPECT_EQ(Count(), 0u);
}

TEST_F(ControllerTest, DoesNotKnowPodsThatAreNotThere) {
  const auto refused = StartsWith("not_found: ");
  EXPECT_THAT(Ask("Start", Of<api::ControllerStartRequest>("x")), refused);
  EXPECT_THAT(Ask("Platform", Of<api::ControllerPlatformRequest>("x")), refused);
  EXPECT_THAT(Ask("Stop", Of<api::ControllerStopRequest>("x")), refused);
  EXPECT_THAT(Ask("Wait", Of<api::ControllerWaitRequest>("x")), refused);
  EXPECT_THAT(Ask("Status", Of<api::ControllerStatusRequest>("x")), refused);
  EXPECT_THAT(Ask("Shutdown", Of<api::ControllerShutdownRequest>("x")), refused);
  EXPECT_THAT(Ask("Metrics", Of<api::ControllerMetricsRequest>("x")), refused);
  EXPECT_THAT(Ask("Update", Of<api::ControllerUpdateRequest>("x")), refused);
}

TEST_F(ControllerTest, PodsOfTwoNamespacesMayHaveOneId) {
  StartPod();
  EXPECT_THAT(Ask("Create", CreateOf("p1")), StartsWith("already_exists: "));
  EXPECT_THAT(Ask("Status", Of<api::ControllerStatusRequest>("p1"), "other"),
              StartsWith("not_found: "));
  EXPECT_EQ(Ask("Create", CreateOf("p1"), "other"), "");
  EXPECT_EQ(Ask("Shutdown", Of<api::ControllerShutdownRequest>("p1"), "other"), "");
  EXPECT_TRUE(At("p1").status.info.running);
}

TEST_F(ControllerTest, RefusesCallsThatDoNotSayOfWhat) {
  EXPECT_THAT(Ask("Status", Of<api::ControllerStatusRequest>("p1"), ""),
              AllOf(StartsWith("invalid_argument: "), HasSubstr("containerd-namespace")));
  EXPECT_THAT(Ask("Create", CreateOf("")),
              AllOf(StartsWith("invalid_argument: "), HasSubstr("id")));
  EXPECT_EQ(Call("Create", "\xff\xff\xff", "k8s.io").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(Call("Fly", "", "k8s.io").error().code(), Code::kUnimplemented);
}

TEST_F(ControllerTest, AnswersAllWhoWaitWhenThePodEnds) {
  StartPod();
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    client.Ask(
        ToRequest("Wait", Of<api::ControllerWaitRequest>("p1").SerializeAsString(), "k8s.io"),
        [&](const Result<std::string>& answer) {
          api::ControllerWaitResponse response;
          EXPECT_TRUE(response.ParseFromString(Must(answer)));
          EXPECT_EQ(response.exit_status(), 3u);
          ++answers;
        });
  }
  // One who does not wait that long, as a containerd that ends.
  bool gone = false;
  client.Ask(
      ToRequest("Wait", Of<api::ControllerWaitRequest>("p1").SerializeAsString(), "k8s.io", 20ms),
      [&](const Result<std::string>& answer) { gone = !answer; });
  ASSERT_TRUE(RunUntil([&] { return gone && server->open_calls() == 3; }));
  EXPECT_EQ(pods.waits, 1);
  EXPECT_EQ(answers, 0);
  MemoryPods::End(At("p1"), 3);
  ASSERT_TRUE(RunUntil([&] { return answers == 3; }));
}

TEST_F(ControllerTest, WhoeverWaitsHearsThatThePodIsRemoved) {
  StartPod();
  bool answered = false;
  client.Ask(ToRequest("Wait", Of<api::ControllerWaitRequest>("p1").SerializeAsString(), "k8s.io"),
             [&](const Result<std::string>& answer) { answered = answer.has_value(); });
  ASSERT_TRUE(RunUntil([&] { return server->open_calls() == 1; }));
  EXPECT_EQ(Ask("Shutdown", Of<api::ControllerShutdownRequest>("p1")), "");
  EXPECT_TRUE(RunUntil([&] { return answered; }));
}

TEST_F(ControllerTest, RemovesAPodThatDoesNotStart) {
  pods.fail_start = true;
  EXPECT_EQ(Ask("Create", CreateOf("p1")), "");
  EXPECT_THAT(Ask("Start", Of<api::ControllerStartRequest>("p1")), StartsWith("internal: "));
  ASSERT_TRUE(RunUntil([&] { return Count() == 0; }));
}

TEST_F(ControllerTest, KeepsAPodThatRunsWhenItIsStartedAgain) {
  StartPod();
  EXPECT_THAT(Ask("Start", Of<api::ControllerStartRequest>("p1")),
              StartsWith("failed_precondition: "));
  EXPECT_TRUE(At("p1").status.info.running);
}

TEST_F(ControllerTest, StartsAPodOnce) {
  EXPECT_EQ(Ask("Create", CreateOf("p1")), "");
  pods.hold = true;
  bool started = false;
  const std::string start = Of<api::ControllerStartRequest>("p1").SerializeAsString();
  client.Ask(ToRequest("Start", start, "k8s.io"),
             [&](const Result<std::string>& answer) { started = answer.has_value(); });
  ASSERT_TRUE(RunUntil([&] { return pods.held.size() == 1; }));
  EXPECT_THAT(Ask("Start", Of<api::ControllerStartRequest>("p1")),
              AllOf(StartsWith("failed_precondition: "), HasSubstr("already")));
  pods.hold = false;
  pods.held[0]();
  ASSERT_TRUE(RunUntil([&] { return started; }));
  EXPECT_TRUE(At("p1").status.info.running);
}

TEST_F(ControllerTest, RemovesWhatIsMadeTooLateForWhoAskedForIt) {
  for (const char* method : {"Create", "Start"}) {
    pods.hold = false;
    if (std::string_view(method) == "Start") {
      EXPECT_EQ(Ask("Create", CreateOf("p1")), "");
    }
    pods.hold = true;
    bool gone = false;
    client.Ask(ToRequest(method, CreateOf("p1").SerializeAsString(), "k8s.io", 50ms),
               [&](const Result<std::string>& answer) { gone = !answer; });
    ASSERT_TRUE(RunUntil([&] { return gone && server->open_calls() == 0; }));
    ASSERT_EQ(pods.held.size(), 1u) << method;
    pods.hold = false;
    std::exchange(pods.held, {})[0]();
    EXPECT_EQ(Count(), 1u);
    ASSERT_TRUE(RunUntil([&] { return Count() == 0; })) << method;
  }
}

TEST_F(ControllerTest, TellsWhyAPodCannotBeMade) {
  pods.fail_create = true;
  EXPECT_THAT(Ask("Create", CreateOf("p1")),
              AllOf(StartsWith("permission_denied: "), HasSubstr("no pods today")));
}

TEST_F(ControllerHasteTest, RemovesPodsThatNobodyStarts) {
  StartPod("running");
  EXPECT_EQ(Ask("Create", CreateOf("forgotten")), "");
  EXPECT_EQ(Ask("Create", CreateOf("forgotten, too")), "");
  ASSERT_TRUE(RunUntil([&] { return Count() == 1; }));
  EXPECT_TRUE(At("running").status.info.running);
  EXPECT_EQ(Ask("Create", CreateOf("forgotten")), "");
  ASSERT_TRUE(RunUntil([&] { return Count() == 1; }));
}

TEST_F(ControllerTest, MayEndBeforeThePodsAnswer) {
  StartPod();
  pods.hold = true;
  const auto nothing = [](const Result<std::string>& answer) { EXPECT_FALSE(answer); };
  for (const char* method : {"Create", "Start", "Stop", "Wait", "Shutdown"})
    client.Ask(ToRequest(method, CreateOf("p1").SerializeAsString(), "k8s.io"), nothing);
  ASSERT_TRUE(RunUntil([&] { return server->open_calls() == 5; }));
  server.reset();
  service.reset();
  for (const auto& answer : std::exchange(pods.held, {})) answer();
  pods.hold = false;
  while (loop->RunOnce(5ms)) {
  }
}

}  // namespace
}  // namespace wasmoor::controller
