#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/containerd/task.pb.h"
#include "proto/containerd/task_events.pb.h"
#include "support/result.h"
#include "task/memory_sandbox_for_test.h"
#include "wasmoor/task/service.h"
#include "wasmoor/ttrpc/client.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::task::test {

namespace api = ::containerd::task::v2;
using wasmoor::test::Must;

// Events as words: "/tasks/exit c1 c1 1000 3".
class EventList : public Events {
 public:
  void Publish(std::string_view topic, const google::protobuf::MessageLite& event) override;
  std::vector<std::string> texts;
  std::vector<std::string> bytes;
};

// A task service over a MemorySandbox, with a client on the other side of a socket.
class ServiceTest : public testing::Test {
 protected:
  ServiceTest() { Connect(); }

  void Connect() {
    std::array<int, 2> ends;
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ASSERT_TRUE(server.Adopt(os::Fd(ends[0])).has_value());
    client = Must(ttrpc::Client::Adopt(*loop, os::Fd(ends[1])));
  }

  // Whatever can be done without anybody doing anything more.
  void Settle() {
    while (loop->RunOnce(std::chrono::milliseconds(5))) continue;
  }

  template <typename Response>
  Result<Response> Call(std::string_view method, const google::protobuf::MessageLite& request,
                        std::string_view service = "containerd.task.v2.Task") {
    Result<Response> answer = Fail(Code::kUnknown, "not answered");
    client->Call<Response>(service, method, request, {},
                           [&](Result<Response> got) { answer = std::move(got); });
    Settle();
    return answer;
  }

  // "", or why not: "not_found: …".
  template <typename Request>
  std::string Ask(std::string_view method, const Request& request,
                  std::string_view service = "containerd.task.v2.Task") {
    std::string answer = "not answered";
    client->Call(service, method, request, {}, [&](const Result<std::string>& got) {
      answer = got ? "" : std::string(CodeName(got.error().code())) + ": " + got.error().message();
    });
    Settle();
    return answer;
  }

  template <typename Request>
  static Request For(const std::string& id, const std::string& exec_id = "") {
    Request request;
    request.set_id(id);
    if constexpr (requires { request.set_exec_id(exec_id); }) request.set_exec_id(exec_id);
    return request;
  }

  void Create(const std::string& id) {
    api::CreateTaskRequest request = For<api::CreateTaskRequest>(id);
    request.set_bundle("/bundles/" + id);
    EXPECT_EQ(Ask("Create", request), "");
  }
  void CreateAndStart(const std::string& id) {
    Create(id);
    EXPECT_EQ(Ask("Start", For<api::StartRequest>(id)), "");
  }
  void Exec(const std::string& id, const std::string& exec_id) {
    auto request = For<api::ExecProcessRequest>(id, exec_id);
    request.mutable_spec()->set_value(R"({"args": ["/a.wasm"], "cwd": "/"})");
    EXPECT_EQ(Ask("Exec", request), "");
    EXPECT_EQ(Ask("Start", For<api::StartRequest>(id, exec_id)), "");
  }

  std::unique_ptr<loop::Loop> loop = Must(loop::Loop::Create());
  EventList events;
  Reporter reporter{events};
  MemorySandbox memory{*loop, reporter};
  MemoryPod pod{*loop};
  int shut_downs = 0;
  Options options;
  Service service{
      {.sandbox = memory, .events = events, .pod = &pod, .shut_down = [this] { ++shut_downs; }},
      options};
  ttrpc::Server server{*loop, ttrpc::Peers::kAny};
  bool added = service.AddTo(&server).has_value();
  std::unique_ptr<ttrpc::Client> client;
};

}  // namespace wasmoor::task::test
