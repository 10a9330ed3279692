// A program runs: from a file, from text, from standard input, as a component; and what it is told.

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

using RunTest = E2eTest;

TEST_F(RunTest, HelloSaysHello) {
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Ends(0), Prints("Hello from wasm!\n"), IsSilent()));
}

TEST_F(RunTest, TheSecondTimeToo) {
  Run({Guest("hello")});
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Ends(0), Prints("Hello from wasm!\n"), IsSilent()));
}

TEST_F(RunTest, AComponentSaysHello) {
  REQUIRE_GUEST("hello-component");
  EXPECT_THAT(Run({Guest("hello-component")}),
              AllOf(Ends(0), Prints("Hello from wasm!\n"), IsSilent()));
}

TEST_F(RunTest, AModuleInTextRuns) {
  const auto file = MakeFile("exit.wat", R"((module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 0)
    (func (export "_start") (call $exit (i32.const 7)))))");
  EXPECT_THAT(Run({file}), AllOf(Ends(7), IsSilent()));
}

TEST_F(RunTest, AModuleOnStandardInputRuns) {
  EXPECT_THAT(RunCommand({"-"}).Input(ReadFile(Guest("hello"))).Run(),
              AllOf(Ends(0), Prints("Hello from wasm!\n"), IsSilent()));
}

TEST_F(RunTest, AFileAsStandardInputRuns) {
  EXPECT_THAT(RunCommand({"-", "word"}).InputFile(Guest("args")).Run(),
              AllOf(Ends(0), Prints("arg 0: -\narg 1: word\n")));
}

TEST_F(RunTest, AModuleInTextOnStandardInputRuns) {
  EXPECT_THAT(RunCommand({"-"}).Input("(module (func (export \"_start\")))").Run(), Ends(0));
}

TEST_F(RunTest, ANameRelativeToTheDirectoryIsFound) {
  MakeFile("here/program", ReadFile(Guest("hello")));
  EXPECT_THAT(RunCommand({"program"}).In(scratch / "here").Run(), Prints("Hello from wasm!\n"));
}

TEST_F(RunTest, TheProgramsOwnNameIsArgumentZero) {
  EXPECT_THAT(Run({Guest("args")}), Prints("arg 0: " + Guest("args") + "\n"));
}

TEST_F(RunTest, WordsAfterTheFileBelongToTheProgramEvenIfTheyLookLikeOptions) {
  EXPECT_THAT(
      Run({Guest("args"), "--dir", "/", "-x", "--help", "--", "--timeout=1", "", "a b"}),
      AllOf(Ends(0), Prints("arg 0: " + Guest("args") +
                            "\narg 1: --dir\narg 2: /\narg 3: -x\narg 4: --help\narg 5: --\n"
                            "arg 6: --timeout=1\narg 7: \narg 8: a b\n")));
}

TEST_F(RunTest, AComponentGetsItsArgumentsToo) {
  REQUIRE_GUEST("args-component");
  EXPECT_THAT(Run({Guest("args-component"), "--env", "b"}),
              Prints("arg 0: " + Guest("args-component") + "\narg 1: --env\narg 2: b\n"));
}

TEST_F(RunTest, AFileWithTheNameOfAnOptionRunsAfterTwoDashes) {
  MakeFile("--version", ReadFile(Guest("hello")));
  EXPECT_THAT(RunCommand({"--", "--version"}).In(scratch).Run(), Prints("Hello from wasm!\n"));
}

TEST_F(RunTest, StandardInputIsTheProgramsInput) {
  EXPECT_THAT(RunCommand({Guest("cat")}).Input("some lines\nand more").Run(),
              AllOf(Ends(0), Prints("some lines\nand more")));
}

TEST_F(RunTest, AComponentReadsStandardInputToo) {
  REQUIRE_GUEST("greeter-component");
  EXPECT_THAT(Run({Guest("greeter-component"), "Ann"}),
              AllOf(Ends(0), Prints("Hello from a component, Ann!\n")));
}

TEST_F(RunTest, MebibytesPassThroughAProgramUnchanged) {
  std::string text;
  for (int line = 0; line < 200'000; ++line) text += "line " + std::to_string(line) + "\n";
  const Ended cat = RunCommand({Guest("cat")}).Input(text).Run();
  EXPECT_TRUE(cat.out == text) << cat.out.size() << " bytes of " << text.size();
}

TEST_F(RunTest, TheProgramsStatusIsOurs) {
  EXPECT_THAT(Run({Guest("exit42")}), AllOf(Ends(42), IsSilent()));
  for (const int status : {0, 1, 126, 134, 255}) {
    const auto file = MakeFile("exit.wat", R"((module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 0)
      (func (export "_start") (call $exit (i32.const )" +
                                               std::to_string(status) + "))))");
    EXPECT_THAT(Run({file}), AllOf(Ends(status), IsSilent()));
  }
}

TEST_F(RunTest, AComponentThatReturnsAnErrorEndsWithStatusOne) {
  REQUIRE_GUEST("greeter-component");
  EXPECT_THAT(Run({Guest("greeter-component"), "fail"}), Ends(1));
}

TEST_F(RunTest, WithoutAnyStandardStreamItRunsAllTheSame) {
  EXPECT_THAT(RunCommand({Guest("exit42")}).NoStreams().Run(), Ends(42));
}

TEST_F(RunTest, AGuestThatTakesOverItsStreamsDoesNotGetOurMessages) {
  const auto data = MakeDirectory("data");
  EXPECT_THAT(Run({"--dir", data.native() + "::/data", Guest("takeover"), "/data/file"}),
              AllOf(Ends(134), Complains(HasSubstr("trap"))));
  EXPECT_EQ(ReadFile(data / "file"), "taken over\ntaken over\ntaken over\n");
}

TEST_F(RunTest, InvokeCallsAnExportOfAModule) {
  EXPECT_THAT(Run({"--invoke", "add", Guest("invoke"), "40", "2"}),
              AllOf(Ends(0), Prints("42\n"), IsSilent()));
  EXPECT_THAT(Run({"--invoke", "hypotenuse", Guest("invoke"), "3", "4"}), Prints("5\n"));
  EXPECT_THAT(Run({"--invoke", "add", Guest("invoke"), "-1", "-2"}), Prints("-3\n"));
  EXPECT_THAT(Run({"--invoke", "divmod", Guest("invoke"), "17", "5"}), Prints("3\n2\n"));
  EXPECT_THAT(Run({"--invoke", "nothing", Guest("invoke")}), AllOf(Ends(0), Prints(IsEmpty())));
  EXPECT_THAT(Run({"--invoke", "answer", Guest("library")}), Prints("42\n"));
}

TEST_F(RunTest, InvokeSaysWhatAModuleHasInstead) {
  EXPECT_THAT(Run({"--invoke", "subtract", Guest("invoke")}),
              AllOf(Ends(126), Complains(AllOf(HasSubstr("'subtract'"), HasSubstr("add, fac")))));
  EXPECT_THAT(
      Run({"--invoke", "add", Guest("invoke"), "1"}),
      AllOf(Ends(126), Complains(AllOf(HasSubstr("2 arg"), HasSubstr("(i32, i32) -> i32")))));
  EXPECT_THAT(Run({"--invoke", "add", Guest("invoke"), "1", "two"}),
              AllOf(Ends(126), Complains(HasSubstr("'two' is not a number"))));
  EXPECT_THAT(Run({"--invoke", "crash", Guest("invoke")}),
              AllOf(Ends(134), Complains(HasSubstr("unreachable"))));
}

TEST_F(RunTest, InvokeCallsAnExportOfAComponent) {
  REQUIRE_GUEST("calc-component");
  const auto call = [this](const char* text) {
    return Run({"--invoke", text, Guest("calc-component")});
  };
  EXPECT_THAT(call("add(40, 2)"), AllOf(Ends(0), Prints("42\n"), IsSilent()));
  EXPECT_THAT(call("greet(\"Ann\")"), Prints("\"Hello, Ann!\"\n"));
  EXPECT_THAT(call("sum([1, 2, 3])"), Prints("6\n"));
  EXPECT_THAT(call("first([])"), Prints("none\n"));
  EXPECT_THAT(call("divide(1, 0)"), Prints("err(\"division by zero\")\n"));
  EXPECT_THAT(call("crash()"), AllOf(Ends(134), Complains(HasSubstr("unreachable"))));
  EXPECT_THAT(call("subtract(1)"), AllOf(Ends(126), Complains(HasSubstr("'subtract'"))));
  EXPECT_THAT(call("add(1)"), AllOf(Ends(126), Complains(HasSubstr("missing"))));
}

TEST_F(RunTest, VersionAndHelpAreThere) {
  EXPECT_THAT(Wasmoor({"--version"}).Run(),
              AllOf(Ends(0), Prints(StartsWith("wasmoor ")), Prints(HasSubstr("wasmtime "))));
  EXPECT_THAT(Wasmoor({"--help"}).Run(), AllOf(Ends(0), Prints(HasSubstr("run "))));
  EXPECT_THAT(Run({"--help"}), AllOf(Ends(0), Prints(HasSubstr("--timeout DURATION"))));
}

TEST_F(RunTest, AWrongCommandLineEndsWithStatusTwoAndSaysWhatIsWrong) {
  const auto usage = [](auto text) { return AllOf(Ends(2), Prints(IsEmpty()), Complains(text)); };
  EXPECT_THAT(Wasmoor({}).Run(), usage(HasSubstr("Usage")));
  EXPECT_THAT(Wasmoor({"walk"}).Run(), usage(HasSubstr("no command 'walk'")));
  EXPECT_THAT(Run({}), usage(HasSubstr("FILE is missing: wasmoor run FILE")));
  EXPECT_THAT(Run({"--fast", Guest("hello")}), usage(HasSubstr("no option --fast")));
  EXPECT_THAT(Run({"--timeout", "soon", Guest("hello")}), usage(HasSubstr("--timeout: 'soon'")));
  EXPECT_THAT(Run({"--max-memory", "much", Guest("hello")}),
              usage(HasSubstr("--max-memory: 'much'")));
  EXPECT_THAT(Run({"--tier", "magic", Guest("hello")}), usage(HasSubstr("--tier")));
  EXPECT_THAT(Run({"--engine", "none", Guest("hello")}), usage(HasSubstr("must be wasmtime")));
  EXPECT_THAT(Run({"--enable", "wings", Guest("hello")}),
              usage(HasSubstr("'wings': must be simd")));
}

}  // namespace
}  // namespace wasmoor::e2e
