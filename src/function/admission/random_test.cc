// Long sequences of whatever may happen, held against a model that knows the rules and nothing of
// how they are kept: each admission, each refusal, and that nothing waits that need not.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "function/admission/admission_for_test.h"
#include "wasmoor/function/admission/admission.h"

namespace wasmoor::function {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{1000};

struct Model {
  struct Entry {
    int id;
    Ask ask;
    milliseconds since;
  };
  struct Of {
    uint32_t weight;
    Amounts in_use, waiting;
    std::list<Entry> queue;
  };

  static Amounts Of1(const Ask& ask) { return {ask.millicores, ask.memory_bytes, 1}; }
  static void Change(Amounts* amounts, const Ask& ask, int sign) {
    amounts->millicores += sign * uint64_t{ask.millicores};
    amounts->memory_bytes += sign * ask.memory_bytes;
    amounts->requests += sign;
  }
  static bool Within(Amounts amounts, const Ask& ask, const Amounts& limit) {
    Change(&amounts, ask, 1);
    return amounts.millicores <= limit.millicores && amounts.memory_bytes <= limit.memory_bytes &&
           amounts.requests <= limit.requests;
  }

  double Share(const Of& of) const {
    const Amounts& all = capacity.running;
    const auto part = [](uint64_t some, uint64_t whole) {
      return static_cast<double>(some) / static_cast<double>(whole);
    };
    return std::max({part(of.in_use.millicores, all.millicores),
                     part(of.in_use.memory_bytes, all.memory_bytes),
                     part(of.in_use.requests, all.requests)}) /
           of.weight;
  }
  // Whether a first ticket `id` of `of` ranks before that of `other`.
  bool RanksBefore(const Of& of, int id, const Of& other) const {
    const double one = Share(of), two = Share(other);
    return one != two ? one < two : id < other.queue.front().id;
  }
  bool Fits(const Ask& ask) const { return Within(in_use, ask, capacity.running); }
  bool EverFits(const Ask& ask) const { return Within({}, ask, capacity.running); }
  // Whether a ticket that would be the first of `of` is held up by another's.
  bool MustWaitForAnother(const Of& of, int id, milliseconds now) const {
    return std::any_of(tenants.begin(), tenants.end(), [&](const Of& other) {
      return &other != &of && !other.queue.empty() && !RanksBefore(of, id, other) &&
             (Fits(other.queue.front().ask) || now - other.queue.front().since >= kPatience);
    });
  }
  size_t Waiting() const {
    return std::count_if(tenants.begin(), tenants.end(),
                         [](const Of& of) { return !of.queue.empty(); });
  }

  Capacity capacity;
  Amounts in_use, waiting;
  std::deque<Of> tenants;
};

class Play {
 public:
  explicit Play(uint32_t seed) : random_(seed) {
    const Capacity capacity = AnyCapacity();
    model_.capacity = capacity;
    admission_ = std::make_unique<Admission>(capacity, clock_.Options(kPatience));
    const int tenants = Any(1, 12);
    for (int i = 0; i < tenants; ++i) {
      const auto weight = static_cast<uint32_t>(Any(1, 4));
      tenants_.emplace_back(weight);
      model_.tenants.push_back({.weight = weight});
    }
  }

  void Go(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      const int dice = Any(0, 99);
      if (dice < 50) {
        Enter();
      } else if (dice < 90) {
        Leave();
      } else if (dice < 99) {
        const milliseconds time(Any(0, 600));
        now_ += time;
        clock_.Pass(time);
      } else {
        Change();
      }
      Compare();
    }
    while (!requests_.empty()) LeaveWith(requests_.begin());
    const auto numbers = admission_->numbers();
    EXPECT_EQ(numbers.in_use.requests + numbers.in_use.memory_bytes + numbers.in_use.millicores, 0);
    EXPECT_EQ(numbers.waiting.requests + numbers.waiting.memory_bytes + numbers.waiting.millicores,
              0);
    EXPECT_EQ(numbers.tenants_waiting, 0);
    EXPECT_EQ(numbers.admitted, admitted_);
    EXPECT_EQ(numbers.refused_full + numbers.never_fits, refused_);
    EXPECT_EQ(numbers.given_up, given_up_);
  }

 private:
  struct Request : Waiter {
    Request(Play& play, int id, size_t tenant, Ask ask)
        : play(play), id(id), tenant(tenant), ask(ask), ticket(play.tenants_[tenant], ask, *this) {}
    void OnAdmitted() override { play.Admitted(*this); }
    void OnRefused(const Verdict& verdict) override { play.PutOut(*this, verdict); }
    Play& play;
    const int id;
    const size_t tenant;
    const Ask ask;
    Ticket ticket;
    bool is_out = false;
  };
  using Requests = std::map<int, std::unique_ptr<Request>>;

  int Any(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }
  Capacity AnyCapacity() {
    const auto amount = [this](int most) { return static_cast<uint64_t>(Any(1, most)); };
    return {.running = {amount(4000), amount(1000), amount(20)},
            .waiting = {amount(8000), amount(2000), amount(30)}};
  }

  void Enter() {
    const int id = next_id_++;
    const size_t tenant = Any(0, 2) == 0 ? 0 : Any(0, static_cast<int>(tenants_.size()) - 1);
    const Ask ask = {static_cast<uint32_t>(Any(0, 1500)), static_cast<uint64_t>(Any(0, 400))};
    auto request = std::make_unique<Request>(*this, id, tenant, ask);
    Model::Of& of = model_.tenants[tenant];
    const bool ever_fits = model_.EverFits(ask), fits = model_.Fits(ask);
    const bool goes = fits && of.queue.empty() && !model_.MustWaitForAnother(of, id, now_);
    const bool has_place = Model::Within(model_.waiting, ask, model_.capacity.waiting);
    const uint64_t tenants = std::max<uint64_t>(model_.Waiting() + (of.queue.empty() ? 1 : 0), 1);
    const Amounts& queue = model_.capacity.waiting;
    const bool is_entitled = Model::Within(
        of.waiting, ask,
        {queue.millicores / tenants, queue.memory_bytes / tenants, queue.requests / tenants});
    put_out_ = 0;
    entitled_ = &of;
    tenants_at_entry_ = tenants;
    const Outcome expected = !ever_fits                 ? Outcome::kNeverFits
                             : goes                     ? Outcome::kAdmitted
                             : has_place || is_entitled ? Outcome::kQueued
                                                        : Outcome::kRefusedFull;
    if (expected == Outcome::kQueued) {
      Model::Change(&model_.waiting, ask, 1);
      Model::Change(&of.waiting, ask, 1);
      of.queue.push_back({id, ask, now_});
    }
    const Verdict verdict = admission_->Enter(request->ticket);
    entitled_ = nullptr;
    EXPECT_EQ(verdict.outcome, expected);
    EXPECT_EQ(put_out_ > 0, expected == Outcome::kQueued && !has_place);
    if (verdict.outcome == Outcome::kAdmitted) {
      ++admitted_;
      Model::Change(&model_.in_use, ask, 1);
      Model::Change(&of.in_use, ask, 1);
    } else if (verdict.outcome != Outcome::kQueued) {
      ++refused_;
      return;
    }
    requests_.emplace(id, std::move(request));
    NothingWaitsThatNeedNot();
  }

  void Leave() {
    if (requests_.empty()) return;
    auto one = requests_.lower_bound(Any(0, next_id_));
    LeaveWith(one == requests_.end() ? requests_.begin() : one);
  }

  void LeaveWith(Requests::iterator one) {
    const std::unique_ptr<Request> request = std::move(one->second);
    requests_.erase(one);
    Model::Of& of = model_.tenants[request->tenant];
    const auto place = std::find_if(of.queue.begin(), of.queue.end(),
                                    [&](const auto& entry) { return entry.id == request->id; });
    if (place != of.queue.end()) {
      of.queue.erase(place);
      Model::Change(&model_.waiting, request->ask, -1);
      Model::Change(&of.waiting, request->ask, -1);
      ++given_up_;
    } else if (!request->is_out) {
      Model::Change(&model_.in_use, request->ask, -1);
      Model::Change(&of.in_use, request->ask, -1);
    }
    admission_->Leave(request->ticket);
    NothingWaitsThatNeedNot();
  }

  void Change() {
    model_.capacity = AnyCapacity();
    admission_->SetCapacity(model_.capacity);
    NothingWaitsThatNeedNot();
    for (const Model::Of& of : model_.tenants) {
      for (const auto& entry : of.queue) EXPECT_TRUE(model_.EverFits(entry.ask));
    }
  }

  // Called by the admission: it must be the first of its tenant, it must fit, and nobody is passed
  // who may not be.
  void Admitted(Request& request) {
    Model::Of& of = model_.tenants[request.tenant];
    ASSERT_FALSE(of.queue.empty());
    EXPECT_EQ(of.queue.front().id, request.id);
    EXPECT_TRUE(model_.Fits(request.ask));
    EXPECT_FALSE(model_.MustWaitForAnother(of, request.id, now_));
    EXPECT_EQ(request.ticket.waited(), now_ - of.queue.front().since);
    of.queue.pop_front();
    Model::Change(&model_.waiting, request.ask, -1);
    Model::Change(&of.waiting, request.ask, -1);
    Model::Change(&model_.in_use, request.ask, 1);
    Model::Change(&of.in_use, request.ask, 1);
    ++admitted_;
  }

  void PutOut(Request& request, const Verdict& verdict) {
    Model::Of& of = model_.tenants[request.tenant];
    const auto place = std::find_if(of.queue.begin(), of.queue.end(),
                                    [&](const auto& entry) { return entry.id == request.id; });
    ASSERT_NE(place, of.queue.end());
    if (entitled_ != nullptr) {
      EXPECT_EQ(verdict.outcome, Outcome::kRefusedFull);
      EXPECT_NE(&of, entitled_);
      // It had more than an equal part of something.
      const Amounts& queue = model_.capacity.waiting;
      EXPECT_TRUE(of.waiting.requests > queue.requests / tenants_at_entry_ ||
                  of.waiting.memory_bytes > queue.memory_bytes / tenants_at_entry_ ||
                  of.waiting.millicores > queue.millicores / tenants_at_entry_);
    } else {
      EXPECT_EQ(verdict.outcome, Outcome::kNeverFits);
      EXPECT_FALSE(model_.EverFits(request.ask));
    }
    of.queue.erase(place);
    Model::Change(&model_.waiting, request.ask, -1);
    Model::Change(&of.waiting, request.ask, -1);
    request.is_out = true;
    ++put_out_;
    ++refused_;
  }

  void NothingWaitsThatNeedNot() {
    for (const Model::Of& of : model_.tenants) {
      if (of.queue.empty() || !model_.Fits(of.queue.front().ask)) continue;
      EXPECT_TRUE(model_.MustWaitForAnother(of, of.queue.front().id, now_));
    }
  }

  void Compare() {
    const auto numbers = admission_->numbers();
    EXPECT_EQ(numbers.in_use.requests, model_.in_use.requests);
    EXPECT_EQ(numbers.in_use.memory_bytes, model_.in_use.memory_bytes);
    EXPECT_EQ(numbers.in_use.millicores, model_.in_use.millicores);
    EXPECT_EQ(numbers.waiting.requests, model_.waiting.requests);
    EXPECT_EQ(numbers.waiting.memory_bytes, model_.waiting.memory_bytes);
    EXPECT_EQ(numbers.waiting.millicores, model_.waiting.millicores);
    EXPECT_EQ(numbers.tenants_waiting, model_.Waiting());
    for (size_t i = 0; i < tenants_.size(); ++i) {
      const auto of = admission_->NumbersOf(tenants_[i]);
      EXPECT_EQ(of.in_use.memory_bytes, model_.tenants[i].in_use.memory_bytes);
      EXPECT_EQ(of.waiting.requests, model_.tenants[i].queue.size());
    }
  }

  std::mt19937 random_;
  HandClock clock_;
  milliseconds now_{0};
  Model model_;
  std::unique_ptr<Admission> admission_;
  std::deque<Tenant> tenants_;
  Requests requests_;
  int next_id_ = 0, put_out_ = 0;
  uint64_t admitted_ = 0, refused_ = 0, given_up_ = 0;
  const Model::Of* entitled_ = nullptr;
  uint64_t tenants_at_entry_ = 0;
};

TEST(AdmissionRandomTest, WhateverHappensTheRulesAreKept) {
  for (uint32_t seed = 0; seed < 200 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Play(seed).Go(2000);
  }
}

// One tenant has filled the queue before the other comes, and has it full ever after; the other has
// ten requests, each of which comes again when it has ended.
class FloodTest : public ::testing::Test {
 protected:
  static constexpr int kSteps = 20'000, kRunning = 10;
  using Clients = std::list<Client>;

  Outcome Enter(Tenant& tenant) {
    const auto client = waits_.emplace(waits_.end(), &tenant == &meek_ ? "meek" : "flood", tenant,
                                       Ask{1000 / kRunning, 0}, &notes_);
    client->then = [this, client, &tenant] {
      if (client->refusal.outcome != Outcome::kAdmitted) return;
      runs_.splice(runs_.end(), waits_, client);
      ++(&tenant == &meek_ ? admitted_meek_ : admitted_flood_);
    };
    const Outcome outcome = admission_.Enter(client->ticket).outcome;
    if (outcome == Outcome::kAdmitted) runs_.splice(runs_.end(), waits_, client);
    if (outcome == Outcome::kRefusedFull) waits_.erase(client);
    return outcome;
  }
  // Any of those that run ends. Whose was it?
  Tenant& EndOne() {
    std::uniform_int_distribution<std::ptrdiff_t> any(0, std::ssize(runs_) - 1);
    Clients ended;
    ended.splice(ended.end(), runs_, std::next(runs_.begin(), any(random_)));
    admission_.Leave(ended.front().ticket);
    return ended.front().name == "meek" ? meek_ : flood_;
  }

  HandClock clock_;
  Admission admission_{{.running = {1000, 1000, 1000}, .waiting = {1'000'000, 1000, 501}},
                       clock_.Options()};
  Tenant flood_, meek_;
  Client::Notes notes_;
  Clients runs_, waits_;
  std::mt19937 random_{7};
  int admitted_meek_ = 0, admitted_flood_ = 0;
};

TEST_F(FloodTest, ATenantThatFloodsGetsNoMoreThanItsHalf) {
  while (Enter(flood_) != Outcome::kRefusedFull) {
  }
  // It is never refused, although the queue was full before it came first.
  for (int i = 0; i < kRunning; ++i) ASSERT_EQ(Enter(meek_), Outcome::kQueued);
  for (int i = 0; i < kSteps; ++i) {
    clock_.Pass(milliseconds(3));
    Tenant& whose = EndOne();
    const Outcome outcome = Enter(whose);
    if (&whose == &meek_) {
      ASSERT_EQ(outcome, Outcome::kQueued);
    }
    if (i < 1000) continue;
    ASSERT_GE(admission_.NumbersOf(meek_).in_use.requests, kRunning / 2 - 1);
    ASSERT_GE(admission_.NumbersOf(flood_).in_use.requests, kRunning / 2 - 1);
  }
  EXPECT_NEAR(admitted_meek_, admitted_flood_, 0.02 * kSteps);
  for (Client& client : waits_) client.then = nullptr;
  for (Client& client : runs_) client.then = nullptr;
}

// Small requests of others never end to come; the large one has its turn all the same.
TEST(AdmissionFairnessTest, ALargeRequestIsNotStarvedBySmallOnes) {
  HandClock clock;
  Admission admission({.running = {1000, 1000, 100}, .waiting = {100'000, 1000, 1000}},
                      clock.Options());
  std::deque<Tenant> tenants(20);
  Tenant large_tenant;
  Client::Notes notes;
  std::list<Client> all;
  std::deque<Client*> running;
  const auto small = [&](Tenant& tenant) {
    Client& client = all.emplace_back("small", tenant, Ask{100, 0}, &notes);
    client.then = [&running, &client] { running.push_back(&client); };
    if (admission.Enter(client.ticket).outcome == Outcome::kAdmitted) running.push_back(&client);
  };
  for (Tenant& tenant : tenants) small(tenant);
  Client large("large", large_tenant, {1000, 0}, &notes);
  ASSERT_EQ(admission.Enter(large.ticket).outcome, Outcome::kQueued);
  int steps = 0;
  const auto is_admitted = [&] { return admission.NumbersOf(large_tenant).admitted > 0; };
  for (; steps < 1000 && !is_admitted(); ++steps) {
    clock.Pass(milliseconds(10));
    ASSERT_FALSE(running.empty());
    admission.Leave(running.front()->ticket);
    running.pop_front();
    if (!is_admitted()) small(tenants[static_cast<size_t>(steps) % tenants.size()]);
  }
  EXPECT_TRUE(is_admitted());
  // Its patience, and then as many as ran.
  EXPECT_LE(steps, 100 + 10 + 1);
  // What waits meanwhile is left as it is.
  EXPECT_GT(admission.numbers().waiting.requests, 0);
  for (Client& client : all) client.then = nullptr;
}

}  // namespace
}  // namespace wasmoor::function
