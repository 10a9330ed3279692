#include <pthread.h>

#include "conformance/engine_suite/support.h"

// What a guest may use, and what it is told when it wants more.
namespace wasmoor::suite {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uint64_t kPage = 65536;

using LimitTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, LimitTest, testing::ValuesIn(EveryWay()), WayName);

constexpr std::string_view kMemory = R"((module (memory (export "memory") 1 100)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size))))";

TEST_P(LimitTest, MemoryGrowsToItsLimitAndNoFurther) {
  GuestOptions options;
  options.limits.memory_bytes = 10 * kPage;
  Guest guest = New(kMemory, std::move(options));
  EXPECT_THAT(guest.Invoke("grow", {"10"}), Returned("-1"));
  EXPECT_THAT(guest.Invoke("grow", {"9"}), Returned("1"));
  EXPECT_THAT(guest.Invoke("grow", {"1"}), Returned("-1"));
  EXPECT_THAT(guest.Invoke("grow", {"-1"}), Returned("-1"));
  EXPECT_THAT(guest.Invoke("grow", {"0"}), Returned("10"));
  EXPECT_THAT(guest.Invoke("size"), Returned("10"));
  EXPECT_EQ(guest.instance->usage().memory_bytes, 10 * kPage);
  EXPECT_EQ(guest.instance->usage().memory_refusals, 3U);
}

TEST_P(LimitTest, GrowthBeyondWhatTheModuleDeclaresIsNotCounted) {
  Guest guest = New(kMemory);
  EXPECT_THAT(guest.Invoke("grow", {"100"}), Returned("-1"));
  EXPECT_THAT(guest.Invoke("grow", {"99"}), Returned("1"));
  EXPECT_EQ(guest.instance->usage().memory_bytes, 100 * kPage);
}

// A memory of one-byte pages is told "no" before its limiter is asked. Told so again and again, it
// must not gain room.
TEST_P(LimitTest, GrowthThatNoMemoryCanHoldGivesNoRoomBack) {
  wasm::EngineOptions engine_options = Options();
  engine_options.features.custom_page_sizes = true;
  const auto engine = NewEngine(engine_options);
  GuestOptions options;
  options.limits.memory_bytes = 100'000;
  Guest guest = New(*Load(*engine, R"((module (memory i64 0 (pagesize 1))
    (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0)))))"),
                    std::move(options));
  EXPECT_THAT(guest.Invoke("grow", {"60000"}), Returned("0"));
  EXPECT_THAT(guest.Invoke("grow", {"-1"}), Returned("-1"));
  EXPECT_THAT(guest.Invoke("grow", {"60000"}), Returned("-1"));
  EXPECT_EQ(guest.instance->usage().memory_bytes, 60'000U);
}

TEST_P(LimitTest, TheLimitIsOnTheSumOfAllMemories) {
  GuestOptions options;
  options.limits.memory_bytes = 5 * kPage;
  Guest guest = New(R"((module (memory $a 1) (memory $b 1)
    (func (export "a") (result i32) (memory.grow $a (i32.const 2)))
    (func (export "b") (result i32) (memory.grow $b (i32.const 2)))))",
                    std::move(options));
  EXPECT_THAT(guest.Invoke("a"), Returned("1"));
  EXPECT_THAT(guest.Invoke("b"), Returned("-1"));
}

TEST_P(LimitTest, AModuleThatStartsBeyondTheLimitIsAnErrorThatSaysSo) {
  const auto run = [&](std::string_view wat, const wasm::Limits& limits) {
    GuestOptions options;
    options.limits = limits;
    return New(wat, std::move(options)).Run();
  };
  EXPECT_THAT(run("(module (memory 4))", {.memory_bytes = 3 * kPage}),
              FailsWith(Code::kResourceExhausted, HasSubstr("4 pages")));
  EXPECT_THAT(run("(module (table 10 funcref))", {.table_elements = 9}),
              FailsWith(Code::kResourceExhausted, HasSubstr("10")));
  EXPECT_THAT(run("(module (memory 1) (memory 1))", {.memories = 1}),
              FailsWith(Code::kResourceExhausted, HasSubstr("memor")));
}

TEST_P(LimitTest, TablesGrowToTheirLimitAndNoFurther) {
  GuestOptions options;
  options.limits.table_elements = 10;
  Guest guest = New(R"((module (table $t 1 externref)
    (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null extern) (local.get 0)))))",
                    std::move(options));
  EXPECT_THAT(guest.Invoke("grow", {"10"}), Returned("-1"));
  EXPECT_THAT(guest.Invoke("grow", {"9"}), Returned("1"));
  EXPECT_THAT(guest.Invoke("grow", {"1"}), Returned("-1"));
  EXPECT_EQ(guest.instance->usage().table_elements, 10U);
}

TEST_P(LimitTest, ObjectsOfTheCollectorCountAsMemory) {
  GuestOptions options;
  options.limits.memory_bytes = 4 << 20;
  const Exit exit =
      New(R"((module (type $list (struct (field (ref null $list)) (field i64) (field i64)))
    (global $all (mut (ref null $list)) (ref.null $list))
    (func (export "f") (loop $more
      (global.set $all (struct.new $list (global.get $all) (i64.const 1) (i64.const 2))) (br $more)))))",
          std::move(options))
          .Invoke("f");
  EXPECT_EQ(exit.kind, Exit::Kind::kTrapped);
  EXPECT_NE(exit.trap.message, "");
}

constexpr std::string_view kDepth = R"((module (global $n (mut i32) (i32.const 0))
  (func $down (export "down") (global.set $n (i32.add (global.get $n) (i32.const 1))) (call $down))
  (func (export "depth") (result i32) (global.get $n))))";

// How deep a recursion comes on a stack of this size: its trap ends the guest, so the host counts.
int DepthOf(uint64_t stack_bytes, const std::function<Exit(uint64_t, GuestOptions)>& run) {
  int depth = 0;
  GuestOptions options;
  options.hooks->plain = [&](Call&) { return ++depth, Outcome::kReturned; };
  EXPECT_THAT(run(stack_bytes, std::move(options)), TrappedBy(TrapCode::kStackOverflow));
  return depth;
}

TEST_P(LimitTest, AStackOfTwiceTheSizeIsTwiceAsDeep) {
  const auto run = [&](uint64_t stack_bytes, GuestOptions guest) {
    wasm::EngineOptions options = Options();
    options.stack_bytes = stack_bytes;
    const auto engine = NewEngine(options);
    return New(*Load(*engine, R"((module (import "test" "plain" (func $count))
      (func $down (export "down") (call $count) (call $down))))"),
               std::move(guest))
        .Invoke("down");
  };
  const int shallow = DepthOf(256 << 10, run);
  const int deep = DepthOf(512 << 10, run);
  EXPECT_GT(shallow, 1000);
  EXPECT_GT(deep, shallow * 3 / 2);
  EXPECT_LT(deep, shallow * 5 / 2);
}

TEST_P(LimitTest, AGuestDoesNotBeginOnAThreadWithTooSmallAStack) {
  Guest guest = New(kDepth);
  Result<Exit> result = Exit{};
  const std::function<void()> body = [&] { result = guest.Run({.function = "down"}); };
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 512 << 10), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, &attributes,
                [](void* run) -> void* {
                  (*static_cast<const std::function<void()>*>(run))();
                  return nullptr;
                },
                const_cast<std::function<void()>*>(&body)),
            0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  EXPECT_THAT(result, FailsWith(Code::kFailedPrecondition, HasSubstr("stack")));
  EXPECT_THAT(guest.Invoke("depth"), Returned("0")) << "no code of it has run";
}

TEST_P(LimitTest, UsageIsWhatTheGuestHas) {
  Guest guest = New(R"((module (memory 3) (table 7 funcref) (func (export "_start"))))");
  EXPECT_EQ(guest.instance->usage().memory_bytes, 0U) << "before its first run";
  EXPECT_THAT(Must(guest.Run()), ExitedWith(0));
  EXPECT_EQ(guest.instance->usage().memory_bytes, 3 * kPage);
  EXPECT_EQ(guest.instance->usage().table_elements, 7U);
  EXPECT_EQ(guest.instance->usage().memory_refusals, 0U);
}

using PoolTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, PoolTest, testing::ValuesIn(EveryMany()), WayName);

TEST_P(PoolTest, AFullPoolIsAnErrorUntilAGuestIsGone) {
  wasm::EngineOptions options = Options();
  options.pool.instances = 2;
  const auto engine = NewEngine(options);
  const auto module = Load(*engine, kMemory);
  Guest first = New(*module);
  auto second = std::make_unique<Guest>(New(*module));
  Guest third = New(*module);
  EXPECT_THAT(first.Invoke("size"), Returned("1"));
  EXPECT_THAT(second->Invoke("size"), Returned("1"));
  EXPECT_THAT(third.Run({.function = "size"}), FailsWith(Code::kResourceExhausted));
  second.reset();
  EXPECT_THAT(third.Invoke("size"), Returned("1"));
}

TEST_P(PoolTest, AModuleThatFitsNoPlaceIsRefusedWhenItIsLoaded) {
  wasm::EngineOptions options = Options();
  options.pool.memory_bytes = 4 * kPage;
  const auto engine = NewEngine(options);
  const auto code = Must(engine->Compile(BytesOf(R"((module (memory 5)))"), GetParam().tier));
  EXPECT_THAT(engine->Load(code), FailsWith(Code::kResourceExhausted, HasSubstr("pool")));
  EXPECT_THAT(New(*Load(*engine, kMemory)).Invoke("grow", {"4"}), Returned("-1"));
}

TEST_P(PoolTest, APlaceIsCleanForItsNextGuest) {
  wasm::EngineOptions options = Options();
  options.pool.instances = 1;
  const auto engine = NewEngine(options);
  const auto module = Load(*engine, R"((module (memory 4) (global $g (mut i64) (i64.const 5))
    (table $t 4 funcref) (elem declare func $f) (func $f)
    (data (i32.const 100) "abc")
    (func (export "spoil") (result i32)
      (memory.fill (i32.const 0) (i32.const 255) (i32.const 262144))
      (global.set $g (i64.const -1))
      (table.fill $t (i32.const 0) (ref.func $f) (i32.const 4))
      (memory.grow (i32.const 8)))
    (func (export "clean") (result i64) (local $at i32) (local $sum i64)
      (loop $next
        (local.set $sum (i64.add (local.get $sum) (i64.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 262144))))
      (i64.add (i64.add (local.get $sum) (global.get $g))
               (i64.extend_i32_u (i32.add (ref.is_null (table.get $t (i32.const 3))) (memory.size)))))))");
  const std::string clean = std::to_string('a' + 'b' + 'c' + 5 + 1 + 4);
  for (int round = 0; round < 4; ++round) {
    Guest guest = New(*module);
    EXPECT_THAT(guest.Invoke("clean"), Returned(clean)) << "guest " << round;
    EXPECT_THAT(guest.Invoke("spoil"), Returned("4"));
  }
}

}  // namespace
}  // namespace wasmoor::suite
