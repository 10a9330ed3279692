// Who waits: the bounds of the queue, and whose it is where it is full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <limits>

#include "function/admission/admission_for_test.h"
#include "wasmoor/function/admission/admission.h"

namespace wasmoor::function {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

class QueueTest : public ::testing::Test {
 protected:
  // One may run, and does.
  void Open(Amounts waiting) {
    admission_.SetCapacity({.running = {1000, 1000, 1}, .waiting = waiting});
    admission_.Enter(running_.ticket);
  }
  Verdict Enter(const std::string& name, Tenant& tenant, Ask ask = {}) {
    return admission_.Enter(clients_.emplace_back(name, tenant, ask, &notes_).ticket);
  }
  Outcome Tried(const std::string& name, Tenant& tenant, Ask ask = {}) {
    return Enter(name, tenant, ask).outcome;
  }

  HandClock clock_;
  Admission admission_{Capacity{}, clock_.Options()};
  Tenant a_, b_, c_, other_;
  Client::Notes notes_;
  Client running_{"running", other_, {}, &notes_};
  std::deque<Client> clients_;
};

TEST_F(QueueTest, AloneATenantMayFillTheQueue) {
  Open({kMost, kMost, 5});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Tried("a", a_), Outcome::kQueued);
  EXPECT_EQ(Tried("a", a_), Outcome::kRefusedFull);
  EXPECT_EQ(admission_.numbers().refused_full, 1);
  EXPECT_EQ(admission_.NumbersOf(a_).refused, 1);
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(QueueTest, WithoutAPlaceNobodyWaits) {
  Open({kMost, kMost, 0});
  EXPECT_EQ(Tried("a", a_), Outcome::kRefusedFull);
}

TEST_F(QueueTest, ItIsBoundedInMemoryAndInCpu) {
  Open({100, 200, kMost});
  EXPECT_EQ(Tried("a", a_, {60, 0}), Outcome::kQueued);
  EXPECT_EQ(Tried("a", a_, {41, 0}), Outcome::kRefusedFull);
  EXPECT_EQ(Tried("a", a_, {0, 200}), Outcome::kQueued);
  EXPECT_EQ(Tried("a", a_, {0, 1}), Outcome::kRefusedFull);
  EXPECT_EQ(Tried("a", a_, {40, 0}), Outcome::kQueued);
}

TEST_F(QueueTest, OneTenantCannotKeepAnotherOutByComingFirst) {
  Open({kMost, kMost, 4});
  for (const char* name : {"a1", "a2", "a3", "a4"}) EXPECT_EQ(Tried(name, a_), Outcome::kQueued);
  EXPECT_EQ(Tried("b1", b_), Outcome::kQueued);
  EXPECT_THAT(notes_, ElementsAre("no a4"));  // Its newest.
  EXPECT_EQ(clients_[3].refusal.outcome, Outcome::kRefusedFull);
  EXPECT_GE(clients_[3].refusal.retry_after, seconds(1));
  // Up to its equal part, and not beyond.
  EXPECT_EQ(Tried("b2", b_), Outcome::kQueued);
  EXPECT_THAT(notes_, ElementsAre("no a4", "no a3"));
  EXPECT_EQ(Tried("b3", b_), Outcome::kRefusedFull);
  // Nor can the first one get back what it had.
  EXPECT_EQ(Tried("a5", a_), Outcome::kRefusedFull);
  EXPECT_EQ(admission_.numbers().waiting.requests, 4);
  EXPECT_EQ(admission_.numbers().refused_full, 4);
}

TEST_F(QueueTest, ThePlaceComesFromWhoHasMost) {
  Open({kMost, kMost, 6});
  for (const char* name : {"b1", "b2"}) Enter(name, b_);
  for (const char* name : {"a1", "a2", "a3", "a4"}) Enter(name, a_);
  EXPECT_EQ(Tried("c1", c_), Outcome::kQueued);
  EXPECT_EQ(Tried("c2", c_), Outcome::kQueued);
  EXPECT_THAT(notes_, ElementsAre("no a4", "no a3"));
  EXPECT_EQ(Tried("c3", c_), Outcome::kRefusedFull);
}

TEST_F(QueueTest, WhereThereAreMoreTenantsThanPlacesThoseThatHaveOneKeepIt) {
  Open({kMost, kMost, 2});
  EXPECT_EQ(Tried("a", a_), Outcome::kQueued);
  EXPECT_EQ(Tried("b", b_), Outcome::kQueued);
  EXPECT_EQ(Tried("c", c_), Outcome::kRefusedFull);
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(QueueTest, AsMuchIsTakenFromOthersAsIsMissing) {
  Open({kMost, 1000, kMost});
  for (int i = 0; i < 10; ++i) Enter("a" + std::to_string(i), a_, {0, 100});
  EXPECT_EQ(Tried("b", b_, {0, 250}), Outcome::kQueued);
  EXPECT_THAT(notes_, ElementsAre("no a9", "no a8", "no a7"));
  EXPECT_EQ(admission_.numbers().waiting.memory_bytes, 950);
}

TEST_F(QueueTest, WhatWouldNotHelpIsNotTaken) {
  Open({1000, 1000, kMost});
  Enter("a memory", a_, {0, 900});
  Enter("a cpu", a_, {900, 0});
  EXPECT_EQ(Tried("b", b_, {0, 200}), Outcome::kQueued);
  EXPECT_THAT(notes_, ElementsAre("no a memory"));
}

TEST_F(QueueTest, MoreThanAnEqualPartNeedsAQueueWithRoom) {
  Open({kMost, 1000, kMost});
  EXPECT_EQ(Tried("a", a_, {0, 600}), Outcome::kQueued);
  EXPECT_EQ(Tried("b", b_, {0, 501}), Outcome::kRefusedFull);
  EXPECT_EQ(Tried("b", b_, {0, 500}), Outcome::kQueued);
  EXPECT_THAT(notes_, ElementsAre("no a"));
}

TEST_F(QueueTest, ASmallerQueueLetsWhatWaitsStay) {
  Open({kMost, kMost, 8});
  for (int i = 0; i < 8; ++i) Enter("a" + std::to_string(i), a_);
  admission_.SetCapacity({.running = {1000, 1000, 1}, .waiting = {kMost, kMost, 4}});
  EXPECT_THAT(notes_, IsEmpty());
  EXPECT_EQ(Tried("a", a_), Outcome::kRefusedFull);
  // For somebody else it becomes as small as it is meant to be.
  EXPECT_EQ(Tried("b", b_), Outcome::kQueued);
  EXPECT_THAT(notes_, ElementsAre("no a7", "no a6", "no a5", "no a4", "no a3"));
}

TEST_F(QueueTest, WhoWasHeldUpByOneThatIsPutOutNeedNotWait) {
  admission_.SetCapacity({.running = {1000, 1000, 10}, .waiting = {kMost, 1000, 10}});
  Client part("part", other_, {500, 0}, &notes_);
  admission_.Enter(part.ticket);
  EXPECT_EQ(Tried("large", a_, {1000, 600}), Outcome::kQueued);
  clock_.Pass(seconds(2));
  EXPECT_EQ(Tried("small", c_, {500, 0}), Outcome::kQueued);
  EXPECT_EQ(Tried("memory", b_, {600, 300}), Outcome::kQueued);
  EXPECT_THAT(notes_, IsEmpty());
  EXPECT_EQ(Tried("more memory", c_, {0, 200}), Outcome::kQueued);
  EXPECT_THAT(notes_, ElementsAre("no large", "small", "more memory"));
}

TEST_F(QueueTest, WhoIsPutOutMayComeAgainWithinTheCall) {
  Open({kMost, kMost, 2});
  Enter("a1", a_);
  Enter("a2", a_);
  Client& last = clients_.back();
  Outcome again = Outcome::kAdmitted;
  last.then = [&] {
    admission_.Leave(last.ticket);
    again = admission_.Enter(last.ticket).outcome;
  };
  EXPECT_EQ(Tried("b", b_), Outcome::kQueued);
  EXPECT_EQ(again, Outcome::kRefusedFull);
}

TEST_F(QueueTest, TheTimeToComeAgainFollowsFromHowManyHaveLeft) {
  Open({kMost, kMost, 40});
  for (int i = 0; i < 40; ++i) Enter("a", a_);
  // Nothing has left so far: that is no reason for despair at once,
  EXPECT_EQ(Enter("a", a_).retry_after, seconds(1));
  // but it is after a while.
  clock_.Pass(seconds(2));
  EXPECT_EQ(Enter("a", a_).retry_after, seconds(60));
  // 8 in 4 seconds: those 32 that wait need 16.
  clock_.Pass(seconds(2));
  admission_.Leave(running_.ticket);
  for (int i = 0; i < 7; ++i) admission_.Leave(clients_[i].ticket);
  for (int i = 0; i < 8; ++i) Enter("a", a_);
  EXPECT_EQ(Enter("a", a_).retry_after, seconds(20));
}

TEST_F(QueueTest, WhatHappenedLongAgoDoesNotCountForIt) {
  Open({kMost, kMost, 1});
  Enter("a", a_);
  EXPECT_EQ(Enter("a", a_).outcome, Outcome::kRefusedFull);
  admission_.Leave(running_.ticket);
  clock_.Pass(std::chrono::hours(1));
  EXPECT_EQ(Tried("waits", a_), Outcome::kQueued);
  clock_.Pass(milliseconds(100));
  EXPECT_EQ(Enter("a", a_).retry_after, seconds(1));
  clock_.Pass(seconds(1));
  EXPECT_EQ(Enter("a", a_).retry_after, seconds(60));
}

}  // namespace
}  // namespace wasmoor::function
