#include "conformance/engine_suite/support.h"

// What a guest may import, and what a host function may see and do.
namespace wasmoor::suite {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using ImportTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, ImportTest, testing::ValuesIn(EveryWay()), WayName);

TEST_P(ImportTest, AMissingImportIsNamedWithItsTypeAndWhatProvidesIt) {
  const auto module = Load(R"((module
    (import "gojs" "runtime.ticks" (func (param f64) (result i32)))
    (import "test" "plain" (func))))");
  EXPECT_THAT(TryNew(*module),
              FailsWith(Code::kFailedPrecondition,
                        AllOf(HasSubstr("gojs.runtime.ticks (f64) -> i32 (no such function)"),
                              HasSubstr("GOOS=wasip1"), testing::Not(HasSubstr("test.plain")))));
}

TEST_P(ImportTest, ManyMissingImportsAreCounted) {
  std::string text = "(module";
  for (int i = 0; i < 20; ++i) text += fmt::format(R"((import "env" "f{}" (func)))", i);
  EXPECT_THAT(
      TryNew(*Load(text + ")")),
      FailsWith(Code::kFailedPrecondition, AllOf(HasSubstr("env.f0"), HasSubstr("12 more"))));
}

TEST_P(ImportTest, AnImportOfAnotherTypeIsRefusedWithBothTypes) {
  EXPECT_THAT(TryNew(*Load(R"((module (import "test" "number" (func (param i64) (result i32)))))")),
              FailsWith(Code::kFailedPrecondition,
                        AllOf(HasSubstr("test.number (i64) -> i32"), HasSubstr("(i32) -> i32"))));
}

TEST_P(ImportTest, WhatIsNoFunctionCannotBeImported) {
  for (const std::string_view import :
       {R"((memory 1))", R"((global i32))", R"((table 1 funcref))", R"((tag (param i32)))"}) {
    const auto module = Load(fmt::format(R"((module (import "env" "thing" {})))", import));
    EXPECT_THAT(TryNew(*module),
                FailsWith(Code::kFailedPrecondition,
                          AllOf(HasSubstr("env.thing"), HasSubstr("functions only"))))
        << import;
  }
}

TEST_P(ImportTest, AnEngineWithoutAHostProvidesNothing) {
  wasm::EngineOptions options = Options();
  options.host = nullptr;
  const auto engine = NewEngine(options);
  EXPECT_THAT(Load(*engine, R"((module (import "test" "plain" (func))))")->NewInstance({}),
              FailsWith(Code::kFailedPrecondition, HasSubstr("test.plain")));
  const auto alone = Must(Load(*engine, R"((module (func (export "_start"))))")->NewInstance({}));
  EXPECT_THAT(Must(alone->Run({})), ExitedWith(0));
}

TEST_P(ImportTest, ImportsAndExportsAreDescribed) {
  const auto module = Load(R"((module
    (import "test" "number" (func (param i32) (result i32)))
    (memory (export "memory") 1 10)
    (table (export "table") 2 funcref)
    (global (export "global") (mut i64) (i64.const 1))
    (func (export "run") (param f32 v128) (result f64) (f64.const 1))))");
  const auto imports = module->Imports();
  ASSERT_EQ(imports.size(), 1U);
  EXPECT_EQ(imports[0].module, "test");
  EXPECT_EQ(imports[0].name, "number");
  EXPECT_EQ(imports[0].type, "(i32) -> i32");
  std::vector<std::string> exports;
  for (const wasm::Extern& item : module->Exports()) exports.push_back(item.name + " " + item.type);
  EXPECT_THAT(exports, testing::UnorderedElementsAre("memory 1..10 pages", "table table of funcref",
                                                     "global mut i64", "run (f32, v128) -> f64"));
}

TEST_P(ImportTest, OneFunctionMayBeImportedTwice) {
  EXPECT_THAT(Run(R"((module (import "test" "plain" (func)) (import "test" "plain" (func $f))
                      (func (export "_start") (call $f))))"),
              ExitedWith(0));
}

using HostTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, HostTest, testing::ValuesIn(EveryWay()), WayName);

TEST_P(HostTest, NumbersOfAllTypesCrossUnchanged) {
  GuestOptions options;
  options.hooks->mixed = [](Call& call) {
    EXPECT_GE(call.frame.size(), 4U);
    EXPECT_EQ(call.frame[0].i32, std::numeric_limits<int32_t>::min());
    EXPECT_EQ(call.frame[1].i64, std::numeric_limits<int64_t>::max());
    EXPECT_EQ(call.frame[2].f32, 1.5F);
    EXPECT_TRUE(std::signbit(call.frame[3].f64));
    const hostcall::Value in[] = {call.frame[0], call.frame[1], call.frame[2], call.frame[3]};
    for (size_t i = 0; i < 4; ++i) call.frame[i] = in[3 - i];
    return Outcome::kReturned;
  };
  Guest guest = New(R"((module
    (import "test" "mixed" (func $mixed (param i32 i64 f32 f64) (result f64 f32 i64 i32)))
    (func (export "f") (result f64 f32 i64 i32)
      (call $mixed (i32.const -2147483648) (i64.const 9223372036854775807) (f32.const 1.5) (f64.const -0)))))",
                    std::move(options));
  EXPECT_THAT(guest.Invoke("f"), Returned("-0\n1.5\n9223372036854775807\n-2147483648"));
}

TEST_P(HostTest, VectorsCrossUnchanged) {
  GuestOptions options;
  options.hooks->vector = [](Call& call) {
    for (size_t i = 0; i < 16; ++i) EXPECT_EQ(call.frame[0].v128[i], i);
    std::reverse(call.frame[0].v128.begin(), call.frame[0].v128.end());
    return Outcome::kReturned;
  };
  Guest guest = New(R"((module (import "test" "vector" (func $vector (param v128) (result v128)))
    (func (export "f") (result v128)
      (call $vector (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)))))",
                    std::move(options));
  EXPECT_THAT(guest.Invoke("f"), Returned("0x000102030405060708090a0b0c0d0e0f"));
}

TEST_P(HostTest, MemoryIsSeenAsItIsNow) {
  GuestOptions options;
  std::vector<uint64_t> sizes;
  options.hooks->number = [&](Call& call) {
    sizes.push_back(call.memory.size());
    int32_t value = 0;
    const auto at = static_cast<uint32_t>(call.frame[0].i32);
    if (!call.memory.Load(at, &value)) return call.Return(-1);
    if (!call.memory.Store(at, value * 2)) return call.Return(-2);
    return call.Return(value);
  };
  Guest guest = New(R"((module (import "test" "number" (func $number (param i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 8) "\15\00\00\00")
    (func (export "at") (param i32) (result i32) (call $number (local.get 0)))
    (func (export "read") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))))",
                    std::move(options));
  EXPECT_THAT(guest.Invoke("at", {"8"}), Returned("21"));
  EXPECT_THAT(guest.Invoke("read", {"8"}), Returned("42"));
  EXPECT_THAT(guest.Invoke("at", {"65532"}), Returned("0")) << "the last four bytes";
  for (const char* outside : {"65533", "65536", "-4", "-1", "2147483647"})
    EXPECT_THAT(guest.Invoke("at", {outside}), Returned("-1")) << outside;
  EXPECT_THAT(guest.Invoke("grow"), Returned("1"));
  EXPECT_THAT(guest.Invoke("at", {"65536"}), Returned("0"));
  EXPECT_EQ(sizes.front(), 65536U);
  EXPECT_EQ(sizes.back(), 2 * 65536U);
}

TEST_P(HostTest, AGuestWithoutAMemoryHasNone) {
  GuestOptions options;
  uint64_t size = 1;
  options.hooks->plain = [&](Call& call) {
    size = call.memory.size();
    EXPECT_EQ(call.memory.At(0, 1), nullptr);
    return Outcome::kReturned;
  };
  EXPECT_THAT(Run(R"((module (import "test" "plain" (func $f)) (memory 1)
                      (func (export "_start") (call $f))))",
                  std::move(options)),
              ExitedWith(0));
  EXPECT_EQ(size, 0U) << "a memory that is not exported as 'memory' is nobody's business";
}

TEST_P(HostTest, TheStartFunctionMayCallToo) {
  GuestOptions options;
  uint64_t size = 0;
  options.hooks->plain = [&](Call& call) {
    size = call.memory.size();
    return Outcome::kReturned;
  };
  EXPECT_THAT(Run(R"((module (import "test" "plain" (func $f)) (memory (export "memory") 1)
                      (start $f) (func (export "_start"))))",
                  std::move(options)),
              ExitedWith(0));
  EXPECT_EQ(size, 65536U);
}

constexpr std::string_view kCallPlain = R"((module (import "test" "plain" (func $f))
  (func $inner (call $f)) (func (export "_start") (call $inner) unreachable)))";

TEST_P(HostTest, ATrapOfTheHostIsATrapWithItsSentence) {
  GuestOptions options;
  options.hooks->plain = [](Call& call) { return call.Trap("the sky is falling"); };
  const Exit exit = Run(kCallPlain, std::move(options));
  EXPECT_THAT(exit, TrappedBy(TrapCode::kHostFunction));
  EXPECT_EQ(exit.trap.message, "the sky is falling");
  ASSERT_FALSE(exit.trap.frames.empty());
  EXPECT_EQ(exit.trap.frames.front().function, "inner");
}

TEST_P(HostTest, AnExitEndsTheGuestWithItsCode) {
  for (const int32_t code : {0, 1, 42, 255, 256, -1}) {
    GuestOptions options;
    options.hooks->plain = [code](Call& call) { return call.Exit(code); };
    EXPECT_THAT(Run(kCallPlain, std::move(options)), ExitedWith(code));
  }
}

TEST_P(HostTest, ASignalThatTheGuestRaisesEndsIt) {
  GuestOptions options;
  options.hooks->plain = [](Call& call) { return call.Raise(6); };
  EXPECT_THAT(Run(kCallPlain, std::move(options)), SignaledBy(6));
}

TEST_P(HostTest, AFunctionThatNothingIsBoundToTraps) {
  const Exit exit =
      Run(R"((module (import "unbound" "plain" (func $f)) (func (export "_start") (call $f))))");
  EXPECT_THAT(exit, TrappedBy(TrapCode::kHostFunction));
  EXPECT_THAT(exit.trap.message, HasSubstr("unbound.plain is not granted"));
}

TEST_P(HostTest, AHundredThousandCallsLeaveNothingBehind) {
  GuestOptions options;
  int calls = 0;
  options.hooks->plain = [&](Call&) { return ++calls, Outcome::kReturned; };
  EXPECT_THAT(Run(R"((module (import "test" "plain" (func $f))
    (func (export "_start") (local $i i32)
      (loop $again (call $f) (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 100000)))))))",
                  std::move(options)),
              ExitedWith(0));
  EXPECT_EQ(calls, 100'000);
}

}  // namespace
}  // namespace wasmoor::suite
