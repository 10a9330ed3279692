#include "wasmoor/node/manager.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>

#include "node/node_for_test.h"
#include "proto/containerd/manager.pb.h"
#include "proto/containerd/runtime_options.pb.h"
#include "wasmoor/os/file.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::node {
namespace {

namespace api = ::runwasi::services::sandbox::v1;
using testing::Contains;
using testing::HasSubstr;

constexpr std::string_view kManager = "runwasi.services.sandbox.v1.Manager";

// What runwasi's daemon did wrong, of which each is a test here.
class ManagerTest : public NodeTest {
 protected:
  ManagerTest() {
    Must(manager.AddTo(&server));
    Must(server.Listen(Must(os::ListenUnix(scratch / "manager"))));
    client = Connect(scratch / "manager");
  }

  api::CreateRequest CreateOf(const std::string& name_space, const std::string& id) {
    api::CreateRequest request;
    request.set_namespace_(name_space);
    request.set_id(id);
    request.set_working_directory(scratch.path());
    request.set_ttrpc_address(scratch / "events");
    return request;
  }
  Result<api::CreateResponse> Create(const api::CreateRequest& request) {
    return Ask<api::CreateResponse>(*client, "Create", request, kManager);
  }
  Result<api::ConnectResponse> ConnectTo(const std::string& name_space, const std::string& id) {
    api::ConnectRequest request;
    request.set_namespace_(name_space);
    request.set_id(id);
    return Ask<api::ConnectResponse>(*client, "Connect", request, kManager);
  }
  Result<api::DeleteResponse> DeleteIt(const std::string& name_space, const std::string& id) {
    api::DeleteRequest request;
    request.set_namespace_(name_space);
    request.set_id(id);
    return Ask<api::DeleteResponse>(*client, "Delete", request, kManager);
  }

  task::Options defaults;
  Manager manager{*sandboxes, defaults};
  ttrpc::Server server{*loop};
  std::unique_ptr<ttrpc::Client> client;
};

TEST_F(ManagerTest, ConnectsASecondContainerToTheSandboxOfTheFirst) {
  const std::string path = Must(Create(CreateOf("ns", "pod"))).socket_path();
  EXPECT_EQ(Must(ConnectTo("ns", "pod")).socket_path(), path);
  EXPECT_EQ(Must(Create(CreateOf("ns", "pod"))).socket_path(), path);
  EXPECT_EQ(ConnectTo("ns", "other").error().code(), Code::kNotFound);
}

TEST_F(ManagerTest, NeedsANamespace) {
  Must(Create(CreateOf("ns", "pod")));
  EXPECT_EQ(Create(CreateOf("", "pod")).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(ConnectTo("", "pod").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(DeleteIt("", "pod").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(ConnectTo("other", "pod").error().code(), Code::kNotFound);
}

TEST_F(ManagerTest, TellsEventsInTheNamespaceThatItWasGiven) {
  const EventSink sink(*loop, scratch / "events");
  const auto task = Connect(Must(Create(CreateOf("mine", "pod"))).socket_path());
  Run(*task, "c");
  EXPECT_TRUE(Until([&] { return sink.texts.size() == 2; }));
  EXPECT_THAT(sink.texts, Contains("mine /tasks/start"));
}

TEST_F(ManagerTest, RefusesAMissingDirectoryInASentenceAndTakesTheIdAgain) {
  api::CreateRequest request = CreateOf("ns", "pod");
  request.set_working_directory(scratch / "none");
  const auto refused = Create(request);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("/none"));
  EXPECT_TRUE(Create(CreateOf("ns", "pod")).has_value());
}

TEST_F(ManagerTest, ReportsHowADeletedContainerEnded) {
  const auto task = Connect(Must(Create(CreateOf("ns", "pod"))).socket_path());
  for (const char* id : {"ended", "runs"}) Run(*task, id);
  memories.at({"ns", "pod"})->At("ended").process.Finish(42);
  const auto ended = Must(DeleteIt("ns", "ended"));
  EXPECT_EQ(ended.exit_status(), 42U);
  EXPECT_GT(ended.pid(), 0U);
  EXPECT_GT(ended.exited_at().seconds(), 0);
  EXPECT_EQ(Must(DeleteIt("ns", "runs")).exit_status(), 128U + SIGKILL);
  EXPECT_EQ(DeleteIt("ns", "runs").error().code(), Code::kNotFound);
}

TEST_F(ManagerTest, AnswersOthersWhileOneIsBeingDeleted) {
  const auto task = Connect(Must(Create(CreateOf("ns", "pod"))).socket_path());
  Run(*task, "c");
  api::DeleteRequest request;
  request.set_namespace_("ns");
  request.set_id("c");
  bool deleted = false;
  client->Call(kManager, "Delete", request, {},
               [&](const Result<std::string>& got) { deleted = got.has_value(); });
  EXPECT_TRUE(Create(CreateOf("ns", "other")).has_value());
  EXPECT_TRUE(Until([&] { return deleted; }));
}

TEST_F(ManagerTest, GivesASandboxTheRuntimesOptionsAboveItsOwn) {
  defaults.guest.memory_bytes = 1 << 20;
  defaults.systemd_cgroup = true;
  api::CreateRequest request = CreateOf("ns", "pod");
  runtimeoptions::v1::Options options;
  options.set_config_body("[guest]\nmemory = \"2MiB\"\n");
  ttrpc::Pack(options, request.mutable_options());
  Must(Create(request));
  const auto view = Must(sandboxes->Find({.name_space = "ns", .id = "pod"}));
  EXPECT_EQ(view.place.options.guest.memory_bytes, 2U << 20);
  EXPECT_TRUE(view.place.options.systemd_cgroup);
  options.set_config_body("nonsense = 1\n");
  ttrpc::Pack(options, request.mutable_options());
  request.set_id("other");
  const auto refused = Create(request);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("nonsense"));
  EXPECT_EQ(sandboxes->size(), 1U);
}

TEST_F(ManagerTest, OutlivesAClientThatSpeaksGarbage) {
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(100, '\xff'),
        std::string("\0\0\0\4\0\0\0\1\1\0abcd", 14)}) {
    const os::Fd socket = Must(os::ConnectUnix(scratch / "manager"));
    Must(os::WriteAll(socket, garbage));
    EXPECT_TRUE(Create(CreateOf("ns", "pod")).has_value());
  }
}

}  // namespace
}  // namespace wasmoor::node
