#include <sys/stat.h>

#include <csignal>

#include "node/node_for_test.h"

namespace wasmoor::node {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

size_t OpenDescriptors() { return test::FilesIn("/proc/self/fd").size(); }

TEST_F(NodeTest, ServesTasksOnASocketOfThisUserAlone) {
  const std::string path = Must(sandboxes->Create(PlaceOf("ns", "pod")));
  EXPECT_LE(path.size(), 106U);
  struct stat socket, directory;
  ASSERT_EQ(::stat(path.c_str(), &socket), 0);
  ASSERT_EQ(::stat((scratch / "s").c_str(), &directory), 0);
  EXPECT_EQ(socket.st_mode & 0777U, 0600U);
  EXPECT_EQ(directory.st_mode & 0777U, 0700U);
  const auto client = Connect(path);
  Run(*client, "c1");
  const auto state =
      Must(Ask(*client, "State", For<task_api::StateRequest>("c1"), "containerd.task.v3.Task"));
  EXPECT_EQ(state.id(), "c1");
}

TEST_F(NodeTest, AnswersTheSecondContainerOfAPodWithTheSameSocket) {
  const std::string path = Must(sandboxes->Create(PlaceOf("ns", "pod")));
  EXPECT_EQ(Must(sandboxes->Create(PlaceOf("ns", "pod"))), path);
  EXPECT_EQ(sandboxes->size(), 1U);
}

TEST_F(NodeTest, HoldsTwoNamespacesWithTheSameIdsApart) {
  const auto one = Connect(Must(sandboxes->Create(PlaceOf("one", "pod"))));
  const auto other = Connect(Must(sandboxes->Create(PlaceOf("other", "pod"))));
  Run(*one, "c");
  EXPECT_EQ(Ask(*other, "State", For<task_api::StateRequest>("c")).error().code(), Code::kNotFound);
  Run(*other, "c");
  EXPECT_EQ(Must(Delete("one", "c")).exit.status, 128U + SIGKILL);
  EXPECT_TRUE(Ask(*other, "State", For<task_api::StateRequest>("c")).has_value());
}

TEST_F(NodeTest, RefusesTheSandboxOfAnotherContainerd) {
  Must(sandboxes->Create(PlaceOf("ns", "pod")));
  Place other = PlaceOf("ns", "pod");
  other.containerd_address = "/other.sock";
  const auto refused = sandboxes->Create(other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kAlreadyExists);
  EXPECT_THAT(refused.error().message(), HasSubstr("/containerd.sock"));
}

TEST_F(NodeTest, LeavesNothingOfAFailedCreateAndTakesTheIdAgain) {
  make_fails = true;
  const auto failed = sandboxes->Create(PlaceOf("ns", "pod"));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), AllOf(HasSubstr("no room"), HasSubstr("'pod'")));
  EXPECT_THAT(test::FilesIn(scratch / "s"), IsEmpty());
  EXPECT_FALSE(Exists(scratch / "state/ns"));
  EXPECT_EQ(sandboxes->size(), 0U);
  make_fails = false;
  EXPECT_TRUE(sandboxes->Create(PlaceOf("ns", "pod")).has_value());
}

TEST_F(NodeTest, RefusesADirectoryThatIsNotThere) {
  Place place = PlaceOf("ns", "pod");
  for (const auto& [bundle, code] : {std::pair(scratch / "none", Code::kNotFound),
                                     {"relative", Code::kInvalidArgument},
                                     {"", Code::kInvalidArgument},
                                     {"/dev/null", Code::kInvalidArgument}}) {
    place.bundle = bundle;
    const auto refused = sandboxes->Create(place);
    ASSERT_FALSE(refused) << bundle;
    EXPECT_EQ(refused.error().code(), code) << refused.error().message();
  }
  EXPECT_EQ(sandboxes->size(), 0U);
}

TEST_F(NodeTest, RefusesNamesThatWouldLeadElsewhere) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"),
        std::string("a\0b", 3), std::string(256, 'x')}) {
    EXPECT_EQ(sandboxes->Create(PlaceOf("ns", name)).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(sandboxes->Create(PlaceOf(name, "id")).error().code(), Code::kInvalidArgument);
  }
  EXPECT_THAT(test::FilesIn(scratch / "s"), IsEmpty());
}

TEST_F(NodeTest, RefusesASocketWhosePathWouldBeTooLong) {
  const std::string directory = scratch / std::string(90, 'd');
  const auto far =
      Must(Sandboxes::Open({.loop = *loop,
                            .socket_directory = directory,
                            .state_directory = scratch / "state2",
                            .make_parts = [this](const Place& place, sandbox::Listener& listener) {
                              return Make(place, listener);
                            }}));
  const auto refused = far->Create(PlaceOf("ns", "pod"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.error().message(), HasSubstr("106"));
}

TEST_F(NodeTest, RefusesASecondProcessOnTheSameDirectory) {
  const auto second = Sandboxes::Open({.loop = *loop,
                                       .socket_directory = scratch / "s2",
                                       .state_directory = scratch / "state",
                                       .make_parts = {}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(second.error().message(), HasSubstr("another daemon"));
}

TEST_F(NodeTest, GoesWhenContainerdShutsItDownWithNothingLeft) {
  const std::string path = Must(sandboxes->Create(PlaceOf("ns", "pod")));
  const auto client = Connect(path);
  Run(*client, "c");
  EXPECT_TRUE(IsRecorded("ns/pod"));
  Must(Ask<google::protobuf::Empty>(*client, "Shutdown", For<task_api::ShutdownRequest>("c")));
  EXPECT_EQ(sandboxes->size(), 1U);  // Something is in it.
  Must(Delete("ns", "c"));
  Must(Ask<google::protobuf::Empty>(*client, "Shutdown", For<task_api::ShutdownRequest>("c")));
  EXPECT_EQ(sandboxes->size(), 0U);
  EXPECT_FALSE(Exists(path));
  EXPECT_FALSE(Exists(scratch / "state/ns"));
  // Who asks for it again gets a new one, at the same path.
  EXPECT_EQ(Must(sandboxes->Create(PlaceOf("ns", "pod"))), path);
  EXPECT_TRUE(Until([&] { return !client->connected(); }));
}

TEST_F(NodeTest, GoesWhenContainerdHasForgottenIt) {
  const std::string path = Must(sandboxes->Create(PlaceOf("ns", "never-asked")));
  auto idle = Connect(Must(sandboxes->Create(PlaceOf("ns", "connected"))));
  const auto used = Connect(Must(sandboxes->Create(PlaceOf("ns", "used"))));
  Run(*used, "c");
  EXPECT_TRUE(Until([&] { return sandboxes->size() == 1; }));
  EXPECT_FALSE(Exists(path));
  for (int looks = 0; looks < 20; ++looks) loop->RunOnce(std::chrono::milliseconds(10));
  EXPECT_TRUE(Ask(*used, "State", For<task_api::StateRequest>("c")).has_value());
}

TEST_F(NodeTest, DeleteTellsHowAContainerHadEnded) {
  const auto client = Connect(Must(sandboxes->Create(PlaceOf("ns", "pod"))));
  Run(*client, "c");
  memories[{"ns", "pod"}]->At("c").process.Finish(7);
  const Ended ended = Must(Delete("ns", "c"));
  EXPECT_EQ(ended.exit.status, 7U);
  EXPECT_GT(ended.pid, 0);
  EXPECT_EQ(Delete("ns", "c").error().code(), Code::kNotFound);
}

TEST_F(NodeTest, DeleteKillsOneContainerOfASandboxAndNoOther) {
  const auto client = Connect(Must(sandboxes->Create(PlaceOf("ns", "pod"))));
  for (const char* id : {"pod", "c1", "c2"}) Run(*client, id);
  Must(Delete("ns", "c1", "pod"));
  Must(Delete("ns", "pod"));  // The one that the group is named after.
  EXPECT_THAT(memories.at({"ns", "pod"})->Ids(), ElementsAre("c2"));
}

TEST_F(NodeTest, DeleteWaitsForAContainerThatIsBeingMade) {
  const auto client = Connect(Must(sandboxes->Create(PlaceOf("ns", "pod"))));
  CreateTask(*client, "first");
  auto& memory = *memories.at({"ns", "pod"});
  memory.hold_creations = true;
  bool created = false;
  client->Call("containerd.task.v2.Task", "Create", For<task_api::CreateTaskRequest>("c"), {},
               [&](const Result<std::string>& got) { created = got.has_value(); });
  ASSERT_TRUE(Until([&] { return memory.held.size() == 1; }));
  // A MemorySandbox does not name what it is still making; as soon as it is there it goes.
  memory.held.front()();
  EXPECT_TRUE(Until([&] { return created; }));
  Must(Delete("ns", "c"));
  EXPECT_THAT(memory.Ids(), ElementsAre("first"));
}

TEST_F(NodeTest, DeleteOfTheLastContainerEndsASandboxThatNobodyIsConnectedTo) {
  auto client = Connect(Must(sandboxes->Create(PlaceOf("ns", "pod"))));
  Run(*client, "c");
  client.reset();
  ASSERT_TRUE(Until([&] { return sandboxes->List().front().connections == 0; }));
  Must(Delete("ns", "c"));
  EXPECT_EQ(sandboxes->size(), 0U);
}

TEST_F(NodeTest, RemoveKillsWhatIsLeft) {
  const auto client = Connect(Must(sandboxes->Create(PlaceOf("ns", "pod"))));
  Run(*client, "c1");
  CreateTask(*client, "c2");
  Must(Wait<void>([&](sandbox::Done<void> done) {
    sandboxes->Remove({.name_space = "ns", .id = "pod"}, std::move(done));
  }));
  EXPECT_EQ(sandboxes->size(), 0U);
  EXPECT_EQ(Wait<void>([&](sandbox::Done<void> done) {
              sandboxes->Remove({.name_space = "ns", .id = "pod"}, std::move(done));
            })
                .error()
                .code(),
            Code::kNotFound);
}

TEST_F(NodeTest, KeepsThePodOfSomebodyWhoRemovesIt) {
  Place place = PlaceOf("ns", "pod");
  place.life = Place::Life::kPod;
  place.bundle.clear();
  const auto client = Connect(Must(sandboxes->Create(place)));
  Must(Ask<google::protobuf::Empty>(*client, "Shutdown", For<task_api::ShutdownRequest>("c")));
  for (int looks = 0; looks < 20; ++looks) loop->RunOnce(std::chrono::milliseconds(10));
  EXPECT_EQ(sandboxes->size(), 1U);
  EXPECT_EQ(Delete("ns", "pod").error().code(), Code::kNotFound);
  EXPECT_EQ(sandboxes->size(), 1U);
}

TEST_F(NodeTest, TellsEventsOfAllSandboxesOfANamespaceOverOneConnection) {
  const EventSink sink(*loop, scratch / "events");
  const auto one = Connect(Must(sandboxes->Create(PlaceOf("ns", "pod1"))));
  const auto two = Connect(Must(sandboxes->Create(PlaceOf("ns", "pod2"))));
  Run(*one, "c1");
  Run(*two, "c2");
  ASSERT_TRUE(Until([&] { return sink.texts.size() == 4; }));
  EXPECT_THAT(sink.texts, UnorderedElementsAre("ns /tasks/create", "ns /tasks/start",
                                               "ns /tasks/create", "ns /tasks/start"));
  EXPECT_EQ(sink.connections(), 1U);
}

TEST_F(NodeTest, StopKillsEverythingTellsContainerdAndMakesNoMore) {
  EventSink sink(*loop, scratch / "events");
  std::vector<std::unique_ptr<ttrpc::Client>> clients;
  for (const char* id : {"pod1", "pod2"}) {
    clients.push_back(Connect(Must(sandboxes->Create(PlaceOf("ns", id)))));
    Run(*clients.back(), id);
  }
  ASSERT_TRUE(Until([&] { return sink.texts.size() == 4; }));
  sink.texts.clear();
  Must(Wait<void>([&](sandbox::Done<void> done) { sandboxes->Stop(std::move(done)); }));
  EXPECT_THAT(sink.texts, ElementsAre("ns /tasks/exit", "ns /tasks/exit"));
  EXPECT_EQ(sandboxes->Create(PlaceOf("ns", "pod3")).error().code(), Code::kUnavailable);
  EXPECT_THAT(test::FilesIn(scratch / "s"), IsEmpty());
  EXPECT_FALSE(Exists(scratch / "state/ns"));
}

TEST_F(NodeTest, StopWithNothingToStopIsAnswered) {
  Must(Wait<void>([&](sandbox::Done<void> done) { sandboxes->Stop(std::move(done)); }));
}

TEST_F(NodeTest, HoldsAThousandSandboxesWithADescriptorEachAndOneForAClient) {
  constexpr size_t kMany = 1000, kConnected = 100;
  constexpr size_t kOthers = 8;  // Of the loop, and of who tells containerd, at some times.
  const size_t before = OpenDescriptors();
  std::vector<std::unique_ptr<ttrpc::Client>> clients;
  for (size_t number = 0; number < kMany; ++number) {
    const std::string path = Must(sandboxes->Create(PlaceOf("ns", std::to_string(number))));
    if (number >= kConnected) continue;
    clients.push_back(Connect(path));
    Run(*clients.back(), "c");
  }
  EXPECT_LE(OpenDescriptors(), before + kMany + 2 * kConnected + kOthers);
  EXPECT_TRUE(Until([&] { return sandboxes->size() == kConnected; }));  // The others are forgotten.
  for (const auto& client : clients) EXPECT_TRUE(client->connected());
  EXPECT_TRUE(Until([&] { return OpenDescriptors() <= before + 3 * kConnected + kOthers; }));
}

TEST_F(NodeTest, ForgetsWhatAKilledProcessHasLeft) {
  // The next process finds a socket that nobody serves, and its record.
  sandboxes.reset();
  Records records = Must(Records::Open(scratch / "state"));
  Record left{.place = PlaceOf("ns", "pod"), .socket = "/not/ours"};
  Must(records.Write(left));
  Open();
  std::vector<std::string> seen;
  const auto again = [&](const Sandboxes::View&) -> Status {
    ADD_FAILURE() << "it is no pod of the sandbox controller";
    return {};
  };
  Must(sandboxes->TakeRest(
      again, [&](const Record& one, const Error&) { seen.push_back(one.place.key.id); }));
  EXPECT_THAT(seen, ElementsAre("pod"));
  EXPECT_FALSE(Exists(scratch / "state/ns"));
  const std::string path = Must(sandboxes->Create(PlaceOf("ns", "pod")));
  Connect(path);
}

TEST_F(NodeTest, RemovesWhatAKilledProcessHasHalfMade) {
  sandboxes.reset();
  std::filesystem::create_directories(scratch / "state/ns/half");
  test::WriteFile(scratch / "state/ns/half/sandbox.json.new", "{");
  const os::Fd stale = Must(os::ListenUnix(scratch / "s/of-no-sandbox"));
  Open();
  const auto never = [](const auto&...) -> Status {
    ADD_FAILURE();
    return {};
  };
  Must(sandboxes->TakeRest(never, never));
  EXPECT_FALSE(Exists(scratch / "state/ns"));
  EXPECT_FALSE(Exists(scratch / "s/of-no-sandbox"));
}

TEST_F(NodeTest, ServesPodsAgainThatAKilledProcessHasLeftIfTheyAreStillThere) {
  sandboxes.reset();
  Records records = Must(Records::Open(scratch / "state"));
  for (const char* id : {"lives", "died"}) {
    Record left{.place = PlaceOf("ns", id), .socket = "/not/ours"};
    left.place.life = Place::Life::kPod;
    Must(records.Write(left));
  }
  Open();
  std::vector<std::string> gone;
  const auto again = [&](const Sandboxes::View& view) -> Status {
    if (view.place.key.id == "lives") return {};
    return Fail(Code::kNotFound, "what held it has ended");
  };
  Must(sandboxes->TakeRest(again, [&](const Record& one, const Error& why) {
    gone.push_back(one.place.key.id + ": " + why.message());
  }));
  EXPECT_THAT(gone, ElementsAre("died: what held it has ended"));
  EXPECT_FALSE(sandboxes->Find({"ns", "died"}));
  EXPECT_FALSE(Exists(scratch / "state/ns/died"));
  Connect(Must(sandboxes->Find({"ns", "lives"})).socket);
}

TEST_F(NodeTest, TakesASocketThatNobodyServes) {
  const std::string path = Must(sandboxes->Create(PlaceOf("ns", "pod")));
  sandboxes.reset();
  EXPECT_FALSE(Exists(path));
  const os::Fd stale = Must(os::ListenUnix(path));
  Open();
  EXPECT_EQ(Must(sandboxes->Create(PlaceOf("ns", "pod"))), path);
  const auto client = Connect(path);
  Run(*client, "c");
}

}  // namespace
}  // namespace wasmoor::node
