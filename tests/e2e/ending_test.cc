// How a program ends that does not end by itself: by a trap, by its time, by a signal. Whatever it
// does then, looping or blocked.

#include <csignal>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class EndingTest : public E2eTest {};

TEST_F(EndingTest, ATrapEndsWithStatus134AndABacktraceThatNamesFunctions) {
  EXPECT_THAT(Run({Guest("trap")}),
              AllOf(Ends(134), Prints("about to trap at depth 3\n"),
                    Complains(AllOf(HasSubstr("trap.wasm: trap: "), HasSubstr("unreachable"),
                                    ContainsRegex("innermost.*\n.*middle.*\n.*outermost")))));
}

TEST_F(EndingTest, ABacktraceNamesFilesAndLinesWhereTheModuleHasThem) {
  EXPECT_THAT(Run({Guest("trap_debug")}),
              AllOf(Ends(134), Complains(ContainsRegex("trap\\.c:[0-9]+"))));
}

TEST_F(EndingTest, ATrapInAComponentIsToldAlike) {
  REQUIRE_GUEST("trap-component");
  EXPECT_THAT(Run({Guest("trap-component")}),
              AllOf(Ends(134), Complains(ContainsRegex("innermost.*\n.*middle.*\n.*outermost"))));
}

TEST_F(EndingTest, EveryKindOfTrapIsNamed) {
  EXPECT_THAT(Run({Guest("divide")}), AllOf(Ends(134), Complains(HasSubstr("divide by zero"))));
  EXPECT_THAT(Run({Guest("abort")}), AllOf(Ends(134), Complains(HasSubstr("abort"))));
  EXPECT_THAT(Run({Guest("start_trap")}), AllOf(Ends(134), Complains(HasSubstr("begin"))));
  EXPECT_THAT(Run({Guest("recurse")}),
              AllOf(Ends(134), Complains(AllOf(HasSubstr("stack"), HasSubstr("descend")))));
}

TEST_F(EndingTest, ASignalThatTheProgramRaisesEndsIt) {
  EXPECT_THAT(Run({Guest("raise"), "6"}), DiesBy(SIGABRT));
  EXPECT_THAT(Run({Guest("raise"), "15"}), DiesBy(SIGTERM));
  EXPECT_THAT(Run({Guest("raise"), "9"}), DiesBy(SIGKILL));
}

TEST_F(EndingTest, ASignalThatIsNoneIsRefused) {
  EXPECT_THAT(Run({Guest("raise"), "77"}),
              AllOf(Ends(1), Prints(HasSubstr("returned 28"))));  // inval
}

TEST_F(EndingTest, AProgramThatEndsInTimeIsLeftAlone) {
  EXPECT_THAT(Run({"--timeout", "1h", Guest("hello")}), AllOf(Ends(0), IsSilent()));
  EXPECT_THAT(Run({"--timeout", "30s", Guest("sleep"), "10"}),
              AllOf(Ends(0), Prints(HasSubstr("awake"))));
}

// A guest that does not end by itself, and what it says once it is at it.
struct Endless {
  const char* guest;
  const char* says;
};
void PrintTo(const Endless& endless, std::ostream* out) { *out << endless.guest; }

class EndlessTest : public E2eTest, public ::testing::WithParamInterface<Endless> {
 protected:
  Command Endlessly(std::vector<std::string> options) const {
    options.push_back(Guest(GetParam().guest));
    return RunCommand(std::move(options)).OpenInput().Within(seconds(20));
  }
};

TEST_P(EndlessTest, EndsAtItsTimeWithStatus124) {
  EXPECT_THAT(Endlessly({"--timeout", "200ms"}).Run(),
              AllOf(Ends(124), Prints(HasSubstr(GetParam().says)),
                    Complains(HasSubstr("did not end within 200.0 ms"))));
}

TEST_P(EndlessTest, EndsByTheSignalsThatAnyProgramEndsBy) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    const auto process = Endlessly({}).Start();
    ASSERT_TRUE(process->Says(GetParam().says));
    process->Signal(signal);
    EXPECT_THAT(process->Wait(), AllOf(DiesBy(signal), Ends(128 + signal)));
  }
}

TEST_P(EndlessTest, EndsByASignalThoughItHasADeadline) {
  const auto process = Endlessly({"--timeout", "1h"}).Start();
  ASSERT_TRUE(process->Says(GetParam().says));
  process->Signal(SIGTERM);
  EXPECT_THAT(process->Wait(), DiesBy(SIGTERM));
}

INSTANTIATE_TEST_SUITE_P(Guests, EndlessTest,
                         ::testing::Values(Endless{"loop", "looping"}, Endless{"sleep", "sleeping"},
                                           Endless{"read", "reading"}, Endless{"poll", "polling"}),
                         [](const auto& info) { return std::string(info.param.guest); });

TEST_F(EndingTest, AServerThatWaitsForAConnectionEndsAtItsTime) {
  EXPECT_THAT(
      RunCommand({"--tcplisten", "127.0.0.1:0", "--timeout", "200ms", Guest("serve")}).Run(),
      AllOf(Ends(124), Prints(HasSubstr("listening"))));
}

TEST_F(EndingTest, AComponentThatWaitsForInputEndsAtItsTimeAndByASignal) {
  REQUIRE_GUEST("cat-component");
  const Command cat = RunCommand({"--timeout", "200ms", Guest("cat-component")}).OpenInput();
  EXPECT_THAT(cat.Run(), Ends(124));
}

TEST_F(EndingTest, AModuleWhoseStartLoopsEndsAtItsTime) {
  const auto file = MakeFile("start.wat", "(module (func $f (loop (br 0))) (start $f))");
  EXPECT_THAT(Run({"--timeout", "100ms", file}), Ends(124));
}

TEST_F(EndingTest, AStoppedProgramGoesOn) {
  const auto process = RunCommand({Guest("sleep"), "300"}).Start();
  ASSERT_TRUE(process->Says("sleeping"));
  process->Signal(SIGSTOP);
  process->Signal(SIGCONT);
  EXPECT_THAT(process->Wait(),
              AllOf(Ends(0), Prints(HasSubstr("awake")), Complains(Not(HasSubstr("error")))));
}

}  // namespace
}  // namespace wasmoor::e2e
