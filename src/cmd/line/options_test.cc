#include "cmd/line/options.h"

#include "cmd/line/executable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wasmoor::cmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// One without commands; what its command lines look like is all that matters here.
class Painter : public Executable {
 public:
  explicit Painter(const About& about) : Executable(about) {}
  std::string VersionText(bool) const override { return "1\n"; }
  int Report(const Command*, std::string_view, const Error&, Failure) override { return 1; }
};

constexpr About kGnu = {.name = "painter"};
constexpr About kGo = {.name = "painter", .dialect = Dialect::kGo};

Words Colors() { return {"red", "green", "blue"}; }

// A command line like that of `run`, and what parsing makes of words.
class OptionsTest : public ::testing::Test {
 protected:
  explicit OptionsTest(const About& about = kGnu)
      : painter_(about), options_(painter_, "paint", "Paint") {
    options_.Flag("--quiet", quiet_, "Say nothing").Letter("-q");
    options_.Value("--color", color_, "COLOR", "The color").OneOf(Colors);
    options_.Repeated("--dir", directories_, "DIR", "A directory");
    options_.Take({.usage = "FILE [ARGS...]",
                   .target = &operands_,
                   .least = 1,
                   .most = SIZE_MAX,
                   .verbatim = true,
                   .completes = Completes::kFiles});
  }

  Result<Options::Parsed> Parse(std::vector<std::string> words) {
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    return options_.Parse(pointers);
  }
  std::string Refusal(std::vector<std::string> words) {
    const auto parsed = Parse(std::move(words));
    return parsed ? "" : parsed.error().message();
  }

  Painter painter_;
  bool quiet_ = false;
  std::string color_ = "red";
  std::vector<std::string> directories_, operands_;
  Options options_;
};

TEST_F(OptionsTest, ValuesStandInTheNextWordOrAfterAnEqualsSign) {
  ASSERT_TRUE(Parse({"--color", "green", "--dir=a=b", "--dir", "", "file"}));
  EXPECT_EQ(color_, "green");
  EXPECT_THAT(directories_, ElementsAre("a=b", ""));
  EXPECT_THAT(operands_, ElementsAre("file"));
}

TEST_F(OptionsTest, TheLastOfTwoValuesCounts) {
  ASSERT_TRUE(Parse({"--color=green", "--color=blue", "file"}));
  EXPECT_EQ(color_, "blue");
}

TEST_F(OptionsTest, FromTheFirstOperandOnEverythingIsAnOperand) {
  ASSERT_TRUE(Parse({"-q", "file", "--color", "--", "--help", ""}));
  EXPECT_TRUE(quiet_);
  EXPECT_THAT(operands_, ElementsAre("file", "--color", "--", "--help", ""));
}

TEST_F(OptionsTest, TwoDashesEndTheOptions) {
  ASSERT_TRUE(Parse({"--", "--quiet"}));
  EXPECT_FALSE(quiet_);
  EXPECT_THAT(operands_, ElementsAre("--quiet"));
}

TEST_F(OptionsTest, ASingleDashIsAnOperand) {
  ASSERT_TRUE(Parse({"-"}));
  EXPECT_THAT(operands_, ElementsAre("-"));
}

TEST_F(OptionsTest, HelpIsAskedForBeforeTheOperandsOnly) {
  EXPECT_EQ(*Parse({"--quiet", "-h"}), Options::Parsed::kHelp);
  EXPECT_EQ(*Parse({"file", "--help"}), Options::Parsed::kRun);
}

TEST_F(OptionsTest, AnUnknownOptionIsToldWithTheOneThatWasMeant) {
  EXPECT_EQ(Refusal({"--colour", "red", "file"}),
            "there is no option --colour; did you mean '--color'?");
  EXPECT_THAT(Refusal({"--xyzzy", "file"}),
              HasSubstr("no option --xyzzy (a file of that name: ./--xyzzy)"));
}

TEST_F(OptionsTest, AMissingOrWrongValueIsToldWithItsOption) {
  EXPECT_EQ(Refusal({"--dir"}), "--dir needs a value: --dir DIR");
  EXPECT_EQ(Refusal({"--color", "gren", "file"}),
            "--color 'gren': must be red, green or blue; did you mean 'green'?");
  EXPECT_EQ(Refusal({"--quiet=yes", "file"}), "--quiet takes no value");
}

TEST_F(OptionsTest, AMissingOperandIsToldWithTheUsage) {
  EXPECT_EQ(Refusal({"--quiet"}), "FILE is missing: painter paint FILE [ARGS...]");
  EXPECT_THAT(operands_, IsEmpty());
}

TEST_F(OptionsTest, OptionsBeforeSomethingElseEndWhereItBegins) {
  std::vector<std::string> texts = {"-q", "--color", "green", "mix", "--dir", "x"};
  std::vector<char*> words;
  for (std::string& text : texts) words.push_back(text.data());
  const auto leading = options_.ParseLeading(words);
  ASSERT_TRUE(leading);
  EXPECT_EQ(leading->count, 3U);
  EXPECT_EQ(color_, "green");
  EXPECT_THAT(directories_, IsEmpty());
}

class GoOptionsTest : public OptionsTest {
 protected:
  GoOptionsTest() : OptionsTest(kGo) {}
};

TEST_F(GoOptionsTest, OneDashIsAsGoodAsTwo) {
  ASSERT_TRUE(Parse({"-color", "green", "-dir=a", "--q", "file"}));
  EXPECT_EQ(color_, "green");
  EXPECT_THAT(directories_, ElementsAre("a"));
  EXPECT_TRUE(quiet_);
  EXPECT_EQ(Refusal({"---quiet", "file"}), "there is no option ---quiet; did you mean '--quiet'?");
}

TEST_F(GoOptionsTest, AFlagMayBeTakenBack) {
  ASSERT_TRUE(Parse({"--quiet", "-quiet=false", "file"}));
  EXPECT_FALSE(quiet_);
  ASSERT_TRUE(Parse({"--quiet=T", "file"}));
  EXPECT_TRUE(quiet_);
  EXPECT_EQ(Refusal({"--quiet=no", "file"}), "--quiet: 'no': must be true or false");
}

TEST(ActionsTest, AnActionHasOptionsOfItsOwn) {
  bool all = false;
  std::string_view action;
  const Painter painter(kGnu);
  Options options(painter, "store", "Keep things");
  options.TakeAction(action);
  options.Action("store ls", "List").Flag("--all", all, "All");
  options.Action("store prune", "Remove");
  const auto parse = [&](std::vector<std::string> words) {
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    const auto parsed = options.Parse(pointers);
    return parsed ? std::string(action) : parsed.error().message();
  };
  EXPECT_EQ(parse({"ls", "--all"}), "ls");
  EXPECT_TRUE(all);
  EXPECT_EQ(parse({}), "say which: painter store ls or prune");
  EXPECT_EQ(parse({"prun"}), "'prun': must be ls or prune; did you mean 'prune'?");
  EXPECT_EQ(parse({"prune", "--all"}), "there is no option --all");
  EXPECT_THAT(parse({"ls", "more"}), HasSubstr("'more'"));
}

}  // namespace
}  // namespace wasmoor::cmd
