#include "wasmoor/function/admission/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <memory>

#include "function/admission/admission_for_test.h"

namespace wasmoor::function {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kMiB = 1 << 20;

// 1 CPU, 100 MiB, 10 places; 10 may wait, with as much as twice that.
constexpr Capacity kSmall = {.running = {1000, 100 * kMiB, 10}, .waiting = {2000, 200 * kMiB, 10}};

class AdmissionTest : public ::testing::Test {
 protected:
  Client& Make(std::string name, Tenant& tenant, Ask ask) {
    return clients_.emplace_back(std::move(name), tenant, ask, &notes_);
  }
  Outcome Enter(Client& client) { return admission_.Enter(client.ticket).outcome; }
  // A ticket that has entered.
  Client& Enter(std::string name, Tenant& tenant, Ask ask) {
    Client& client = Make(std::move(name), tenant, ask);
    Enter(client);
    return client;
  }
  Client::Notes Leave(Client& client) {
    notes_.clear();
    admission_.Leave(client.ticket);
    return notes_;
  }

  HandClock clock_;
  Admission admission_{kSmall, clock_.Options()};
  Tenant a_, b_, c_, heavy_{3};
  Client::Notes notes_;
  std::deque<Client> clients_;
};

TEST_F(AdmissionTest, WhatFitsIsAdmittedAtOnceAndNobodyIsCalled) {
  Client& one = Make("one", a_, {500, 50 * kMiB});
  EXPECT_EQ(Enter(one), Outcome::kAdmitted);
  EXPECT_EQ(Enter(Make("two", b_, {500, 50 * kMiB})), Outcome::kAdmitted);
  EXPECT_THAT(notes_, IsEmpty());
  EXPECT_EQ(one.ticket.waited().count(), 0);
  const auto numbers = admission_.numbers();
  EXPECT_EQ(numbers.in_use.millicores, 1000);
  EXPECT_EQ(numbers.in_use.memory_bytes, 100 * kMiB);
  EXPECT_EQ(numbers.in_use.requests, 2);
  EXPECT_EQ(numbers.admitted, 2);
  EXPECT_EQ(numbers.admitted_late, 0);
}

TEST_F(AdmissionTest, ATicketThatLeavesGivesBackWhatItHad) {
  Client& one = Enter("one", a_, {1000, 100 * kMiB});
  Leave(one);
  EXPECT_EQ(admission_.numbers().in_use.requests, 0);
  EXPECT_EQ(Enter(Make("two", a_, {1000, 100 * kMiB})), Outcome::kAdmitted);
}

TEST_F(AdmissionTest, ATicketThatIsDestroyedLeaves) {
  {
    Client one("one", a_, {1000, 0}, &notes_);
    EXPECT_EQ(Enter(one), Outcome::kAdmitted);
    EXPECT_EQ(Enter(Make("two", b_, {1000, 0})), Outcome::kQueued);
  }
  EXPECT_THAT(notes_, ElementsAre("two"));
}

TEST_F(AdmissionTest, WhoLeavesTwiceLeavesOnce) {
  Client& one = Enter("one", a_, {500, 0});
  Leave(one);
  Leave(one);
  EXPECT_EQ(admission_.numbers().in_use.requests, 0);
}

TEST_F(AdmissionTest, ATicketThatIsOutMayEnterAgain) {
  Client& one = Enter("one", a_, {1000, 0});
  Client& two = Enter("two", a_, {1000, 0});
  Leave(one);
  EXPECT_EQ(Enter(one), Outcome::kQueued);
  EXPECT_THAT(Leave(two), ElementsAre("one"));
  Leave(one);
  EXPECT_EQ(Enter(one), Outcome::kAdmitted);
}

TEST_F(AdmissionTest, EachResourceMakesOneWait) {
  Enter("one", a_, {100, 60 * kMiB});
  EXPECT_EQ(Enter(Make("memory", b_, {100, 41 * kMiB})), Outcome::kQueued);
  clients_.pop_back();
  EXPECT_EQ(Enter(Make("cpu", b_, {901, 0})), Outcome::kQueued);
  clients_.pop_back();
  for (int i = 1; i < 10; ++i) EXPECT_EQ(Enter(Make("place", b_, {0, 0})), Outcome::kAdmitted);
  EXPECT_EQ(Enter(Make("no place", b_, {0, 0})), Outcome::kQueued);
}

TEST_F(AdmissionTest, WhatCanNeverFitIsRefusedAtOnceWithTheReason) {
  Verdict verdict = admission_.Enter(Make("cpu", a_, {1001, 0}).ticket);
  EXPECT_EQ(verdict.outcome, Outcome::kNeverFits);
  EXPECT_EQ(verdict.lacking, Resource::kCpu);
  EXPECT_EQ(verdict.capacity, 1000);
  verdict = admission_.Enter(Make("memory", a_, {1, 100 * kMiB + 1}).ticket);
  EXPECT_EQ(verdict.outcome, Outcome::kNeverFits);
  EXPECT_EQ(verdict.lacking, Resource::kMemory);
  EXPECT_EQ(verdict.capacity, 100 * kMiB);
  EXPECT_EQ(admission_.Enter(Make("both", a_, {kMost & 0xffffffff, kMost}).ticket).outcome,
            Outcome::kNeverFits);
  EXPECT_EQ(admission_.numbers().never_fits, 3);
  EXPECT_EQ(admission_.NumbersOf(a_).refused, 3);
  EXPECT_EQ(admission_.numbers().in_use.requests, 0);
}

TEST_F(AdmissionTest, WhereNothingMayRunNothingFits) {
  Admission none(Capacity{.running = {1000, kMiB, 0}, .waiting = {kMost, kMost, kMost}});
  const Verdict verdict = none.Enter(Make("one", a_, {0, 0}).ticket);
  EXPECT_EQ(verdict.outcome, Outcome::kNeverFits);
  EXPECT_EQ(verdict.lacking, Resource::kRequests);
}

TEST_F(AdmissionTest, TheLargestNumbersDoNotOverflow) {
  Admission all(Capacity{{kMost, kMost, kMost}, {kMost, kMost, kMost}}, clock_.Options());
  Client one("one", a_, {UINT32_MAX, kMost}, &notes_);
  Client two("two", a_, {UINT32_MAX, kMost}, &notes_);
  Client three("three", b_, {UINT32_MAX, kMost}, &notes_);
  EXPECT_EQ(all.Enter(one.ticket).outcome, Outcome::kAdmitted);
  EXPECT_EQ(all.Enter(two.ticket).outcome, Outcome::kQueued);
  // No second one of the kind has a place beside it, and that one's tenant has its equal part.
  EXPECT_EQ(all.Enter(three.ticket).outcome, Outcome::kRefusedFull);
  all.Leave(one.ticket);
  EXPECT_THAT(notes_, ElementsAre("two"));
  EXPECT_EQ(all.numbers().in_use.memory_bytes, kMost);
}

TEST_F(AdmissionTest, ATenantsTicketsAreAdmittedInTheirOrder) {
  Client& all = Enter("all", a_, {1000, 0});
  Enter("large", a_, {1000, 0});
  // It would fit beside nothing, but it came later.
  Client& small = Make("small", a_, {0, 0});
  EXPECT_EQ(Enter(small), Outcome::kQueued);
  EXPECT_THAT(Leave(all), ElementsAre("large", "small"));
}

TEST_F(AdmissionTest, TheTenantWithTheLeastShareIsNext) {
  Client& first = Enter("first", a_, {300, 0});
  Client& second = Enter("second", a_, {300, 0});
  Client& third = Enter("third", b_, {400, 0});
  Enter("a", a_, {300, 0});                     // Of which 600 run,
  Enter("b", b_, {300, 0});                     // and of which 400 run.
  EXPECT_THAT(Leave(first), ElementsAre("a"));  // Now 300 to 400.
  EXPECT_THAT(Leave(second), ElementsAre("b"));
  Leave(third);
}

TEST_F(AdmissionTest, TheShareIsTheLargestOfItsParts) {
  Client& cpu = Enter("cpu", c_, {700, 0});
  Enter("a runs", a_, {100, 80 * kMiB});  // Little CPU, but most of the memory.
  Enter("b runs", b_, {200, 0});
  Enter("a", a_, {600, 0});
  Enter("b", b_, {600, 0});
  EXPECT_THAT(Leave(cpu), ElementsAre("b"));
}

TEST_F(AdmissionTest, PlacesAreAResourceToo) {
  std::vector<Client*> running;
  for (int i = 0; i < 8; ++i) running.push_back(&Enter("a runs", a_, {0, 0}));
  for (int i = 0; i < 2; ++i) running.push_back(&Enter("b runs", b_, {0, 0}));
  Enter("a", a_, {0, 0});
  Enter("b", b_, {0, 0});
  EXPECT_THAT(Leave(*running[0]), ElementsAre("b"));
}

TEST_F(AdmissionTest, AmongEqualsTheOldestIsNext) {
  Client& all = Enter("all", c_, {1000, 0});
  Enter("b", b_, {1000, 0});
  Enter("a", a_, {1000, 0});
  EXPECT_THAT(Leave(all), ElementsAre("b"));
}

TEST_F(AdmissionTest, AWeightOfThreeIsThreeTimesTheShare) {
  Client& all = Enter("all", c_, {600, 0});
  Enter("heavy runs", heavy_, {290, 0});  // A share of 0.097,
  Enter("a runs", a_, {110, 0});          // less than this one's.
  Enter("a", a_, {600, 0});
  Enter("heavy", heavy_, {600, 0});
  EXPECT_THAT(Leave(all), ElementsAre("heavy"));
}

TEST_F(AdmissionTest, AWeightOfZeroIsAsOne) {
  Tenant none(0);
  Client& all = Enter("all", c_, {700, 0});
  Client& runs = Enter("none runs", none, {100, 0});
  Enter("a runs", a_, {200, 0});
  Enter("a", a_, {700, 0});
  Client& waits = Enter("none", none, {700, 0});
  EXPECT_THAT(Leave(all), ElementsAre("none"));
  Leave(runs);
  Leave(waits);
}

TEST_F(AdmissionTest, AHeadThatDoesNotFitIsPassedUntilItsPatienceIsOver) {
  Client& first = Enter("first", c_, {600, 0});
  Client& second = Enter("second", c_, {300, 0});
  Enter("large", a_, {900, 0});
  // What fits passes.
  Client& passing = Make("passing", b_, {100, 0});
  EXPECT_EQ(Enter(passing), Outcome::kAdmitted);
  Leave(passing);
  clock_.Pass(milliseconds(999));
  EXPECT_EQ(Enter(passing), Outcome::kAdmitted);
  Leave(passing);
  clock_.Pass(milliseconds(1));
  EXPECT_EQ(Enter(passing), Outcome::kQueued);
  EXPECT_THAT(Leave(second), IsEmpty());
  EXPECT_THAT(Leave(first), ElementsAre("large", "passing"));
}

TEST_F(AdmissionTest, WhoHasASmallerSharePassesAHeadWithoutPatienceToo) {
  Enter("a runs", a_, {600, 0});
  Client& large = Enter("large", a_, {600, 0});
  clock_.Pass(seconds(10));
  // The large one waits for its own tenant, whose turn it is not.
  Client& small = Make("small", b_, {400, 0});
  EXPECT_EQ(Enter(small), Outcome::kAdmitted);
  EXPECT_EQ(admission_.NumbersOf(a_).waiting.requests, 1);
  Leave(large);
}

TEST_F(AdmissionTest, WhoGivesUpLetsThoseBehindIt) {
  Enter("first", c_, {500, 0});
  Client& large = Enter("large", a_, {1000, 0});
  clock_.Pass(seconds(2));
  Enter("small", b_, {500, 0});
  EXPECT_THAT(Leave(large), ElementsAre("small"));
  EXPECT_EQ(admission_.numbers().given_up, 1);
}

TEST_F(AdmissionTest, TheTimeWaitedIsTold) {
  Client& all = Enter("all", a_, {1000, 0});
  Client& one = Enter("one", b_, {1000, 0});
  clock_.Pass(milliseconds(250));
  Leave(all);
  EXPECT_EQ(one.ticket.waited(), milliseconds(250));
  const auto numbers = admission_.numbers();
  EXPECT_EQ(numbers.time_waited, milliseconds(250));
  EXPECT_EQ(numbers.admitted_late, 1);
  Leave(one);
  EXPECT_EQ(Enter(one), Outcome::kAdmitted);
  EXPECT_EQ(one.ticket.waited().count(), 0);
}

TEST_F(AdmissionTest, NumbersOfATenantAreItsOwn) {
  Enter("runs", a_, {900, kMiB});
  Enter("waits", a_, {200, 2 * kMiB});
  Enter("waits too", b_, {800, 3 * kMiB});
  const auto a = admission_.NumbersOf(a_), b = admission_.NumbersOf(b_);
  EXPECT_EQ(a.in_use.millicores, 900);
  EXPECT_EQ(a.in_use.memory_bytes, kMiB);
  EXPECT_EQ(a.waiting.requests, 1);
  EXPECT_EQ(a.waiting.memory_bytes, 2 * kMiB);
  EXPECT_EQ(a.admitted, 1);
  EXPECT_EQ(b.waiting.millicores, 800);
  EXPECT_EQ(b.admitted, 0);
  const auto all = admission_.numbers();
  EXPECT_EQ(all.waiting.requests, 2);
  EXPECT_EQ(all.waiting.memory_bytes, 5 * kMiB);
  EXPECT_EQ(all.tenants_waiting, 2);
}

TEST_F(AdmissionTest, MoreCapacityLetsThoseThatWaitIn) {
  Enter("all", a_, {1000, 0});
  Enter("one", b_, {500, 0});
  Enter("two", c_, {600, 0});
  Capacity more = kSmall;
  more.running.millicores = 1500;
  admission_.SetCapacity(more);
  EXPECT_THAT(notes_, ElementsAre("one"));
}

TEST_F(AdmissionTest, LessCapacityEndsNothingThatRuns) {
  Client& one = Enter("one", a_, {500, 0});
  Client& two = Enter("two", a_, {500, 0});
  Enter("waits", b_, {400, 0});
  Capacity less = kSmall;
  less.running.millicores = 400;
  admission_.SetCapacity(less);
  EXPECT_EQ(admission_.numbers().in_use.millicores, 1000);
  EXPECT_THAT(Leave(one), IsEmpty());
  EXPECT_THAT(Leave(two), ElementsAre("waits"));
}

TEST_F(AdmissionTest, WhatWaitsAndFitsNoMoreIsRefusedAfterAll) {
  Client& all = Enter("all", a_, {1000, 0});
  Client& large = Enter("large", b_, {800, 0});
  Enter("small", b_, {400, 0});
  Capacity less = kSmall;
  less.running.millicores = 500;
  admission_.SetCapacity(less);
  EXPECT_THAT(notes_, ElementsAre("no large"));
  EXPECT_EQ(large.refusal.outcome, Outcome::kNeverFits);
  EXPECT_EQ(large.refusal.lacking, Resource::kCpu);
  EXPECT_EQ(large.refusal.capacity, 500);
  EXPECT_THAT(Leave(large), IsEmpty());
  EXPECT_THAT(Leave(all), ElementsAre("small"));
}

TEST_F(AdmissionTest, AWaiterMayLeaveWithItsTicketWithinTheCall) {
  Client& all = Enter("all", a_, {1000, 0});
  for (const char* name : {"one", "two", "three"}) {
    Client& client = Enter(name, b_, {600, 0});
    client.then = [this, &client] { admission_.Leave(client.ticket); };
  }
  EXPECT_THAT(Leave(all), ElementsAre("one", "two", "three"));
  EXPECT_EQ(admission_.numbers().in_use.requests, 0);
}

TEST_F(AdmissionTest, AWaiterMayDestroyItsTicketWithinTheCall) {
  Client& all = Enter("all", a_, {1000, 0});
  auto one = std::make_unique<Client>("one", b_, Ask{1000, 0}, &notes_);
  one->then = [&one] { one.reset(); };
  EXPECT_EQ(Enter(*one), Outcome::kQueued);
  EXPECT_THAT(Leave(all), ElementsAre("one"));
  EXPECT_EQ(admission_.numbers().in_use.requests, 0);
}

TEST_F(AdmissionTest, CallsThatFollowFromCallsDoNotNest) {
  constexpr int kMany = 100'000;
  Admission long_queue(Capacity{.running = {kMost, kMost, 1}, .waiting = {kMost, kMost, kMany}});
  Client first("first", a_, {}, &notes_);
  long_queue.Enter(first.ticket);
  std::deque<Client> waiting;
  for (int i = 0; i < kMany; ++i) {
    Client& client = waiting.emplace_back("", b_, Ask{}, &notes_);
    client.then = [&] { long_queue.Leave(client.ticket); };
    EXPECT_EQ(long_queue.Enter(client.ticket).outcome, Outcome::kQueued);
  }
  long_queue.Leave(first.ticket);
  EXPECT_EQ(notes_.size(), kMany);
}

TEST_F(AdmissionTest, ATicketThatIsGoneBeforeItsTurnIsNotCalled) {
  Client& all = Enter("all", a_, {1000, 0});
  auto two = std::make_unique<Client>("two", b_, Ask{500, 0}, &notes_);
  Client& one = Make("one", b_, {500, 0});
  one.then = [&two] { two.reset(); };
  Enter(one);
  Enter(*two);
  EXPECT_THAT(Leave(all), ElementsAre("one"));
  EXPECT_EQ(admission_.numbers().in_use.requests, 1);
}

}  // namespace
}  // namespace wasmoor::function
