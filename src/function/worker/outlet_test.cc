#include "function/worker/outlet.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <functional>

#include "function/worker/messages.h"
#include "function/worker/wire.h"
#include "support/result.h"

// What a loop makes of a worker that has gone bad: it is played by the test, at the other end of
// the connection.
namespace wasmoor::function {
namespace {

using std::chrono::milliseconds;

// Whom nobody runs here.
class NoModule : public wasm::Module {
 public:
  wasm::ModuleKind kind() const override { return wasm::ModuleKind::kCore; }
  std::vector<wasm::Extern> Imports() const override { return {}; }
  std::vector<wasm::Extern> Exports() const override { return {}; }
  Result<std::unique_ptr<wasm::Instance>> NewInstance(wasm::InstanceOptions) const override {
    return Fail(Code::kUnimplemented, "none");
  }
};

class Client : public Run::Listener {
 public:
  void OnAside() override { ++aside; }
  void OnOutput() override {}
  void OnWanted() override { ++wanted; }
  void OnError(std::string_view) override {}
  void OnWait() override {}
  void Ended() override { ++ended; }
  int aside = 0, wanted = 0, ended = 0;
};

class Source : public Outlet::Source {
 public:
  void Want(size_t, std::shared_ptr<const Ready> function) override { wanted.push_back(function); }
  void OnClosed(WorkerNumber worker) override { closed.push_back(worker); }
  void OnLost(WorkerNumber, const std::string& why, size_t runs) override {
    lost.push_back(why);
    lost_runs += runs;
  }
  std::vector<std::shared_ptr<const Ready>> wanted;
  std::vector<WorkerNumber> closed;
  std::vector<std::string> lost;
  size_t lost_runs = 0;
};

// The worker's end.
class Ear : public Channel::Listener {
 public:
  Status OnFrame(Frame& frame) override {
    heard.emplace_back(frame.say, frame.number);
    return {};
  }
  void OnClosed(const Error&) override { closed = true; }
  std::vector<std::pair<Say, uint64_t>> heard;
  bool closed = false;
};

class OutletTest : public testing::Test {
 protected:
  void SetUp() override {
    keeper_ = test::Must(loop::Loop::Create());
    lanes_ = test::Must(Lanes::Create({.stations = 1, .keeper = *keeper_}));
    outlet_ = std::make_unique<Outlet>(0, station(), source_);
    auto ready = std::make_shared<Ready>();
    ready->function = "acme/hello";
    ready->granted = std::make_shared<Granted>();
    ready->manifest = std::make_shared<Manifest>();
    ready_ = ready;
  }

  Station& station() { return *lanes_->stations().front(); }
  loop::Loop& loop() { return station().loop(); }

  std::shared_ptr<RemoteRun> Begin(Client& client) {
    CommandPlan plan{.module = module_, .host = host_};
    plan.allowance.memory_bytes = 1 << 20;
    auto run = std::make_shared<RemoteRun>(ready_, std::move(plan), *outlet_, station(), client);
    run->Begin();
    return run;
  }

  void Give(WorkerNumber number = 1) {
    std::array<int, 2> ends = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    Given given{.worker = number, .pid = 4711, .function = 7, .use = use_};
    given.connection = std::make_shared<os::Fd>(ends[0]);
    worker_ = test::Must(Channel::Create(loop(), os::Fd(ends[1]), kMostFromServer,
                                         Channel::Descriptors::kRefused, ear_));
    outlet_->OnGiven(ready_, given);
  }

  template <typename Holds>
  void Until(Holds holds) {
    for (int i = 0; i < 1000 && !holds(); ++i) loop().RunOnce(milliseconds(10));
    ASSERT_TRUE(holds());
  }

  static std::string EndOf(const RunResult& result, std::string_view rest,
                           BodyOut::State state = BodyOut::State::kOpen) {
    std::string end;
    AppendRest(rest, state, &end);
    Write(result, &end);
    return end;
  }

  // One run has begun, the worker says this, and is one no more.
  void ExpectEnd(Say say, std::string_view payload, std::string_view problem) {
    Client client;
    const auto run = Begin(client);
    Give();
    Until([&] { return !ear_.heard.empty(); });
    worker_->Send(say, 1, payload);
    Until([&] { return client.ended == 1; });
    ASSERT_FALSE(run->result().exit);
    EXPECT_NE(run->result().exit.error().message().find(problem), std::string::npos)
        << run->result().exit.error().message();
    EXPECT_EQ(source_.lost_runs, 1u);
    EXPECT_EQ(use_->runs, 0u);
    Until([&] { return ear_.closed; });
  }

  std::unique_ptr<loop::Loop> keeper_;
  std::unique_ptr<Lanes> lanes_;
  Source source_;
  std::unique_ptr<Outlet> outlet_;
  std::shared_ptr<const Ready> ready_;
  NoModule module_;
  program::Host host_;
  std::shared_ptr<WorkerUse> use_ = std::make_shared<WorkerUse>();
  Ear ear_;
  std::unique_ptr<Channel> worker_;
};

TEST_F(OutletTest, AsksForAWorkerOnceAndHandsOutWhatWaited) {
  Client client;
  std::vector<std::shared_ptr<RemoteRun>> runs;
  for (int i = 0; i < 3; ++i) runs.push_back(Begin(client));
  EXPECT_EQ(source_.wanted.size(), 1u);
  Give();
  Until([&] { return ear_.heard.size() == 3; });
  EXPECT_EQ(ear_.heard[0].first, Say::kProgram);
  EXPECT_EQ(use_->runs, 3u);
  RunResult result;
  result.cpu_time = std::chrono::hours(10);
  result.usage.memory_bytes = uint64_t{1} << 50;
  for (uint64_t number = 1; number <= 3; ++number) {
    const auto state = number == 2 ? BodyOut::State::kBroken : BodyOut::State::kOpen;
    worker_->Send(Say::kEnd, number, EndOf(result, "text", state));
  }
  Until([&] { return client.ended == 3; });
  EXPECT_EQ(runs[0]->output().Take(), "text");
  EXPECT_NE(runs[0]->output().state(), BodyOut::State::kBroken);
  EXPECT_EQ(runs[1]->output().Take(), "text");
  EXPECT_EQ(runs[1]->output().state(), BodyOut::State::kBroken);
  // Nobody takes more than there was.
  EXPECT_LT(runs[0]->result().cpu_time, std::chrono::minutes(10));
  EXPECT_EQ(runs[0]->result().usage.memory_bytes, uint64_t{1} << 20);
  EXPECT_EQ(use_->runs, 0u);
}

TEST_F(OutletTest, TakesBackWhatHasNoWorkerYet) {
  Client client;
  const auto run = Begin(client);
  EXPECT_TRUE(run->TakeBack());
  EXPECT_FALSE(run->TakeBack());
  Give();
  loop().RunOnce(milliseconds(10));
  EXPECT_TRUE(ear_.heard.empty());
}

TEST_F(OutletTest, EndsWhatRanInAWorkerThatIsGone) {
  Client client;
  const auto run = Begin(client);
  Give();
  Until([&] { return !ear_.heard.empty(); });
  worker_->Close();
  Until([&] { return client.ended == 1; });
  EXPECT_EQ(run->result().exit.error().message(), "the process that it ran in (4711) has ended");
}

TEST_F(OutletTest, EndsAWorkerThatTalksOfNoRun) {
  Client client;
  const auto run = Begin(client);
  Give();
  Until([&] { return !ear_.heard.empty(); });
  worker_->Send(Say::kAside, 99);
  Until([&] { return client.ended == 1; });
  EXPECT_EQ(source_.lost.size(), 1u);
}

TEST_F(OutletTest, EndsAWorkerThatEndsARunWithNonsense) {
  ExpectEnd(Say::kEnd, "nonsense", "talks nonsense");
}

TEST_F(OutletTest, EndsAWorkerWhoseEndIsCutOff) {
  const std::string end = EndOf(RunResult(), "text");
  ExpectEnd(Say::kEnd, std::string_view(end).substr(0, end.size() - 3), "talks nonsense");
}

TEST_F(OutletTest, EndsAWorkerThatAnswersForAProgram) {
  std::string head;
  Write(ReplyHead{.status = 200}, &head);
  ExpectEnd(Say::kHead, head, "a head that nobody expects");
}

TEST_F(OutletTest, EndsAWorkerThatSaysWhatIsTheServersToSay) {
  ExpectEnd(Say::kProgram, "", "what is not its to say");
}

TEST_F(OutletTest, EndsAWorkerThatReturnsMoreThanAGuestCouldHave) {
  ExpectEnd(Say::kResult, std::string((1 << 20) + 1, 'x'), "more than a guest could return");
}

TEST_F(OutletTest, EndsAWorkerThatWritesBeforeItMay) {
  Client client;
  const auto run = Begin(client);
  Give();
  Until([&] { return !ear_.heard.empty(); });
  const std::string part(BodyOut::kMostAhead, 'x');
  worker_->Send(Say::kOutput, 1, part);
  worker_->Send(Say::kOutput, 1, part);
  Until([&] { return client.ended == 1; });
  EXPECT_FALSE(run->result().exit);
}

TEST_F(OutletTest, ClosesItsConnectionToAWorkerThatIsToGoWhenNothingRunsThere) {
  Client client;
  const auto run = Begin(client);
  Give();
  Until([&] { return !ear_.heard.empty(); });
  outlet_->Retire(1);
  loop().RunOnce(milliseconds(10));
  EXPECT_TRUE(source_.closed.empty());
  const auto next = Begin(client);
  EXPECT_EQ(source_.wanted.size(), 2u);
  worker_->Send(Say::kEnd, 1, EndOf(RunResult(), ""));
  Until([&] { return !source_.closed.empty(); });
  EXPECT_EQ(client.ended, 1);
}

TEST_F(OutletTest, HoldsBackWhatWouldOnlyWaitInTheWorker) {
  Client client;
  Give();
  std::vector<std::shared_ptr<RemoteRun>> runs;
  int turns = 0;
  while (outlet_->HasTurn(ready_, [&] { ++turns; })) runs.push_back(Begin(client));
  EXPECT_GT(runs.size(), 1u);
  EXPECT_LT(runs.size(), 100u);
  // One that has a thread of its own is out of the others' way.
  Until([&] { return ear_.heard.size() == runs.size(); });
  worker_->Send(Say::kAside, 1);
  Until([&] { return turns == 1; });
  EXPECT_EQ(client.aside, 1);
}

TEST_F(OutletTest, AsksOneByOneWhileThereIsAQueue) {
  Client client;
  Give();
  const auto run = Begin(client);
  outlet_->OnQueued(ready_);
  int turns = 0;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(outlet_->HasTurn(ready_, [&] {
      ++turns;
      outlet_->OnQueued(ready_);
    }));
  }
  Until([&] { return !ear_.heard.empty(); });
  worker_->Send(Say::kEnd, 1, EndOf(RunResult(), ""));
  Until([&] { return turns > 0; });
  EXPECT_EQ(turns, 1);
  // The rest does not wait for what may never come.
  Until([&] { return turns == 5; });
}

}  // namespace
}  // namespace wasmoor::function
