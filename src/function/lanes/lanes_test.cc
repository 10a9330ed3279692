#include "wasmoor/function/lanes/lanes.h"

#include <gmock/gmock.h>
#include <time.h>

#include <future>
#include <semaphore>
#include <thread>

namespace wasmoor::function {
namespace {

using namespace std::chrono_literals;

// A job that says where it has come to, and stays aside as long as it is told to.
class TestJob : public Job {
 public:
  explicit TestJob(bool steps_aside) : steps_aside_(steps_aside) {}

  void Run(Lane& lane) override {
    led_first_ = lane.leads();
    if (steps_aside_) lane.StepAside(250);
    led_then_ = lane.leads();
    began_.release();
    if (steps_aside_) may_end_.acquire();
  }
  void Finish() override { finished_.release(); }
  void NotRun(Error error) override {
    error_ = std::move(error);
    finished_.release();
  }

  bool HasBegun() { return began_.try_acquire_for(30s); }
  void Release() { may_end_.release(); }
  bool HasFinished() { return finished_.try_acquire_for(30s); }
  bool HasNotBegun() { return !began_.try_acquire_for(100ms); }

  bool led_first_ = false, led_then_ = false;
  std::optional<Error> error_;

 private:
  const bool steps_aside_;
  std::counting_semaphore<> began_{0}, may_end_{0}, finished_{0};
};

class LanesTest : public testing::Test {
 protected:
  void Start(uint32_t most = 64) {
    keeper_ = *loop::Loop::Create();
    lanes_ = *Lanes::Create({.stations = 1, .most = most, .spare = 2, .keeper = *keeper_});
    staying_ = keeper_->After(1h, [] {});
    ASSERT_TRUE(lanes_->Start());
    keeping_ = std::thread([this] { keeper_->Run(); });
  }
  void TearDown() override {
    if (lanes_ == nullptr) return;
    lanes_->Stop();
    // Its thread may not have come to run it yet.
    keeper_->Post([this] { keeper_->Stop(); });
    keeping_.join();
    lanes_.reset();
  }

  Station& station() { return *lanes_->stations().front(); }
  void Begin(Job& job) {
    station().loop().Post([this, &job] { station().Begin(job); });
  }
  // What the loop has done before has been done when this returns.
  void WaitForLoop() {
    std::promise<void> done;
    station().loop().Post([&] { done.set_value(); });
    ASSERT_EQ(done.get_future().wait_for(30s), std::future_status::ready);
  }

  std::unique_ptr<loop::Loop> keeper_;
  std::unique_ptr<Lanes> lanes_;
  loop::Timer staying_;
  std::thread keeping_;
};

TEST_F(LanesTest, RunAJobOnTheThreadThatLeads) {
  Start();
  TestJob job(/*steps_aside=*/false);
  Begin(job);
  ASSERT_TRUE(job.HasFinished());
  EXPECT_TRUE(job.led_then_);
}

TEST_F(LanesTest, ServeTheLoopWhileJobsStayAside) {
  Start();
  std::vector<std::unique_ptr<TestJob>> aside;
  for (int i = 0; i < 20; ++i) {
    aside.push_back(std::make_unique<TestJob>(/*steps_aside=*/true));
    Begin(*aside.back());
    ASSERT_TRUE(aside.back()->HasBegun());
    EXPECT_FALSE(aside.back()->led_then_);
    TestJob other(/*steps_aside=*/false);
    Begin(other);
    ASSERT_TRUE(other.HasFinished());
  }
  EXPECT_EQ(lanes_->counts().aside, 20U);
  for (const auto& job : aside) job->Release();
  for (const auto& job : aside) EXPECT_TRUE(job->HasFinished());
}

TEST_F(LanesTest, HoldJobsBackWhereThereIsNobodyToLeadMeanwhile) {
  Start(/*most=*/2);
  std::vector<std::unique_ptr<TestJob>> aside;
  for (int i = 0; i < 4; ++i) {
    aside.push_back(std::make_unique<TestJob>(/*steps_aside=*/true));
    Begin(*aside.back());
  }
  size_t begun = 0;
  while (begun < aside.size() && !aside[begun]->HasNotBegun()) ++begun;
  EXPECT_LT(begun, aside.size());
  WaitForLoop();
  for (const auto& job : aside) job->Release();
  for (const auto& job : aside) EXPECT_TRUE(job->HasFinished());
}

TEST_F(LanesTest, GiveAJobBackThatHasNotBegun) {
  Start();
  TestJob job(/*steps_aside=*/false);
  std::promise<bool> first, second;
  station().loop().Post([&] {
    station().Begin(job);
    first.set_value(station().Withdraw(job));
    second.set_value(station().Withdraw(job));
  });
  EXPECT_TRUE(first.get_future().get());
  EXPECT_FALSE(second.get_future().get());
  WaitForLoop();
  EXPECT_TRUE(job.HasNotBegun());
}

TEST_F(LanesTest, RunAJobApartOnAThreadOfItsOwn) {
  Start();
  TestJob job(/*steps_aside=*/false);
  std::thread::id entered;
  lanes_->BeginApart(station(), job, [&]() -> Status {
    entered = std::this_thread::get_id();
    return {};
  });
  ASSERT_TRUE(job.HasFinished());
  EXPECT_FALSE(job.led_first_);
  EXPECT_NE(entered, std::thread::id());
}

TEST_F(LanesTest, SayWhyAJobCouldNotBeRunApart) {
  Start();
  TestJob job(/*steps_aside=*/false);
  lanes_->BeginApart(station(), job,
                     []() -> Status { return Fail(Code::kPermissionDenied, "no jail"); });
  ASSERT_TRUE(job.HasFinished());
  ASSERT_TRUE(job.error_);
  EXPECT_EQ(job.error_->code(), Code::kPermissionDenied);
}

TEST_F(LanesTest, DoNotStartWithoutTheirJail) {
  keeper_ = *loop::Loop::Create();
  auto lanes =
      *Lanes::Create({.enter = []() -> Status { return Fail(Code::kUnavailable, "no jail"); },
                      .keeper = *keeper_});
  const Status started = lanes->Start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message(), "no jail");
  lanes->Stop();
}

// Its own clock sees to its limit where there are no control groups.
TEST_F(LanesTest, HoldAJobToItsLimitByItsClock) {
  Start();
  class Spinning : public TestJob {
   public:
    Spinning() : TestJob(false) {}
    void Run(Lane& lane) override {
      lane.StepAside(200);
      const auto end = std::chrono::steady_clock::now() + 1s;
      while (std::chrono::steady_clock::now() < end) lane.Pace();
      struct timespec time = {};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
      used_ = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    }
    std::chrono::nanoseconds used_{0};
  } job;
  Begin(job);
  ASSERT_TRUE(job.HasFinished());
  EXPECT_LT(job.used_, 300ms);
}

}  // namespace
}  // namespace wasmoor::function
