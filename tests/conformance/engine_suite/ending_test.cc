#include "conformance/engine_suite/support.h"

// How guests end, and what is called when.
namespace wasmoor::suite {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Fault {
  std::string_view wat;  // Exports "f".
  TrapCode code;
};

const std::vector<Fault>& Faults() {
  static const std::vector<Fault> faults = {
      {R"((module (func (export "f") unreachable)))", TrapCode::kUnreachable},
      {R"((module (memory 1) (func (export "f") (drop (i32.load (i32.const 65533))))))",
       TrapCode::kMemoryOutOfBounds},
      {R"((module (memory 1) (func (export "f") (i64.store offset=4294967295 (i32.const -1) (i64.const 0)))))",
       TrapCode::kMemoryOutOfBounds},
      {R"((module (table 1 funcref) (type $t (func)) (func (export "f") (call_indirect (type $t) (i32.const 1)))))",
       TrapCode::kTableOutOfBounds},
      {R"((module (table 1 funcref) (type $t (func)) (func (export "f") (call_indirect (type $t) (i32.const 0)))))",
       TrapCode::kIndirectCallToNull},
      {R"((module (table funcref (elem $g)) (type $t (func)) (func $g (param i32))
           (func (export "f") (call_indirect (type $t) (i32.const 0)))))",
       TrapCode::kBadSignature},
      {R"((module (func (export "f") (drop (i32.div_s (i32.const -2147483648) (i32.const -1))))))",
       TrapCode::kIntegerOverflow},
      {R"((module (func (export "f") (drop (i64.rem_u (i64.const 1) (i64.const 0))))))",
       TrapCode::kIntegerDivisionByZero},
      {R"((module (func (export "f") (drop (i32.trunc_f64_s (f64.const nan))))))",
       TrapCode::kBadConversionToInteger},
      {R"((module (func $f (export "f") (result i32) (i32.add (call $f) (i32.const 1)))))",
       TrapCode::kStackOverflow},
      {R"((module (type $t (func)) (func (export "f") (call_ref $t (ref.null $t)))))",
       TrapCode::kNullReference},
      {R"((module (tag $e) (func (export "f") (throw $e))))", TrapCode::kUncaughtException},
  };
  return faults;
}

using EndingTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, EndingTest, testing::ValuesIn(EveryWay()), WayName);

TEST_P(EndingTest, EveryKindOfTrapHasItsCodeAndASentence) {
  for (const Fault& fault : Faults()) {
    const Exit exit = New(fault.wat).Invoke("f");
    EXPECT_THAT(exit, TrappedBy(fault.code)) << fault.wat;
    EXPECT_NE(exit.trap.message, "") << fault.wat;
    EXPECT_EQ(exit.trap.message.find('\n'), std::string::npos) << exit.trap.message;
    EXPECT_EQ(exit.ShellStatus(), 134);
  }
}

TEST_P(EndingTest, AMisalignedAtomicTraps) {
  wasm::EngineOptions options = Options();
  options.features.threads = true;
  const auto engine = NewEngine(options);
  EXPECT_THAT(New(*Load(*engine, R"((module (memory 1)
                (func (export "f") (drop (i32.atomic.load (i32.const 1))))))"))
                  .Invoke("f"),
              TrappedBy(TrapCode::kMisalignedAtomic));
}

TEST_P(EndingTest, ABacktraceNamesFunctionsInnermostFirst) {
  const Exit exit = New(R"((module
    (func $digs unreachable) (func $walks (call $digs)) (func (export "f") (call $walks))))")
                        .Invoke("f");
  ASSERT_EQ(exit.trap.frames.size(), 3U) << Describe(exit);
  EXPECT_EQ(exit.trap.frames[0].function, "digs");
  EXPECT_EQ(exit.trap.frames[1].function, "walks");
  EXPECT_EQ(exit.trap.frames[2].function, "<function 2>");
  EXPECT_EQ(exit.trap.frames[0].function_index, 0U);
  EXPECT_GT(exit.trap.frames[0].module_offset, 8U);
  EXPECT_THAT(exit.trap.backtrace, AllOf(HasSubstr("digs"), HasSubstr("walks")));
}

TEST_P(EndingTest, ABacktraceNamesFilesAndLinesWhereTheModuleKnowsThem) {
  if (const auto why = WhyMissing("trap_debug"); !why.empty()) GTEST_SKIP() << why;
  const Exit exit = Run(GuestFile("trap_debug"));
  ASSERT_EQ(exit.kind, Exit::Kind::kTrapped) << Describe(exit);
  EXPECT_THAT(exit.trap.backtrace, HasSubstr("trap.c:"));
}

TEST_P(EndingTest, AReturnIsZeroAndProcExitIsItsCode) {
  EXPECT_THAT(Run(R"((module (func (export "_start"))))"), ExitedWith(0));
  for (const int code : {0, 1, 42, 125}) {
    const Exit exit = Run(fmt::format(R"((module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (func (export "_start") (call $exit (i32.const {})) unreachable)))",
                                      code));
    EXPECT_THAT(exit, ExitedWith(code));
    EXPECT_EQ(exit.ShellStatus(), code);
  }
}

TEST_P(EndingTest, AStartFunctionThatTrapsOrExitsEndsTheGuest) {
  const Exit trap = Run(R"((module (func $s unreachable) (start $s) (func (export "_start"))))");
  EXPECT_THAT(trap, TrappedBy(TrapCode::kUnreachable));
  ASSERT_FALSE(trap.trap.frames.empty());
  EXPECT_EQ(trap.trap.frames.front().function, "s");
  GuestOptions options;
  options.hooks->plain = [](Call& call) { return call.Exit(7); };
  EXPECT_THAT(Run(R"((module (import "test" "plain" (func $f)) (start $f)
                      (func (export "_start") unreachable)))",
                  std::move(options)),
              ExitedWith(7));
}

TEST_P(EndingTest, DataThatDoesNotFitIsATrap) {
  const auto guest =
      New(R"((module (memory 1) (data (i32.const 65536) "x") (func (export "_start"))))").Run();
  ASSERT_TRUE(guest || guest.error().code() == Code::kResourceExhausted) << guest.error().message();
  EXPECT_TRUE(!guest || guest->trap.code == TrapCode::kMemoryOutOfBounds);
}

TEST_P(EndingTest, AModuleWithoutACommandSaysWhatItHas) {
  EXPECT_THAT(New(R"((module (func (export "other"))))").Run(),
              FailsWith(Code::kNotFound, AllOf(HasSubstr("_start"), HasSubstr("other"))));
  EXPECT_THAT(New("(module)").Run(), FailsWith(Code::kNotFound, HasSubstr("exports no function")));
  EXPECT_THAT(New(R"((module (func (export "_start") (param i32))))").Run(),
              FailsWith(Code::kFailedPrecondition, HasSubstr("(i32)")));
  EXPECT_THAT(New(R"((module (memory (export "_start") 1)))").Run(), FailsWith(Code::kNotFound));
}

TEST_P(EndingTest, NamesOfTheGuestDoNotFillTheLog) {
  std::string text = "(module";
  for (int i = 0; i < 200; ++i)
    text += fmt::format(R"((func (export "{}{}")))", std::string(5000, 'x'), i);
  const auto refused = New(text + ")").Run();
  ASSERT_THAT(refused, FailsWith(Code::kNotFound, HasSubstr("180 more")));
  EXPECT_LT(refused.error().message().size(), 4000U);
  const auto missing = TryNew(
      *Load(fmt::format(R"((module (import "{0}" "{0}" (func))))", std::string(50'000, 'y'))));
  ASSERT_THAT(missing, FailsWith(Code::kFailedPrecondition));
  EXPECT_LT(missing.error().message().size(), 4000U);
}

TEST_P(EndingTest, ADefaultExportWithoutANameIsACommandToo) {
  EXPECT_THAT(Run(R"((module (func (export ""))))"), ExitedWith(0));
}

using InvokeTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, InvokeTest, testing::ValuesIn(EveryWay()), WayName);

constexpr std::string_view kIdentity = R"((module
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "v128") (param v128))
  (func (export "two") (param i32 f64) (result f64 i32) (local.get 1) (local.get 0))
  (func (export "none") (result externref) (ref.null extern))
  (memory (export "memory") 1)))";

TEST_P(InvokeTest, ValuesGoInAndOutAsText) {
  Guest guest = New(kIdentity);
  EXPECT_THAT(guest.Invoke("i32", {"-2147483648"}), Returned("-2147483648"));
  EXPECT_THAT(guest.Invoke("i32", {"4294967295"}), Returned("-1"));
  EXPECT_THAT(guest.Invoke("i32", {"0x7f"}), Returned("127"));
  EXPECT_THAT(guest.Invoke("i64", {"9223372036854775807"}), Returned("9223372036854775807"));
  EXPECT_THAT(guest.Invoke("f32", {"0.1"}), Returned("0.1"));
  EXPECT_THAT(guest.Invoke("f64", {"-1e300"}), Returned("-1e+300"));
  EXPECT_THAT(guest.Invoke("f64", {"inf"}), Returned("inf"));
  EXPECT_THAT(guest.Invoke("f64", {"nan"}), Returned("nan"));
  EXPECT_THAT(guest.Invoke("two", {"3", "2.5"}), Returned("2.5\n3"));
  EXPECT_THAT(guest.Invoke("none"), ExitedWith(0));
}

TEST_P(InvokeTest, ValuesThatDoNotFitAreErrorsThatNameThem) {
  Guest guest = New(kIdentity);
  for (const std::string_view bad :
       {"", "x", "1.5", "4294967296", "-2147483649", "1 ", "--1", "0x"}) {
    EXPECT_THAT(guest.Run({.function = "i32", .arguments = {std::string(bad)}}),
                FailsWith(Code::kInvalidArgument,
                          AllOf(HasSubstr(fmt::format("'{}'", bad)), HasSubstr("i32"))));
  }
  EXPECT_THAT(guest.Run({.function = "i32"}),
              FailsWith(Code::kInvalidArgument, HasSubstr("1 argument")));
  EXPECT_THAT(guest.Run({.function = "i32", .arguments = {"1", "2"}}),
              FailsWith(Code::kInvalidArgument, HasSubstr("2 given")));
  EXPECT_THAT(guest.Run({.function = "v128", .arguments = {"1"}}),
              FailsWith(Code::kInvalidArgument, HasSubstr("v128")));
  EXPECT_THAT(guest.Run({.function = "i33"}),
              FailsWith(Code::kNotFound, AllOf(HasSubstr("i33"), HasSubstr("i32"))));
  EXPECT_THAT(guest.Run({.function = "memory"}),
              FailsWith(Code::kNotFound, HasSubstr("not a function")));
  EXPECT_THAT(guest.Invoke("i32", {"5"}), Returned("5")) << "the instance is as good as before";
}

constexpr std::string_view kReactor = R"((module
  (global $n (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 1))))
  (func (export "count") (result i32) (global.get $n))))";

TEST_P(InvokeTest, AReactorIsInitializedOnceBeforeItsFirstExport) {
  Guest guest = New(kReactor);
  EXPECT_THAT(guest.Invoke("count"), Returned("1"));
  EXPECT_THAT(guest.Invoke("count"), Returned("1"));
  Guest named = New(kReactor);
  EXPECT_THAT(named.Invoke("_initialize"), ExitedWith(0));
  EXPECT_THAT(named.Invoke("count"), Returned("1"));
}

TEST_P(InvokeTest, AReactorWhoseInitializationTrapsDoesNotRun) {
  EXPECT_THAT(New(R"((module (func (export "_initialize") unreachable)
                      (func (export "f") (result i32) (i32.const 1))))")
                  .Invoke("f"),
              TrappedBy(TrapCode::kUnreachable));
  EXPECT_THAT(New(R"((module (func (export "_initialize") (param i32)) (func (export "f"))))")
                  .Run({.function = "f"}),
              FailsWith(Code::kFailedPrecondition, HasSubstr("_initialize")));
}

}  // namespace
}  // namespace wasmoor::suite
