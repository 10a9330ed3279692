#include "cmd/wasmtimed/observation.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cmd/wasmtimed/process_usage.h"
#include "node/node_for_test.h"
#include "telemetry/collector_for_test.h"

namespace wasmoor::cmd {
namespace {

using namespace std::chrono_literals;
using test::Must;

// Two hosts: this process, and one that has ended.
class MadeUpHosts : public sandbox::Hosts {
 public:
  Status Prepare() override { return {}; }
  size_t guests() const override { return 7; }
  std::vector<pid_t> pids() const override { return {::getpid(), 0x3fffffff}; }
  Status HandOver(handover::Hosts*, os::Carried*) const override { return {}; }
  void TakeOver(const handover::Hosts&) override {}
};

class ObservationTest : public node::NodeTest {
 protected:
  ObservationTest() {
    sandboxes.reset();
    sandboxes = Must(node::Sandboxes::Open(
        {.loop = *loop,
         .socket_directory = scratch / "s",
         .state_directory = scratch / "state",
         .make_parts =
             observation_.Counted([this](const node::Place& place, sandbox::Listener& listener) {
               return Make(place, listener);
             })}));
    observation_.Watch(
        {.sandboxes = *sandboxes, .hosts = hosts_, .events = [this] { return events_; }});
    Must(observation_.Serve(socket_));
  }
  ~ObservationTest() override {
    observation_.Forget();
    sandboxes.reset();
  }

  std::string Get(const std::string& path) {
    const os::Fd client = Must(os::ConnectUnixAtOnce(socket_));
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    EXPECT_EQ(::send(client.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string read;
    std::array<char, 65536> part;
    EXPECT_TRUE(Until([&] {
      const ssize_t size = ::recv(client.get(), part.data(), part.size(), MSG_DONTWAIT);
      if (size > 0) read.append(part.data(), size);
      return size == 0;
    }));
    return read;
  }
  // The value of a series as it stands on the page; empty if it is not there.
  std::string Value(const std::string& series) {
    const std::string page = Get("/metrics");
    const size_t at = page.find("\n" + series + " ");
    if (at == std::string::npos) return "";
    const size_t value = at + series.size() + 2;
    return page.substr(value, page.find('\n', value) - value);
  }

  // A call as a server tells of it, answered at once.
  template <typename Request>
  void Call(std::string_view method, const Request& request, const Error* error = nullptr,
            const std::string& traceparent = "") {
    ttrpc::CallInfo info = {.service = "containerd.task.v3.Task", .method = method};
    info.metadata = {{"containerd-namespace-ttrpc", "k8s.io"}};
    if (!traceparent.empty()) info.metadata.emplace_back("traceparent", traceparent);
    observation_.calls()(info, request.SerializeAsString())(error);
  }

  std::string socket_ = scratch / "metrics.sock";
  std::vector<std::string> said_;
  MadeUpHosts hosts_;
  node::EventCounts events_ = {.published = 5, .failed = 1, .waiting = 2};
  Observation observation_{*loop, [this](std::string_view line) { said_.emplace_back(line); }};
};

TEST_F(ObservationTest, WhatTheNodeHoldsIsCountedWhenItIsAskedFor) {
  EXPECT_EQ(Value("wasmoor_node_sandboxes"), "0");
  const auto client = Connect(Must(sandboxes->Create(PlaceOf("k8s.io", "pod"))));
  Must(sandboxes->Create(PlaceOf("default", "pod")));
  CreateTask(*client, "made");
  Run(*client, "one");
  Run(*client, "two");
  EXPECT_EQ(Value("wasmoor_node_sandboxes"), "2");
  EXPECT_EQ(Value("wasmoor_node_connections"), "1");
  EXPECT_EQ(Value("wasmoor_node_containers{state=\"created\"}"), "1");
  EXPECT_EQ(Value("wasmoor_node_containers{state=\"running\"}"), "2");
  EXPECT_EQ(Value("wasmoor_host_guests"), "7");
  EXPECT_EQ(Value("wasmoor_containerd_events_published_total"), "5");
  EXPECT_EQ(Value("wasmoor_containerd_events_waiting"), "2");
}

TEST_F(ObservationTest, EndsAreCountedByTheirClassAndStillToldToContainerd) {
  const node::EventSink sink(*loop, scratch / "events");
  const auto client = Connect(Must(sandboxes->Create(PlaceOf("k8s.io", "pod"))));
  for (const char* id : {"good", "bad", "killed"}) Run(*client, id);
  auto& memory = *memories.begin()->second;
  const auto finish = [&](const char* id, uint32_t status) {
    dynamic_cast<task::test::MemoryProcess&>(Must(memory.Find(id))->first()).Finish(status);
  };
  finish("good", 0);
  finish("bad", 3);
  finish("killed", 128 + SIGKILL);
  EXPECT_TRUE(Until(
      [&] { return std::count(sink.texts.begin(), sink.texts.end(), "k8s.io /tasks/exit") == 3; }));
  for (const char* of_class : {"success", "failure", "signal"})
    EXPECT_EQ(
        Value(fmt::format("wasmoor_node_exits_total{{kind=\"task\",class=\"{}\"}}", of_class)),
        "1");
}

TEST_F(ObservationTest, CallsAreCountedByTheirAnswersAndStartsAreTimed) {
  namespace api = node::task_api;
  const Error exists(Code::kAlreadyExists, "it is there");
  Call("Create", For<api::CreateTaskRequest>("one"));
  Call("Create", For<api::CreateTaskRequest>("one"), &exists);
  Call("Start", For<api::StartRequest>("one"));
  auto exec = For<api::StartRequest>("one");
  exec.set_exec_id("shell");
  Call("Start", exec);
  const Error unknown(Code::kUnimplemented, "no such method");
  Call("Made\nUp", For<api::StartRequest>("one"), &unknown);
  Call("Wait", For<api::WaitRequest>("one"));
  EXPECT_EQ(Value("wasmoor_ttrpc_calls_total{method=\"Create\",code=\"ok\"}"), "1");
  EXPECT_EQ(Value("wasmoor_ttrpc_calls_total{method=\"Create\",code=\"already_exists\"}"), "1");
  EXPECT_EQ(Value("wasmoor_ttrpc_calls_total{method=\"other\",code=\"unimplemented\"}"), "1");
  EXPECT_EQ(Value("wasmoor_node_tasks_created_total"), "1");
  EXPECT_EQ(Value("wasmoor_node_tasks_started_total{kind=\"task\"}"), "1");
  EXPECT_EQ(Value("wasmoor_node_tasks_started_total{kind=\"exec\"}"), "1");
  EXPECT_EQ(Value("wasmoor_node_task_start_seconds_count"), "1");
  EXPECT_EQ(Value("wasmoor_ttrpc_call_seconds_count{method=\"Start\"}"), "2");
  EXPECT_EQ(Value("wasmoor_ttrpc_call_seconds_count{method=\"Wait\"}"), "");
}

TEST_F(ObservationTest, ProcessesAreMeasuredAndOnesThatHaveEndedAreNot) {
  const auto usage = ReadProcessUsage(::getpid());
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->threads, 1U);
  const std::filesystem::directory_iterator open("/proc/self/fd");
  // The one by which they are counted here, and the other there, come and go.
  EXPECT_NEAR(static_cast<double>(usage->descriptors),
              static_cast<double>(std::distance(begin(open), end(open))), 1);
  EXPECT_GT(usage->resident_bytes, 1U << 20);
  EXPECT_EQ(ReadProcessUsage(0x3fffffff).error().code(), Code::kNotFound);
  EXPECT_EQ(Value("wasmoor_process_threads{process=\"hosts\"}"), "1");
  EXPECT_NE(Value("wasmoor_process_resident_memory_bytes{process=\"daemon\"}"), "0");
}

TEST_F(ObservationTest, ItIsReadyOnceTheDaemonSaysSo) {
  EXPECT_EQ(Get("/readyz").find("HTTP/1.1 503"), 0U);
  observation_.BecomeReady({});
  EXPECT_EQ(Get("/readyz").find("HTTP/1.1 200"), 0U);
  observation_.BecomeReady(Fail(Code::kUnavailable, "ending"));
  EXPECT_NE(Get("/readyz").find("ending"), std::string::npos);
  EXPECT_EQ(Get("/healthz").find("HTTP/1.1 200"), 0U);
}

TEST_F(ObservationTest, ItsSocketIsNobodyElsesAndGoesWithIt) {
  {
    Observation other(*loop, {});
    const Status taken = other.Serve(socket_);
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message().find("another process serves"), std::string::npos);
    Must(other.Serve(scratch / "other.sock"));
    EXPECT_TRUE(Exists(scratch / "other.sock"));
  }
  EXPECT_FALSE(Exists(scratch / "other.sock"));
  EXPECT_TRUE(Exists(socket_));
}

TEST_F(ObservationTest, ACallIsASpanBelowContainerdsAndTheCollectorGetsIt) {
  telemetry::Collector collector("");
  const std::map<std::string, std::string> variables = {
      {"OTEL_EXPORTER_OTLP_ENDPOINT", fmt::format("http://127.0.0.1:{}", collector.port(*loop))},
      {"OTEL_BSP_SCHEDULE_DELAY", "3600000"}};
  observation_.Trace([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
  const Error missing(Code::kNotFound, "no module \xff here");
  const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0";
  Call("Create", For<node::task_api::CreateTaskRequest>("one"), &missing, parent + "1");
  Call("Create", For<node::task_api::CreateTaskRequest>("two"), nullptr, parent + "0");
  Call("Wait", For<node::task_api::WaitRequest>("one"), nullptr, parent + "1");
  bool flushed = false;
  observation_.Flush(20s, [&flushed] { flushed = true; });
  collector.Until(*loop, [&flushed] { return flushed; });
  ASSERT_EQ(collector.requests().size(), 1U);
  const auto& told = collector.requests()[0].body["resourceSpans"][0];
  EXPECT_EQ(told["resource"]["attributes"][0]["value"]["stringValue"], "containerd-wasmtimed");
  const auto& spans = told["scopeSpans"][0]["spans"];
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0]["name"], "containerd.task.v3.Task/Create");
  EXPECT_EQ(spans[0]["traceId"], "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(spans[0]["parentSpanId"], "b7ad6b7169203331");
  EXPECT_EQ(spans[0]["status"]["code"], 2);
  EXPECT_EQ(Value("wasmoor_telemetry_spans_sent_total"), "1");
  observation_.BecomeReady({});
}

TEST_F(ObservationTest, WithoutTracesAFlushIsOverAtOnceAndHttpsIsAWarning) {
  bool flushed = false;
  observation_.Flush(1h, [&flushed] { flushed = true; });
  EXPECT_FALSE(flushed);
  EXPECT_TRUE(Until([&flushed] { return flushed; }));
  observation_.Trace([](const char* name) {
    return std::string_view(name) == "OTEL_EXPORTER_OTLP_ENDPOINT" ? "https://a" : nullptr;
  });
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_NE(said_[0].find("no traces are sent"), std::string::npos);
}

}  // namespace
}  // namespace wasmoor::cmd
