// Many threads at once. What is asserted is little; the rest is for the thread sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "wasmoor/function/admission/admission.h"

namespace wasmoor::function {
namespace {

// A request as a worker thread has it: what it is told wakes the worker.
class Request : public Waiter {
 public:
  Request(Tenant& tenant, Ask ask) : ticket_(tenant, ask, *this) {}
  void OnAdmitted() override { Tell(Outcome::kAdmitted); }
  void OnRefused(const Verdict& verdict) override { Tell(verdict.outcome); }

  // What it was told, or kQueued if nothing.
  Outcome Wait(std::chrono::microseconds patience) {
    std::unique_lock lock(mutex_);
    told_.wait_for(lock, patience, [this] { return outcome_ != Outcome::kQueued; });
    return outcome_;
  }

  Ticket& ticket() { return ticket_; }

 private:
  void Tell(Outcome outcome) {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(outcome_, Outcome::kQueued) << "told twice";
    outcome_ = outcome;
    told_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable told_;
  Outcome outcome_ = Outcome::kQueued;
  Ticket ticket_;  // Gone before the rest is.
};

// What really runs, counted beside what the admission counts.
struct Running {
  std::atomic<int64_t> millicores{0}, memory{0}, requests{0};
  void Change(const Ask& ask, int sign) {
    millicores += sign * static_cast<int64_t>(ask.millicores);
    memory += sign * static_cast<int64_t>(ask.memory_bytes);
    requests += sign;
  }
};

constexpr int kThreads = 6, kTenants = 5, kRequests = 20'000;
constexpr Capacity kCapacity = {.running = {1000, 1000, 5}, .waiting = {2000, 3000, 6}};

void Hammer(Admission& admission, std::deque<Tenant>& tenants, Running& running, uint32_t seed,
            std::atomic<uint64_t>& admitted) {
  std::mt19937 random(seed);
  const auto any = [&random](int least, int most) {
    return std::uniform_int_distribution(least, most)(random);
  };
  for (int i = 0; i < kRequests; ++i) {
    const Ask ask = {static_cast<uint32_t>(any(0, 600)), static_cast<uint64_t>(any(0, 600))};
    Request request(tenants[any(0, kTenants - 1)], ask);
    Outcome outcome = admission.Enter(request.ticket()).outcome;
    // Some wait till they are told, some a little, some are gone at once.
    if (outcome == Outcome::kQueued && any(0, 3) > 0)
      outcome = request.Wait(std::chrono::microseconds(any(0, 2) == 0 ? any(0, 50) : 30'000'000));
    if (outcome != Outcome::kAdmitted) continue;
    ++admitted;
    running.Change(ask, 1);
    EXPECT_LE(running.millicores, static_cast<int64_t>(kCapacity.running.millicores));
    EXPECT_LE(running.memory, static_cast<int64_t>(kCapacity.running.memory_bytes));
    EXPECT_LE(running.requests, static_cast<int64_t>(kCapacity.running.requests));
    if (any(0, 7) == 0) std::this_thread::yield();
    running.Change(ask, -1);
    if (any(0, 1) == 0) admission.Leave(request.ticket());
  }
}

TEST(AdmissionThreadsTest, WhateverThreadsDoAtOnceTheCapacityIsKeptAndAllComesBack) {
  Admission admission(kCapacity, {.patience = std::chrono::milliseconds(2)});
  std::deque<Tenant> tenants(kTenants);
  Running running;
  std::atomic<uint64_t> admitted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] { Hammer(admission, tenants, running, i, admitted); });
  std::atomic<bool> over{false};
  std::thread watcher([&] {
    while (!over) {
      const auto numbers = admission.numbers();
      EXPECT_LE(numbers.in_use.requests, kCapacity.running.requests);
      EXPECT_LE(numbers.in_use.memory_bytes, kCapacity.running.memory_bytes);
      EXPECT_LE(numbers.waiting.requests, kCapacity.waiting.requests);
      EXPECT_LE(numbers.waiting.millicores, kCapacity.waiting.millicores);
      admission.SetCapacity(kCapacity);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  for (std::thread& thread : threads) thread.join();
  over = true;
  watcher.join();
  const auto numbers = admission.numbers();
  EXPECT_EQ(numbers.in_use.requests, 0);
  EXPECT_EQ(numbers.in_use.memory_bytes, 0);
  EXPECT_EQ(numbers.waiting.requests, 0);
  EXPECT_EQ(numbers.tenants_waiting, 0);
  // Some were admitted while they were giving up.
  EXPECT_GE(numbers.admitted, admitted);
  EXPECT_GT(numbers.admitted_late, 0);
  EXPECT_GT(numbers.refused_full, 0);
}

// Waits in its call until it may go on.
class SlowWaiter : public Waiter {
 public:
  void OnAdmitted() override {
    is_called = true;
    while (!may_return) std::this_thread::yield();
    has_returned = true;
  }
  void OnRefused(const Verdict&) override {}
  std::atomic<bool> is_called{false}, may_return{false}, has_returned{false};
};

TEST(AdmissionThreadsTest, WhoLeavesDuringACallOnAnotherThreadWaitsForItsEnd) {
  Admission admission({.running = {1, 1, 1}, .waiting = {1, 1, 1}});
  Tenant tenant;
  SlowWaiter waiter, ignored;
  Ticket first(tenant, {}, ignored);
  ASSERT_EQ(admission.Enter(first).outcome, Outcome::kAdmitted);
  auto second = std::make_unique<Ticket>(tenant, Ask{}, waiter);
  ASSERT_EQ(admission.Enter(*second).outcome, Outcome::kQueued);
  std::thread leaving([&] { admission.Leave(first); });
  while (!waiter.is_called) std::this_thread::yield();
  std::thread opener([&] {
    // The destruction below has begun by then, mostly.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    waiter.may_return = true;
  });
  second.reset();
  EXPECT_TRUE(waiter.has_returned);
  leaving.join();
  opener.join();
  EXPECT_EQ(admission.numbers().in_use.requests, 0);
}

TEST(AdmissionThreadsTest, OthersEnterAndLeaveWhileAWaiterIsBeingCalled) {
  Admission admission({.running = {3, 3, 3}, .waiting = {3, 3, 3}});
  Tenant tenant;
  SlowWaiter waiter, ignored;
  Ticket first(tenant, {3, 0}, ignored), second(tenant, {1, 0}, waiter), third(tenant, {}, ignored);
  ASSERT_EQ(admission.Enter(first).outcome, Outcome::kAdmitted);
  ASSERT_EQ(admission.Enter(second).outcome, Outcome::kQueued);
  std::thread leaving([&] { admission.Leave(first); });
  while (!waiter.is_called) std::this_thread::yield();
  EXPECT_EQ(admission.Enter(third).outcome, Outcome::kAdmitted);
  admission.Leave(third);
  waiter.may_return = true;
  leaving.join();
}

}  // namespace
}  // namespace wasmoor::function
