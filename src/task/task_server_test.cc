#include "task/task_server.h"

#include <unistd.h>

#include <csignal>

#include "proto/containerd/cgroups_v1.pb.h"
#include "proto/containerd/runc_options.pb.h"
#include "proto/containerd/runtime_options.pb.h"
#include "task/service_for_test.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::task {
namespace {

using test::ServiceTest;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

using TaskServerTest = ServiceTest;

TEST_F(TaskServerTest, TellsALifeInContainerdsOrder) {
  CreateAndStart("c1");
  memory.At("c1").process.Finish(3);
  const auto ended = Call<api::DeleteResponse>("Delete", For<api::DeleteRequest>("c1"));
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_status(), 3u);
  EXPECT_EQ(ended->pid(), 1000u);
  EXPECT_GT(ended->exited_at().seconds(), 0);
  EXPECT_THAT(events.texts, ElementsAre("/tasks/create c1 /bundles/c1 1000", "/tasks/start c1 1000",
                                        "/tasks/exit c1 c1 1000 3", "/tasks/delete c1 1000 3"));
}

TEST_F(TaskServerTest, TellsTheLifeOfAnExec) {
  CreateAndStart("c1");
  events.texts.clear();
  Exec("c1", "e1");
  memory.At("c1").execs.at("e1")->Finish(4);
  Settle();
  const auto ended = Call<api::DeleteResponse>("Delete", For<api::DeleteRequest>("c1", "e1"));
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_status(), 4u);
  // Of an exec, containerd's shim tells no delete.
  EXPECT_THAT(events.texts, ElementsAre("/tasks/exec-added c1 e1", "/tasks/exec-started c1 e1 1001",
                                        "/tasks/exit c1 e1 1001 4"));
  EXPECT_THAT(Ask("State", For<api::StateRequest>("c1", "e1")), StartsWith("not_found"));
}

TEST_F(TaskServerTest, ServesVersionThreeUnderItsName) {
  EXPECT_EQ(Ask("Create", For<api::CreateTaskRequest>("c1"), "containerd.task.v3.Task"), "");
  const auto state = Call<api::StateResponse>("State", For<api::StateRequest>("c1"));
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->status(), ::containerd::v1::types::CREATED);
}

TEST_F(TaskServerTest, HandsOverWhatAContainerIsMadeOf) {
  api::CreateTaskRequest request = For<api::CreateTaskRequest>("c1");
  request.set_bundle("/b");
  request.set_stdin("/in");
  request.set_stdout("binary:///log?a=b");
  request.set_stderr("/err");
  request.set_terminal(true);
  auto* mount = request.add_rootfs();
  mount->set_type("overlay");
  mount->set_source("overlay");
  mount->add_options("lowerdir=/l");
  ::containerd::runc::v1::Options runc;
  runc.set_systemd_cgroup(true);
  runc.set_no_new_keyring(true);
  runc.set_no_pivot_root(true);
  ttrpc::Pack(runc, request.mutable_options());
  EXPECT_EQ(Ask("Create", request), "");
  const sandbox::CreateRequest& got = memory.At("c1").request;
  EXPECT_EQ(got.bundle, "/b");
  EXPECT_EQ(got.streams.input, "/in");
  EXPECT_EQ(got.streams.output, "binary:///log?a=b");
  EXPECT_EQ(got.streams.error, "/err");
  EXPECT_TRUE(got.streams.terminal);
  ASSERT_EQ(got.rootfs.size(), 1u);
  EXPECT_EQ(got.rootfs[0].type, "overlay");
  EXPECT_THAT(got.rootfs[0].options, ElementsAre("lowerdir=/l"));
  EXPECT_TRUE(got.systemd_cgroup && got.no_new_keyring && got.no_pivot);
}

TEST_F(TaskServerTest, RefusesOptionsThatItDoesNotUnderstandAtCreate) {
  api::CreateTaskRequest request = For<api::CreateTaskRequest>("c1");
  ::runtimeoptions::v1::Options ours;
  ours.set_config_body("\nsystemd_cgrup = true\n");
  ttrpc::Pack(ours, request.mutable_options());
  EXPECT_THAT(Ask("Create", request), AllOf(StartsWith("invalid_argument"), HasSubstr("\"c1\""),
                                            HasSubstr(":2: systemd_cgrup")));
  EXPECT_THAT(memory.Ids(), IsEmpty());
}

TEST_F(TaskServerTest, RefusesASecondContainerOfOneName) {
  Create("c1");
  EXPECT_THAT(Ask("Create", For<api::CreateTaskRequest>("c1")), StartsWith("already_exists"));
  EXPECT_THAT(Ask("Create", For<api::CreateTaskRequest>("")), StartsWith("invalid_argument"));
}

TEST_F(TaskServerTest, SaysNotFoundOfAContainerThatIsNotThere) {
  for (const char* method : {"State", "Start", "Delete", "Pids", "Pause", "Resume", "Kill", "Exec",
                             "ResizePty", "CloseIO", "Update", "Wait", "Stats"}) {
    EXPECT_THAT(Ask(method, For<api::StateRequest>("c1")),
                AllOf(StartsWith("not_found"), HasSubstr("\"c1\"")))
        << method;
  }
}

TEST_F(TaskServerTest, SaysUnimplementedOfCheckpointsAndOfWhatIsNoMethod) {
  Create("c1");
  EXPECT_THAT(Ask("Checkpoint", For<api::CheckpointTaskRequest>("c1")),
              StartsWith("unimplemented"));
  api::CreateTaskRequest restored = For<api::CreateTaskRequest>("c2");
  restored.set_checkpoint("/checkpoint");
  EXPECT_THAT(Ask("Create", restored), StartsWith("unimplemented"));
  EXPECT_THAT(Ask("Migrate", For<api::StateRequest>("c1")), StartsWith("unimplemented"));
}

TEST_F(TaskServerTest, AnswersEverybodyWhoWaitsAndWhoAsksLater) {
  CreateAndStart("c1");
  std::vector<uint32_t> statuses;
  const auto add = [&](const Result<api::WaitResponse>& got) {
    ASSERT_TRUE(got.has_value());
    statuses.push_back(got->exit_status());
  };
  for (int i = 0; i < 3; ++i)
    client->Call<api::WaitResponse>("containerd.task.v2.Task", "Wait", For<api::WaitRequest>("c1"),
                                    {}, add);
  Settle();
  EXPECT_THAT(statuses, IsEmpty());
  memory.At("c1").process.Finish(5);
  Settle();
  add(Call<api::WaitResponse>("Wait", For<api::WaitRequest>("c1")));
  EXPECT_THAT(statuses, ElementsAre(5, 5, 5, 5));
}

TEST_F(TaskServerTest, OutlivesClientsThatGoWhileTheyWait) {
  CreateAndStart("c1");
  client->Call<api::WaitResponse>("containerd.task.v2.Task", "Wait", For<api::WaitRequest>("c1"),
                                  {}, [](const auto&) {});
  memory.hold_creations = true;
  client->Call<api::CreateTaskResponse>("containerd.task.v2.Task", "Create",
                                        For<api::CreateTaskRequest>("c2"), {}, [](const auto&) {});
  Settle();
  client.reset();
  Settle();
  memory.held.at(0)();
  memory.At("c1").process.Finish(0);
  Settle();
  Connect();
  EXPECT_EQ(Ask("State", For<api::StateRequest>("c2")), "");
}

TEST_F(TaskServerTest, KillsTheFirstProcessOrAllOfThem) {
  CreateAndStart("c1");
  Exec("c1", "e1");
  api::KillRequest kill = For<api::KillRequest>("c1");
  kill.set_signal(SIGTERM);
  EXPECT_EQ(Ask("Kill", kill), "");
  EXPECT_EQ(memory.At("c1").execs.at("e1")->info().state, sandbox::State::kRunning);
  EXPECT_THAT(Ask("Kill", kill), HasSubstr("not_found: process already finished"));

  CreateAndStart("c2");
  Exec("c2", "e2");
  kill.set_id("c2");
  kill.set_all(true);
  EXPECT_EQ(Ask("Kill", kill), "");
  EXPECT_EQ(memory.At("c2").execs.at("e2")->info().exit.status, 128u + SIGTERM);
}

TEST_F(TaskServerTest, DoesNotCallAnExecFinishedThatWasNeverStarted) {
  CreateAndStart("c1");
  auto request = For<api::ExecProcessRequest>("c1", "e1");
  request.mutable_spec()->set_value(R"({"args": ["/a.wasm"], "cwd": "/"})");
  EXPECT_EQ(Ask("Exec", request), "");
  api::KillRequest kill = For<api::KillRequest>("c1", "e1");
  kill.set_signal(SIGKILL);
  EXPECT_THAT(Ask("Kill", kill), StartsWith("failed_precondition: process not created"));
  kill.set_signal(1000);
  EXPECT_THAT(Ask("Kill", kill), StartsWith("invalid_argument"));
}

TEST_F(TaskServerTest, TellsTheStateOfContainersAndExecs) {
  CreateAndStart("c1");
  Exec("c1", "e1");
  memory.At("c1").execs.at("e1")->Finish(9);
  const auto first = Call<api::StateResponse>("State", For<api::StateRequest>("c1"));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->id(), "c1");
  EXPECT_EQ(first->bundle(), "/bundles/c1");
  EXPECT_EQ(first->pid(), 1000u);
  EXPECT_EQ(first->status(), ::containerd::v1::types::RUNNING);
  EXPECT_FALSE(first->has_exited_at());
  const auto exec = Call<api::StateResponse>("State", For<api::StateRequest>("c1", "e1"));
  ASSERT_TRUE(exec.has_value());
  EXPECT_EQ(exec->id(), "e1");
  EXPECT_EQ(exec->status(), ::containerd::v1::types::STOPPED);
  EXPECT_EQ(exec->exit_status(), 9u);
  EXPECT_TRUE(exec->has_exited_at());
}

TEST_F(TaskServerTest, SaysWhichProcessIsWhichExecs) {
  CreateAndStart("c1");
  Exec("c1", "e1");
  const auto pids = Call<api::PidsResponse>("Pids", For<api::PidsRequest>("c1"));
  ASSERT_TRUE(pids.has_value());
  ASSERT_EQ(pids->processes_size(), 2);
  EXPECT_FALSE(pids->processes(0).has_info());
  const auto details =
      ttrpc::Unpack<::containerd::runc::v1::ProcessDetails>(pids->processes(1).info());
  ASSERT_TRUE(details.has_value());
  EXPECT_EQ(details->exec_id(), "e1");
}

// A containerd that is started again deletes tasks that have no process.
TEST_F(TaskServerTest, HasAProcessToNameUntilAContainerIsDeleted) {
  CreateAndStart("c1");
  const auto expect_first = [this] {
    const auto pids = Call<api::PidsResponse>("Pids", For<api::PidsRequest>("c1"));
    ASSERT_TRUE(pids.has_value());
    ASSERT_EQ(pids->processes_size(), 1);
    EXPECT_EQ(pids->processes(0).pid(), 1000u);
  };
  memory.At("c1").has_left = true;
  expect_first();
  memory.At("c1").process.Finish(0);
  Settle();
  expect_first();
}

TEST_F(TaskServerTest, TellsPausesThatHappened) {
  CreateAndStart("c1");
  events.texts.clear();
  EXPECT_EQ(Ask("Pause", For<api::PauseRequest>("c1")), "");
  EXPECT_THAT(Ask("Pause", For<api::PauseRequest>("c1")), StartsWith("failed_precondition"));
  EXPECT_EQ(Ask("Resume", For<api::ResumeRequest>("c1")), "");
  EXPECT_THAT(Ask("Resume", For<api::ResumeRequest>("c1")), StartsWith("failed_precondition"));
  EXPECT_THAT(events.texts, ElementsAre("/tasks/paused c1", "/tasks/resumed c1"));
}

TEST_F(TaskServerTest, TellsThatMemoryRanOut) {
  reporter.OnOutOfMemory("c1");
  EXPECT_THAT(events.texts, ElementsAre("/tasks/oom c1"));
}

TEST_F(TaskServerTest, ReadsOcisDocumentsForUpdateAndExec) {
  CreateAndStart("c1");
  api::UpdateTaskRequest update = For<api::UpdateTaskRequest>("c1");
  update.mutable_resources()->set_value(R"({"memory": {"limit": 4194304}})");
  EXPECT_EQ(Ask("Update", update), "");
  EXPECT_EQ(memory.At("c1").updated.memory->limit, 4194304);
  update.mutable_resources()->set_value(R"({"memory": {"limit": "much"}})");
  EXPECT_THAT(Ask("Update", update), AllOf(StartsWith("invalid_argument"), HasSubstr("limit")));

  auto exec = For<api::ExecProcessRequest>("c1", "e1");
  exec.set_terminal(true);
  exec.mutable_spec()->set_value(R"({"args": ["/a.wasm", "b"], "cwd": "/"})");
  EXPECT_EQ(Ask("Exec", exec), "");
  EXPECT_THAT(Ask("Exec", exec), StartsWith("already_exists"));
  EXPECT_THAT(memory.At("c1").exec_specs.at(0).args, ElementsAre("/a.wasm", "b"));
  EXPECT_TRUE(memory.At("c1").exec_specs.at(0).terminal);
  exec.set_exec_id("e2");
  exec.mutable_spec()->set_value("\x80 nothing of JSON");
  EXPECT_THAT(Ask("Exec", exec), AllOf(StartsWith("invalid_argument"), HasSubstr("\"e2\"")));
}

TEST_F(TaskServerTest, SizesTerminalsAndClosesInputs) {
  api::CreateTaskRequest request = For<api::CreateTaskRequest>("c1");
  request.set_terminal(true);
  EXPECT_EQ(Ask("Create", request), "");
  api::ResizePtyRequest resize = For<api::ResizePtyRequest>("c1");
  resize.set_width(132);
  resize.set_height(50);
  EXPECT_EQ(Ask("ResizePty", resize), "");
  EXPECT_EQ(memory.At("c1").process.columns, 132);
  EXPECT_EQ(memory.At("c1").process.rows, 50);
  resize.set_width(1 << 16);
  EXPECT_THAT(Ask("ResizePty", resize), StartsWith("invalid_argument"));
  api::CloseIORequest close = For<api::CloseIORequest>("c1");
  EXPECT_EQ(Ask("CloseIO", close), "");
  EXPECT_FALSE(memory.At("c1").process.input_closed);
  close.set_stdin(true);
  EXPECT_EQ(Ask("CloseIO", close), "");
  EXPECT_TRUE(memory.At("c1").process.input_closed);
}

TEST_F(TaskServerTest, ConnectsWhetherOrNotThereIsATask) {
  CreateAndStart("c1");
  const auto with = Call<api::ConnectResponse>("Connect", For<api::ConnectRequest>("c1"));
  ASSERT_TRUE(with.has_value());
  EXPECT_EQ(with->shim_pid(), static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(with->task_pid(), 1000u);
  const auto without = Call<api::ConnectResponse>("Connect", For<api::ConnectRequest>("c2"));
  ASSERT_TRUE(without.has_value());
  EXPECT_EQ(without->task_pid(), 0u);
}

TEST_F(TaskServerTest, EndsOnlyWhenNothingIsLeft) {
  CreateAndStart("c1");
  EXPECT_EQ(Ask("Shutdown", For<api::ShutdownRequest>("c1")), "");
  EXPECT_EQ(shut_downs, 0);
  memory.At("c1").process.Finish(0);
  Settle();
  EXPECT_EQ(Ask("Delete", For<api::DeleteRequest>("c1")), "");
  memory.hold_creations = true;
  client->Call<api::CreateTaskResponse>("containerd.task.v2.Task", "Create",
                                        For<api::CreateTaskRequest>("c2"), {}, [](const auto&) {});
  Settle();
  EXPECT_EQ(Ask("Shutdown", For<api::ShutdownRequest>("c1")), "");
  EXPECT_EQ(shut_downs, 0);
  memory.held.at(0)();
  Settle();
  EXPECT_EQ(Ask("Delete", For<api::DeleteRequest>("c2")), "");
  EXPECT_EQ(Ask("Shutdown", For<api::ShutdownRequest>("c1")), "");
  EXPECT_EQ(shut_downs, 1);
}

TEST_F(TaskServerTest, AnswersStatisticsAsMetrics) {
  CreateAndStart("c1");
  memory.At("c1").stats.pids = cgroup::PidsStats{.current = 5, .limit = 10};
  const auto stats = Call<api::StatsResponse>("Stats", For<api::StatsRequest>("c1"));
  ASSERT_TRUE(stats.has_value());
  EXPECT_THAT(stats->stats().type_url(), StartsWith("io.containerd.cgroups.v"));
}

}  // namespace
}  // namespace wasmoor::task
