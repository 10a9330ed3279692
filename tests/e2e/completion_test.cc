// The help, the manual pages and the completions: what they say is what the commands take.

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

constexpr const char* kCommands[] = {"run",    "compile", "inspect", "cache",
                                     "doctor", "help",    "man",     "completion"};

bool Has(const std::string& program) {
  return Command({"sh", "-c", "command -v " + program + " >/dev/null"}).Run().status == 0;
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

class CompletionTest : public E2eTest {
 protected:
  std::string Script(const std::string& shell) const {
    return Wasmoor({"completion", shell}).Run().out;
  }

  // What a real bash offers for the last of `words`, in the folder of this test.
  std::vector<std::string> Bash(const std::vector<std::string>& words) const {
    const auto script = MakeFile("completion.bash", Script("bash"));
    std::string list;
    for (const std::string& word : words) list += " '" + word + "'";
    const std::string text = "source " + script.native() + "; COMP_WORDS=(" + list +
                             "); COMP_CWORD=" + std::to_string(words.size() - 1) +
                             "; _wasmoor wasmoor '" + words.back() + "' '" +
                             words[words.size() - 2] + "'; printf '%s\\n' \"${COMPREPLY[@]}\"";
    const Ended bash = Command({"bash", "--norc", "-uc", text}).In(scratch).Run();
    EXPECT_THAT(bash, AllOf(Ends(0), IsSilent())) << text;
    return LinesOf(bash.out);
  }
};

TEST_F(CompletionTest, BashOffersCommandsAndActions) {
  EXPECT_THAT(Bash({"wasmoor", "ins"}), ElementsAre("inspect"));
  EXPECT_THAT(Bash({"wasmoor", ""}), IsSupersetOf({"run", "cache", "doctor", "--version"}));
  EXPECT_THAT(Bash({"wasmoor", "cache", ""}), UnorderedElementsAre("ls", "verify", "prune", "dir"));
  EXPECT_THAT(Bash({"wasmoor", "help", "do"}), ElementsAre("doctor"));
  EXPECT_THAT(Bash({"wasmoor", "completion", ""}), UnorderedElementsAre("bash", "zsh", "fish"));
}

TEST_F(CompletionTest, BashOffersOptionsAndTheirValues) {
  EXPECT_THAT(Bash({"wasmoor", "run", "--time"}), ElementsAre("--timeout"));
  EXPECT_THAT(Bash({"wasmoor", "run", "--quiet", "--st"}), ElementsAre("--stats"));
  EXPECT_THAT(Bash({"wasmoor", "cache", "prune", "--old"}), ElementsAre("--older-than"));
  EXPECT_THAT(Bash({"wasmoor", "run", "--tier", ""}),
              UnorderedElementsAre("auto", "baseline", "optimized"));
  EXPECT_THAT(Bash({"wasmoor", "run", "--tier", "=", "b"}), ElementsAre("baseline"));
  EXPECT_THAT(Bash({"wasmoor", "run", "--tier", "="}), Contains("baseline"));
  EXPECT_THAT(Bash({"wasmoor", "run", "--enable", "thr"}), ElementsAre("threads"));
  EXPECT_THAT(Bash({"wasmoor", "run", "--env", "="}), IsEmpty());
}

TEST_F(CompletionTest, BashOffersFilesAndDirectories) {
  MakeFile("my program.wasm", "");
  MakeDirectory("my folder");
  EXPECT_THAT(Bash({"wasmoor", "run", "my"}), UnorderedElementsAre("my program.wasm", "my folder"));
  EXPECT_THAT(Bash({"wasmoor", "run", "--dir", "my"}), ElementsAre("my folder"));
  EXPECT_THAT(Bash({"wasmoor", "run", "--tier=auto", "prog.wasm", "--qui"}), IsEmpty());
  EXPECT_THAT(Bash({"wasmoor", "inspect", "my p"}), ElementsAre("my program.wasm"));
}

TEST_F(CompletionTest, TheOtherShellsUnderstandTheirScripts) {
  EXPECT_THAT(Script("zsh"), StartsWith("#compdef wasmoor\n"));
  EXPECT_THAT(Script("fish"), HasSubstr("complete -c wasmoor"));
  bool any = false;
  for (const std::string shell : {"zsh", "fish"}) {
    if (!Has(shell)) continue;
    any = true;
    EXPECT_THAT(Command({shell, "-n", MakeFile("script", Script(shell))}).Run(),
                AllOf(Ends(0), IsSilent()));
  }
  if (!any) GTEST_SKIP() << "needs zsh or fish, to have its script read";
}

TEST_F(CompletionTest, EveryCommandHasHelpThatItsOptionShowsToo) {
  for (const std::string name : kCommands) {
    const Ended help = Wasmoor({"help", name}).Run();
    EXPECT_THAT(help, AllOf(Ends(0), Prints(HasSubstr("Usage: wasmoor " + name)), IsSilent()));
    EXPECT_EQ(Wasmoor({name, "--help"}).Run().out, help.out);
    EXPECT_THAT(Wasmoor({"help"}).Run(), Prints(HasSubstr("\n  " + name)));
  }
  EXPECT_THAT(Wasmoor({"help", "rum"}).Run(),
              AllOf(Ends(2), Complains(HasSubstr("did you mean 'run'"))));
}

TEST_F(CompletionTest, NoHelpIsWiderThanATerminal) {
  for (const std::string name : kCommands) {
    for (const std::string& line : LinesOf(Wasmoor({"help", name}).Run().out)) {
      constexpr size_t kWidth = 100;
      // Examples are lines to copy.
      if (!line.starts_with("  wasmoor ") && !line.starts_with("  source ")) {
        EXPECT_LE(line.size(), kWidth) << line;
      }
    }
  }
}

TEST_F(CompletionTest, EveryCommandHasAManualPageWithoutAWarning) {
  if (!Has("groff")) GTEST_SKIP() << "needs groff, to have the pages read";
  ASSERT_THAT(Wasmoor({"man", "--write-to", scratch}).Run(), Ends(0));
  for (const std::string name : kCommands) {
    const fs::path page = scratch / ("wasmoor-" + name + ".1");
    EXPECT_THAT(Wasmoor({"man", name}).Run(), Prints(ReadFile(page)));
    EXPECT_THAT(Command({"groff", "-man", "-ww", "-z", "-Tutf8", page}).Run(),
                AllOf(Ends(0), IsSilent()));
  }
  EXPECT_THAT(Command({"groff", "-man", "-ww", "-z", "-Tutf8", scratch / "wasmoor.1"}).Run(),
              AllOf(Ends(0), IsSilent()));
}

TEST_F(CompletionTest, AnOptionMayBeCopiedFromAManualPage) {
  EXPECT_THAT(Wasmoor({"man", "run"}).Run(),
              Prints(AllOf(HasSubstr("\\fB\\-\\-timeout DURATION\\fR"), Not(HasSubstr("fB--")))));
}

TEST_F(CompletionTest, TheVersionIsForMachinesToo) {
  EXPECT_THAT(Wasmoor({"--version", "--json"}).Run(),
              AllOf(Ends(0), Prints(HasSubstr(R"("engines":[{"name":"wasmtime","version":)"))));
}

}  // namespace
}  // namespace wasmoor::e2e
