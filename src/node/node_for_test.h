#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proto/containerd/events.pb.h"
#include "proto/containerd/events.ttrpc.h"
#include "proto/containerd/task.pb.h"
#include "support/result.h"
#include "support/scratch.h"
#include "task/memory_sandbox_for_test.h"
#include "wasmoor/node/sandboxes.h"
#include "wasmoor/os/unix_socket.h"
#include "wasmoor/ttrpc/client.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::node {

namespace task_api = ::containerd::task::v2;
using test::Must;

// A node whose containers are entries in memory, with clients on its real sockets.
class NodeTest : public testing::Test {
 protected:
  NodeTest() { Open(); }

  void Open() {
    sandboxes = Must(Sandboxes::Open(
        {.loop = *loop,
         .socket_directory = scratch / "s",
         .state_directory = scratch / "state",
         .make_parts = [this](const Place& place,
                              sandbox::Listener& listener) { return Make(place, listener); },
         .log = [this](task::LogLevel, const Key*, std::string_view line) { log += line; },
         .between_looks = std::chrono::milliseconds(20)}));
  }

  Result<Parts> Make(const Place& place, sandbox::Listener& listener) {
    if (make_fails) return Fail(Code::kUnavailable, "no room for it");
    Parts parts;
    auto memory = std::make_unique<task::test::MemorySandbox>(*loop, listener);
    memories[place.key] = memory.get();
    parts.sandbox = std::move(memory);
    parts.pod = std::make_unique<task::test::MemoryPod>(*loop);
    return parts;
  }

  Place PlaceOf(const std::string& name_space, const std::string& id) {
    return {.key = {.name_space = name_space, .id = id},
            .bundle = scratch.path(),
            .ttrpc_address = scratch / "events",
            .containerd_address = "/containerd.sock"};
  }

  std::unique_ptr<ttrpc::Client> Connect(const std::string& path) {
    return Must(ttrpc::Client::Connect(*loop, path));
  }

  // Until what holds; false if it never does.
  bool Until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop->RunOnce(std::chrono::milliseconds(5));
    }
    return true;
  }

  template <typename Response = task_api::StateResponse>
  Result<Response> Ask(ttrpc::Client& client, std::string_view method,
                       const google::protobuf::MessageLite& request,
                       std::string_view service = "containerd.task.v2.Task") {
    std::optional<Result<Response>> answer;
    client.Call<Response>(service, method, request, {},
                          [&](Result<Response> got) { answer = std::move(got); });
    EXPECT_TRUE(Until([&] { return answer.has_value(); })) << method;
    return *std::move(answer);
  }
  template <typename Request>
  static Request For(const std::string& id) {
    Request request;
    request.set_id(id);
    return request;
  }
  void CreateTask(ttrpc::Client& client, const std::string& id) {
    Must(Ask<task_api::CreateTaskResponse>(client, "Create", For<task_api::CreateTaskRequest>(id)));
  }
  void Run(ttrpc::Client& client, const std::string& id) {
    CreateTask(client, id);
    Must(Ask<task_api::StartResponse>(client, "Start", For<task_api::StartRequest>(id)));
  }

  template <typename T>
  Result<T> Wait(const std::function<void(sandbox::Done<T>)>& begin) {
    std::optional<Result<T>> answer;
    begin([&](Result<T> got) { answer = std::move(got); });
    EXPECT_FALSE(answer.has_value()) << "answered before the call returned";
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
    return *std::move(answer);
  }
  Result<Ended> Delete(const std::string& name_space, const std::string& id,
                       const std::string& group = "") {
    return Wait<Ended>([&](sandbox::Done<Ended> done) {
      sandboxes->Delete({.name_space = name_space, .id = id}, group, std::move(done));
    });
  }

  bool Exists(const std::filesystem::path& path) { return std::filesystem::exists(path); }
  bool IsRecorded(const std::string& name) {
    return Exists(scratch / "state" / name / "sandbox.json");
  }

  test::ScratchDirectory scratch;
  std::unique_ptr<loop::Loop> loop = Must(loop::Loop::Create());
  std::map<Key, task::test::MemorySandbox*> memories;
  std::string log;
  bool make_fails = false;
  std::unique_ptr<Sandboxes> sandboxes;
};

// Where containerd takes events: "namespace topic" of each.
class EventSink : public ::containerd::services::events::ttrpc::v1::EventsService {
 public:
  EventSink(loop::Loop& loop, const std::string& path) : server_(loop) {
    Must(server_.Add(*this));
    Must(server_.Listen(Must(os::ListenUnix(path))));
  }
  void Forward(const ::containerd::services::events::ttrpc::v1::ForwardRequest& request,
               const ttrpc::CallInfo&, ttrpc::Reply<google::protobuf::Empty> reply) override {
    texts.push_back(request.envelope().namespace_() + " " + request.envelope().topic());
    reply(google::protobuf::Empty());
  }
  std::vector<std::string> texts;
  size_t connections() const { return server_.connections(); }

 private:
  ttrpc::Server server_;
};

}  // namespace wasmoor::node
