// A program that wants more than there is: more memory, stack, table, descriptors, time. It is told
// no, or it ends; nothing else does.

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LimitsTest : public E2eTest {
 protected:
  // A program that calls `$exit` with what `body` leaves, in a module with these `fields`.
  std::string ExitsWith(const std::string& fields, const std::string& body) const {
    return MakeFile("limit.wat",
                    "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" "
                    "(func $exit (param i32)))" +
                        fields + "(func (export \"_start\") (call $exit " + body + ")))");
  }
};

TEST_F(LimitsTest, MemoryStopsGrowingAtItsLimit) {
  // Its first two pages count, so that of 8 MiB it gets 7 more.
  EXPECT_THAT(
      Run({"--max-memory", "8M", Guest("grow")}),
      AllOf(Ends(0), Prints(ContainsRegex("^grew by 7 MiB to 1[12][0-9] pages\n$")), IsSilent()));
  EXPECT_THAT(Run({"--max-memory", "8M", "--stats", "--json", Guest("grow")}),
              Complains(HasSubstr("\"guest_memory_refusals\":1")));
}

TEST_F(LimitsTest, TheMemoryOfAComponentDoesToo) {
  REQUIRE_GUEST("grow-component");
  EXPECT_THAT(Run({"--max-memory", "8M", Guest("grow-component")}),
              AllOf(Ends(0), Prints(HasSubstr("grew by 7 MiB"))));
}

TEST_F(LimitsTest, TheLimitHoldsToThePage) {
  const std::string grow = ExitsWith(
      "(memory (export \"memory\") 1)",
      "(i32.add (i32.mul (i32.const 10) (i32.eq (memory.grow (i32.const 1)) (i32.const 1)))"
      "(i32.eq (memory.grow (i32.const 1)) (i32.const -1)))");
  EXPECT_THAT(Run({"--max-memory", "128K", grow}), Ends(11));
  EXPECT_THAT(Run({"--max-memory", "131071", grow}), Ends(1));
  EXPECT_THAT(Run({"--max-memory", "192K", grow}), Ends(10));
}

TEST_F(LimitsTest, AllMemoriesOfAProgramCountTogether) {
  const std::string two = ExitsWith("(memory (export \"memory\") 1) (memory $other 1)",
                                    "(i32.eq (memory.grow $other (i32.const 1)) (i32.const -1))");
  EXPECT_THAT(Run({"--max-memory", "128K", two}), Ends(1));
  EXPECT_THAT(Run({"--max-memory", "192K", two}), Ends(0));
}

TEST_F(LimitsTest, FourGibibytesGrowAndCostNothingUntilTheyAreUsed) {
  EXPECT_THAT(Run({Guest("grow")}), AllOf(Ends(0), Prints(HasSubstr("grew by 4095 MiB"))));
  EXPECT_THAT(Run({Guest("big_memory")}), AllOf(Ends(0), IsSilent()));
}

TEST_F(LimitsTest, MemoryOf64BitsEndsAtTheSameLimit) {
  EXPECT_THAT(
      Run({ExitsWith("(memory (export \"memory\") i64 1)",
                     "(i32.wrap_i64 (i64.sub (i64.const 0) (memory.grow (i64.const 65536))))")}),
      Ends(1));
}

TEST_F(LimitsTest, AModuleThatBeginsBeyondItsLimitIsRefused) {
  EXPECT_THAT(Run({"--max-memory", "1M", Guest("big_memory")}),
              AllOf(Ends(126), Prints(IsEmpty()),
                    Complains(AllOf(HasSubstr("big_memory.wasm: "), HasSubstr("65536 pages"),
                                    HasSubstr("--max-memory is 1.0 MiB")))));
  EXPECT_THAT(Run({"--max-memory", "0", Guest("hello")}),
              AllOf(Ends(126), Prints(IsEmpty()), Complains(HasSubstr("--max-memory"))));
}

TEST_F(LimitsTest, AComponentThatBeginsBeyondItsLimitIsRefused) {
  REQUIRE_GUEST("hello-component");
  EXPECT_THAT(
      Run({"--max-memory", "64K", Guest("hello-component")}),
      AllOf(Ends(126), Prints(IsEmpty()), Complains(HasSubstr("--max-memory is 64.0 KiB"))));
}

TEST_F(LimitsTest, TablesStopGrowingAtTenMillionElements) {
  EXPECT_THAT(Run({Guest("big_table")}), AllOf(Ends(9), IsSilent()));
}

TEST_F(LimitsTest, ATableThatBeginsBeyondTheLimitIsRefused) {
  EXPECT_THAT(Run({ExitsWith("(table 10000001 funcref)", "(i32.const 0)")}),
              AllOf(Ends(126), Complains(HasSubstr("table"))));
}

TEST_F(LimitsTest, DeepRecursionEndsWithABacktraceOfItsInnermostFrames) {
  const Ended deep = Run({Guest("recurse")});
  EXPECT_THAT(deep, AllOf(Ends(134), Prints(IsEmpty()),
                          Complains(AllOf(HasSubstr("stack"), HasSubstr("descend")))));
  EXPECT_LT(deep.err.size(), 4096U) << "not all of thousands of frames";
}

TEST_F(LimitsTest, RecursionOfEveryKindEnds) {
  EXPECT_THAT(Run({MakeFile("start.wat", "(module (func $f (call $f)) (start $f))")}),
              AllOf(Ends(134), Complains(HasSubstr("stack"))));
  const auto indirect = MakeFile("indirect.wat", R"((module (table funcref (elem $f))
    (func $f (call_indirect (i32.const 0))) (func (export "_start") (call $f))))");
  EXPECT_THAT(Run({indirect}), AllOf(Ends(134), Complains(HasSubstr("stack"))));
  const auto wide = MakeFile(
      "wide.wat", "(module (func $f (param i64) (local" +
                      [] {
                        std::string locals;
                        for (int i = 0; i < 1000; ++i) locals += " i64";
                        return locals;
                      }() +
                      ") (call $f (local.get 1)) (drop (i64.add (local.get 0) (local.get 999))))"
                      "(func (export \"_start\") (call $f (i64.const 1))))");
  EXPECT_THAT(Run({wide}), AllOf(Ends(134), Complains(HasSubstr("stack"))));
}

TEST_F(LimitsTest, TheStackCanBeSmallerOrLarger) {
  // 30,000 frames fit into 4 MiB and not into 64 KiB.
  const auto deep = MakeFile("deep.wat", R"((module
    (func $f (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1)))))
        (else (i32.const 0))))
    (func (export "_start") (drop (call $f (i32.const 30000))))))");
  EXPECT_THAT(Run({"--max-stack", "4M", deep}), AllOf(Ends(0), IsSilent()));
  EXPECT_THAT(Run({"--max-stack", "64K", deep}), AllOf(Ends(134), Complains(HasSubstr("stack"))));
  EXPECT_THAT(Run({"--max-stack", "7M", deep}),
              AllOf(Ends(2), Complains(HasSubstr("must be from 64.0 KiB to 6.0 MiB"))));
}

TEST_F(LimitsTest, AProgramThatOpensFilesWithoutEndIsToldSo) {
  const auto data = MakeDirectory("data");
  MakeFile("data/file", "");
  const std::string grant = data.native() + "::/data";
  EXPECT_THAT(Run({"--dir", grant, Guest("flood"), "/data/file"}),
              AllOf(Ends(0), IsSilent(),
                    Prints("opened 4092, then: No file descriptors available\n"
                           "and one more after a close\n")));
  EXPECT_THAT(RunAfter("ulimit -n 64", {"--dir", grant, Guest("flood"), "/data/file"}).Run(),
              AllOf(Ends(0), IsSilent(),
                    Prints(ContainsRegex("^opened [45][0-9], then: No file descriptors available\n"
                                         "and one more after a close\n$"))));
}

TEST_F(LimitsTest, AComponentThatOpensFilesWithoutEndIsToldSo) {
  REQUIRE_GUEST("flood-component");
  const std::string grant = MakeDirectory("data").native() + "::/data";
  MakeFile("data/file", "");
  EXPECT_THAT(Run({"--dir", grant, Guest("flood-component"), "/data/file"}),
              AllOf(Ends(0), Prints(HasSubstr("one more after a close"))));
  EXPECT_THAT(
      RunAfter("ulimit -n 64", {"--dir", grant, Guest("flood-component"), "/data/file"}).Run(),
      AllOf(Ends(0), Prints(HasSubstr("one more after a close"))));
}

TEST_F(LimitsTest, WithoutAddressSpaceForAMemoryItSaysSo) {
  EXPECT_THAT(RunAfter("ulimit -v 2000000", {Guest("hello")}).Run(),
              AllOf(Ends(126), Prints(IsEmpty()), Complains(HasSubstr("Cannot allocate memory"))));
}

TEST_F(LimitsTest, NoTimeAtAllIsOverAtOnce) {
  EXPECT_THAT(Run({"--timeout", "0", Guest("hello")}), AllOf(Ends(124), Prints(IsEmpty())));
}

TEST_F(LimitsTest, TheTimeOfACompilerIsNotTheProgramsTime) {
  const auto large = MakeFile("large.wasm", LargeModule(2000));
  EXPECT_THAT(Run({"--timeout", "50ms", "--no-cache", "--tier", "optimized", large}),
              AllOf(Ends(0), IsSilent()));
}

TEST_F(LimitsTest, EndlessComponentsEndAtTheirTime) {
  REQUIRE_GUEST("loop-component");
  for (const char* name : {"loop-component", "sleep-component"}) {
    EXPECT_THAT(RunCommand({"--timeout", "200ms", Guest(name)}).Within(seconds(20)).Run(),
                AllOf(Ends(124), Complains(HasSubstr("did not end within 200.0 ms"))));
  }
}

}  // namespace
}  // namespace wasmoor::e2e
