#include "sandbox/stdio/logger.h"

#include "sandbox/stdio/stdio_fixture_test.h"

namespace wasmoor::sandbox {
namespace {

class LoggerTest : public StdioFixture {
 protected:
  // A logger that is a shell script, with the scratch folder as $1.
  std::string Uri(const std::string& script, const std::string& scheme = "binary") {
    scratch_.Write("logger", "#!/bin/sh\n" + script);
    ::chmod(Path("logger").c_str(), 0700);
    return scheme + "://" + Path("logger") + "?" + scratch_.path().native();
  }
  void OpenLogger(const std::string& uri) {
    Open({.input = "", .output = uri, .error = uri, .terminal = false});
  }
  bool Appears(const char* file, const std::string& text) {
    return RunUntil([&] { return scratch_.Read(file) == text; });
  }
  // Where no Stdio is needed.
  std::shared_ptr<Logger> StartLogger(const std::string& uri, LoggerPatience patience) {
    return Must(Logger::Start(
        *loop_, Must(ParseTarget(uri)), "default", "box",
        [this](std::string_view text) { log_.emplace_back(text); }, patience));
  }
};

TEST_F(LoggerTest, GetsBothStreamsItsArgumentsAndWhoseTheyAre) {
  OpenLogger(Uri(R"(
    echo "$CONTAINER_NAMESPACE $CONTAINER_ID $# $3 $4" > $1/about
    exec 5>&-
    cat <&4 > $1/err & cat <&3 > $1/out; wait)") +
             "&level=a+b");
  Must(Ready());
  EXPECT_EQ(EndOf(Start("echo to out; echo to err >&2")), 0);
  Finish();
  Close();
  EXPECT_EQ(scratch_.Read("about"), "default box 4 level a b\n");
  EXPECT_EQ(scratch_.Read("out"), "to out\n");
  EXPECT_EQ(scratch_.Read("err"), "to err\n");
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(LoggerTest, TheEndIsToldOnceTheLoggerHasTakenEverything) {
  OpenLogger(Uri("exec 5>&-; sleep 0.3; cat <&3 > $1/out"));
  Must(Ready());
  EXPECT_EQ(EndOf(Start("echo late")), 0);
  EXPECT_GT(Finish(), 100ms);
  EXPECT_TRUE(Appears("out", "late\n"));
}

TEST_F(LoggerTest, ReadinessIsWaitedFor) {
  OpenLogger(Uri("until test -e $1/go; do sleep 0.02; done; printf x >&5; exec 5>&-; cat <&3",
                 "binary-v2"));
  std::optional<Status> ready;
  stdio_->WhenReady([&](const Status& status) { ready = status; });
  for (int i = 0; i < 20; ++i) loop_->RunOnce(5ms);
  EXPECT_FALSE(ready.has_value());
  scratch_.Write("go", "");
  EXPECT_TRUE(RunUntil([&] { return ready.has_value(); }));
  EXPECT_TRUE(ready->has_value());
}

TEST_F(LoggerTest, OneThatDiesBeforeItListensIsAnError) {
  OpenLogger(Uri("exit 3"));
  const Status ready = Ready();
  ASSERT_FALSE(ready.has_value());
  EXPECT_EQ(ready.error().code(), Code::kUnavailable);
  EXPECT_EQ(ready.error().message(),
            "logger " + Path("logger") + ": ended with status 3 before it listened");
}

TEST_F(LoggerTest, OfTheSecondVersionOneThatSaysNothingIsAnError) {
  OpenLogger(Uri("exec 5>&-; cat <&3", "binary-v2"));
  const Status ready = Ready();
  ASSERT_FALSE(ready.has_value());
  EXPECT_THAT(ready.error().message(), HasSubstr("without saying that it listens"));
}

TEST_F(LoggerTest, OneThatNeverSaysThatItListensIsAnError) {
  auto logger = StartLogger(Uri("cat <&3"), {.ready = 100ms});
  std::optional<Status> ready;
  logger->WhenReady([&](const Status& status) { ready = status; });
  EXPECT_TRUE(RunUntil([&] { return ready.has_value(); }));
  EXPECT_EQ(ready->error().code(), Code::kDeadlineExceeded);
  bool closed = false;
  Logger& ending = *logger;
  ending.Close(std::move(logger), [&] { closed = true; });
  EXPECT_TRUE(RunUntil([&] { return closed; }));
}

TEST_F(LoggerTest, OneThatIsNotThereIsAnErrorAtOnce) {
  const auto opened = TryOpen(
      {.input = "", .output = "binary://" + Path("nothing"), .error = "", .terminal = false});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), Code::kNotFound);
  EXPECT_EQ(opened.error().message(),
            "logger: start " + Path("nothing") + ": No such file or directory");
}

TEST_F(LoggerTest, OneThatIsKilledIsStartedAgainAndNothingIsLost) {
  OpenLogger(Uri("echo $$ >> $1/pids; exec 5>&-; exec cat <&3 >> $1/out"));
  Must(Ready());
  const pid_t process = Start("echo one; until test -e " + Path("go") +
                              "; do sleep 0.02; done; echo two; sleep 0.5; echo three");
  EXPECT_TRUE(Appears("out", "one\n"));
  ASSERT_EQ(::kill(std::stoi(scratch_.Read("pids")), SIGKILL), 0);
  scratch_.Write("go", "");
  EXPECT_EQ(EndOf(process), 0);
  Finish();
  Close();
  EXPECT_EQ(scratch_.Read("out"), "one\ntwo\nthree\n");
  EXPECT_THAT(log_, ElementsAre("container box: logger " + Path("logger") +
                                ": was killed by SIGKILL while the process runs; it is started "
                                "again"));
}

TEST_F(LoggerTest, OneThatKeepsDyingIsGivenUpAndTheProcessGoesOn) {
  auto logger =
      StartLogger(Uri("echo >> $1/starts; printf x >&5; exit 1"), {.pause = 5ms, .most_deaths = 2});
  const pid_t process = Script(
      "head -c 1000000 /dev/zero && head -c 1000000 /dev/zero >&2",
      {nullptr, &logger->writer(Logger::Stream::kOutput), &logger->writer(Logger::Stream::kError)});
  EXPECT_EQ(EndOf(process), 0);
  EXPECT_EQ(scratch_.Read("starts"), "\n\n\n");
  ASSERT_EQ(log_.size(), 3U);
  EXPECT_THAT(log_[2], HasSubstr("is given up; what the process writes is lost"));
  bool closed = false;
  Logger& ending = *logger;
  ending.Close(std::move(logger), [&] { closed = true; });
  EXPECT_TRUE(RunUntil([&] { return closed; }));
}

TEST_F(LoggerTest, OneThatDoesNotEndIsTerminatedAndThenKilled) {
  auto logger = StartLogger(Uri("trap 'echo term > $1/out' TERM; echo $$ > $1/pid; exec 5>&-\n"
                                "while :; do sleep 0.05; done"),
                            {.end = 200ms, .terminated = 300ms});
  EXPECT_TRUE(RunUntil([&] { return !scratch_.Read("pid").empty(); }));
  const pid_t pid = std::stoi(scratch_.Read("pid"));
  bool closed = false;
  Logger& ending = *logger;
  ending.Close(std::move(logger), [&] { closed = true; });
  EXPECT_TRUE(RunUntil([&] { return closed; }));
  EXPECT_EQ(scratch_.Read("out"), "term\n");
  EXPECT_EQ(::kill(pid, 0), -1);
}

}  // namespace
}  // namespace wasmoor::sandbox
