// On a terminal: what a person sees while something takes time, and what their keys do.

#include <csignal>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kInterrupt = "\x03";  // Ctrl-C
constexpr std::string_view kEndOfFile = "\x04";  // Ctrl-D
const std::string kEscape = "\x1b";

// What stands on the screen after this was written to it: as much of a terminal as our lines use.
std::string Screen(const std::string& text) {
  const std::string erase_to_end = "\x1b[K";
  std::string above, line;
  size_t column = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, erase_to_end.size(), erase_to_end) == 0) {
      line.resize(column);
      i += erase_to_end.size() - 1;
    } else if (text[i] == '\r') {
      column = 0;
    } else if (text[i] == '\n') {
      above += line + "\n";
      line.clear();
      column = 0;
    } else {
      line.resize(std::max(line.size(), column + 1), ' ');
      line[column++] = text[i];
    }
  }
  return above + line;
}

class TerminalTest : public E2eTest {
 protected:
  Command Typed(std::vector<std::string> words) const {
    return RunCommand(std::move(words)).OnTerminal().Env("TERM", "xterm");
  }
};

TEST_F(TerminalTest, ALargeModuleShowsThatItIsCompiledAndLeavesACleanLine) {
  const auto large = MakeFile("large.wasm", LargeModule());
  const Ended compiled = Typed({"--tier", "optimized", large}).Run();
  EXPECT_THAT(compiled,
              AllOf(Ends(0), Prints(HasSubstr("compiling 1.")), Prints(HasSubstr("(optimized)"))));
  EXPECT_EQ(Screen(compiled.out), "");
  EXPECT_THAT(Typed({large}).Run(), AllOf(Ends(0), Prints(IsEmpty()))) << "nothing is compiled now";
}

TEST_F(TerminalTest, WithoutATerminalNothingShows) {
  const auto large = MakeFile("large.wasm", LargeModule());
  EXPECT_THAT(Run({"--tier", "optimized", large}), AllOf(Ends(0), Prints(IsEmpty()), IsSilent()));
}

TEST_F(TerminalTest, ASmallModuleShowsNothingButItsOutput) {
  EXPECT_THAT(Typed({Guest("hello")}).Run(), AllOf(Ends(0), Prints("Hello from wasm!\r\n")));
}

TEST_F(TerminalTest, TheProgramSeesThatItIsOne) {
  EXPECT_THAT(Typed({Guest("terminal")}).Run(),
              Prints("stdin is a terminal\r\nstdout is a terminal\r\nstderr is a terminal\r\n"));
  EXPECT_THAT(Run({Guest("terminal")}),
              Prints("stdin is no terminal\nstdout is no terminal\nstderr is no terminal\n"));
}

TEST_F(TerminalTest, AComponentSeesItToo) {
  REQUIRE_GUEST("terminal-component");
  EXPECT_THAT(Typed({Guest("terminal-component")}).Run(),
              Prints("stdin is a terminal\r\nstdout is a terminal\r\nstderr is a terminal\r\n"));
  EXPECT_THAT(Run({Guest("terminal-component")}),
              Prints("stdin is no terminal\nstdout is no terminal\nstderr is no terminal\n"));
}

TEST_F(TerminalTest, CtrlCEndsAProgramThatLoopsSleepsOrReads) {
  for (const auto& [guest, says] :
       {std::pair{"loop", "looping"}, {"sleep", "sleeping"}, {"read", "reading"}}) {
    const auto process = Typed({Guest(guest)}).Start();
    ASSERT_TRUE(process->Says(says));
    const std::string before = process->TerminalSettings();
    process->Type(kInterrupt);
    EXPECT_THAT(process->Wait(), AllOf(DiesBy(SIGINT), Ends(130))) << guest;
    EXPECT_EQ(process->TerminalSettings(), before) << guest;
  }
}

TEST_F(TerminalTest, CtrlCEndsAComponent) {
  REQUIRE_GUEST("loop-component");
  for (const auto& [guest, says] :
       {std::pair{"loop-component", "looping"}, {"sleep-component", "sleeping"}}) {
    const auto process = Typed({Guest(guest)}).Start();
    ASSERT_TRUE(process->Says(says));
    process->Type(kInterrupt);
    EXPECT_THAT(process->Wait(), DiesBy(SIGINT)) << guest;
  }
}

TEST_F(TerminalTest, CtrlCEndsACompiler) {
  const auto large = MakeFile("large.wasm", LargeModule());
  const auto process = Typed({"--tier", "optimized", large}).Start();
  ASSERT_TRUE(process->Says("compiling"));
  process->Type(kInterrupt);
  EXPECT_THAT(process->Wait(), DiesBy(SIGINT));
  EXPECT_THAT(CacheEntries(), IsEmpty());
}

TEST_F(TerminalTest, CtrlCSparesTheCompilerInTheBackground) {
  const auto large = MakeFile("large.wasm", LargeModule(2000));
  EXPECT_THAT(Typed({large}).Run(), Ends(0));
  ASSERT_TRUE(BackgroundEnds()) << "it lives on though the terminal is gone";
  EXPECT_THAT(RunCommand({"--stats", "--json", large}).Run(),
              Complains(HasSubstr("\"tier\":\"optimized\"")));
}

TEST_F(TerminalTest, AProgramReadsWhatIsTyped) {
  const auto process = Typed({Guest("cat")}).Start();
  process->Type("a line\n");
  // Once echoed by the terminal, once said by the program.
  ASSERT_TRUE(process->Says("a line\r\na line\r\n"));
  process->Type(kEndOfFile);
  EXPECT_THAT(process->Wait(), Ends(0));
}

TEST_F(TerminalTest, HelpIsColouredHereAndNowhereElse) {
  const auto help = [this] { return Wasmoor({"run", "--help"}).Env("TERM", "xterm"); };
  EXPECT_THAT(help().OnTerminal().Run(), AllOf(Ends(0), Prints(HasSubstr(kEscape + "["))));
  EXPECT_THAT(help().Run(), AllOf(Ends(0), Prints(Not(HasSubstr(kEscape)))));
  EXPECT_THAT(help().OnTerminal().Env("NO_COLOR", "1").Run(), Prints(Not(HasSubstr(kEscape))));
  EXPECT_THAT(help().OnTerminal().Env("TERM", "dumb").Run(), Prints(Not(HasSubstr(kEscape))));
}

}  // namespace
}  // namespace wasmoor::e2e
