#include "function/idle_instances.h"

#include <gtest/gtest.h>

#include <thread>

namespace wasmoor::function {
namespace {

using std::chrono::milliseconds;

class Guest : public wasm::HttpInstance {
 public:
  Guest(int* alive, uint64_t bytes) : alive_(*alive), bytes_(bytes) { ++alive_; }
  ~Guest() override { --alive_; }
  uint64_t memory_bytes() const override { return bytes_; }

 private:
  int& alive_;
  const uint64_t bytes_;
};

class IdleInstancesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Reuse> Of(uint32_t requests = 100, milliseconds patience = milliseconds(1000)) {
    return std::make_unique<Reuse>(idle, nullptr, requests, patience);
  }
  void Give(const Reuse& of, uint64_t bytes = 10, uint32_t served = 0) {
    idle->Give(of, {.instance = std::make_unique<Guest>(&alive, bytes), .served = served});
  }

  int alive = 0;
  const std::shared_ptr<IdleInstances> idle =
      std::make_shared<IdleInstances>(IdleInstances::Most{.bytes = 100, .instances = 4});
};

TEST_F(IdleInstancesTest, TheLastThatWasGivenIsTakenFirst) {
  const auto one = Of(), other = Of();
  Give(*one, 10, 1);
  Give(*one, 10, 2);
  Give(*other, 10, 3);
  EXPECT_EQ(idle->Take(*one)->served, 3u);
  EXPECT_EQ(idle->Take(*one)->served, 2u);
  EXPECT_FALSE(idle->Take(*one));
  EXPECT_EQ(idle->counts().instances, 1u);
  EXPECT_EQ(idle->counts().bytes, 10u);
  EXPECT_EQ(idle->counts().reused, 2u);
}

TEST_F(IdleInstancesTest, OneThatHasServedEnoughEnds) {
  const auto of = Of(3);
  Give(*of, 10, 1);
  EXPECT_EQ(alive, 1);
  Give(*of, 10, 2);
  EXPECT_EQ(alive, 1);
}

TEST_F(IdleInstancesTest, WhoHasWaitedLongestMakesRoom) {
  const auto one = Of(), other = Of();
  Give(*one, 60);
  Give(*other, 40);
  Give(*one, 30);
  EXPECT_EQ(alive, 2);
  EXPECT_EQ(idle->counts().bytes, 70u);
  EXPECT_EQ(idle->counts().crowded_out, 1u);
  EXPECT_EQ(idle->Take(*one)->instance->memory_bytes(), 30u);
  EXPECT_FALSE(idle->Take(*one));
}

TEST_F(IdleInstancesTest, TheirNumberHasABoundToo) {
  const auto of = Of();
  for (int i = 0; i < 10; ++i) Give(*of, 1);
  EXPECT_EQ(alive, 4);
  EXPECT_EQ(idle->counts().crowded_out, 6u);
}

TEST_F(IdleInstancesTest, OneThatIsTooBigCrowdsOutNobody) {
  const auto of = Of();
  Give(*of, 10);
  Give(*of, 101);
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(idle->counts().crowded_out, 0u);
}

TEST_F(IdleInstancesTest, ThoseOfAComponentEndWithIt) {
  auto one = Of();
  const auto other = Of();
  Give(*one);
  Give(*other);
  Give(*one);
  one.reset();
  EXPECT_EQ(alive, 1);
  EXPECT_TRUE(idle->Take(*other));
}

TEST_F(IdleInstancesTest, PatienceIsEachComponentsOwn) {
  const auto patient = Of(100, milliseconds(10'000)), hasty = Of(100, milliseconds(1));
  Give(*patient);
  Give(*hasty);
  const auto now = std::chrono::steady_clock::now();
  idle->EndOld(now + milliseconds(1000));
  EXPECT_FALSE(idle->Take(*hasty));
  idle->EndOld(now + milliseconds(1000));
  EXPECT_TRUE(idle->Take(*patient));
  Give(*patient);
  idle->EndOld(now + milliseconds(20'000));
  EXPECT_EQ(alive, 0);
}

// For the sanitizers, and for what is counted.
TEST_F(IdleInstancesTest, ManyThreadsUseIt) {
  struct Still : wasm::HttpInstance {
    uint64_t memory_bytes() const override { return 30; }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < 200; ++round) {
        const auto of = Of(100, milliseconds(round % 2));
        for (int j = 0; j < 5; ++j) {
          auto one = idle->Take(*of).value_or(IdleInstances::One());
          if (one.instance == nullptr) one.instance = std::make_unique<Still>();
          idle->Give(*of, std::move(one));
        }
        idle->EndOld(std::chrono::steady_clock::now());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(idle->counts().instances, 0u);
  EXPECT_EQ(idle->counts().bytes, 0u);
}

}  // namespace
}  // namespace wasmoor::function
