#include <pty.h>
#include <sys/ioctl.h>

#include "sandbox/stdio/stdio_fixture_test.h"
#include "support/child.h"

namespace wasmoor::sandbox {
namespace {

class TerminalTest : public StdioFixture {
 protected:
  void OpenTerminal() {
    Open({.input = Fifo("in"), .output = Fifo("out"), .error = "", .terminal = true});
    EXPECT_EQ(stdio_->input(), nullptr);
    EXPECT_EQ(stdio_->output(), nullptr);
    EXPECT_EQ(stdio_->error(), nullptr);
  }
  // A shell script in a session of its own upon a new terminal, which does not change what passes.
  pid_t StartOnTerminal(const std::string& script) {
    int master = -1, slave = -1;
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    ::fcntl(master, F_SETFD, FD_CLOEXEC);
    ::fcntl(slave, F_SETFD, FD_CLOEXEC);
    const os::Fd side(slave);
    os::SpawnRequest request;
    request.program = "/usr/bin/setsid";
    request.arguments = {"setsid", "--ctty", "sh", "-c", "stty raw -echo; " + script};
    request.descriptors = {&side, &side, &side};
    running_.push_back(Must(os::Spawn(request)));
    Must(stdio_->Attach(os::Fd(master)));
    return running_.back();
  }
};

TEST_F(TerminalTest, CarriesBothDirections) {
  OpenTerminal();
  const os::Fd in = OpenNow(Path("in"), O_WRONLY), out = OpenNow(Path("out"), O_RDONLY);
  const pid_t process = StartOnTerminal("echo ready; read word; echo \"got $word\" >&2");
  std::string text;
  EXPECT_TRUE(RunUntil([&] { return ReadSome(out, &text), text == "ready\n"; }));
  Write(in, "hello\n");
  EXPECT_EQ(EndOf(process), 0);
  Finish();
  EXPECT_THAT(ReadToEnd(out), HasSubstr("got hello\n"));
}

TEST_F(TerminalTest, HasTheSizeThatItWasGivenBeforeAndAfter) {
  OpenTerminal();
  const os::Fd in = OpenNow(Path("in"), O_WRONLY), out = OpenNow(Path("out"), O_RDONLY);
  Must(stdio_->Resize(91, 17));
  const pid_t process = StartOnTerminal("sleep 0.1; stty size; read go; stty size");
  std::string text;
  EXPECT_TRUE(RunUntil([&] { return ReadSome(out, &text), text == "17 91\n"; }));
  Must(stdio_->Resize(132, 50));
  Write(in, "go\n");
  EXPECT_EQ(EndOf(process), 0);
  Finish();
  EXPECT_THAT(ReadToEnd(out), HasSubstr("50 132\n"));
  Open({});
  EXPECT_EQ(stdio_->Resize(1, 1).error().code(), Code::kFailedPrecondition);
}

TEST_F(TerminalTest, EverythingWrittenBeforeTheEndArrives) {
  OpenTerminal();
  const os::Fd out = OpenNow(Path("out"), O_RDONLY);
  std::string all, text;
  for (int i = 1; i <= 20000; ++i) all += std::to_string(i) + "\n";
  const pid_t process = StartOnTerminal("seq 1 20000");
  int status = 0;
  EXPECT_TRUE(RunUntil([&] {
    ReadSome(out, &text);
    return ::waitpid(process, &status, WNOHANG) == process;
  }));
  std::erase(running_, process);
  Finish();
  text += ReadToEnd(out);
  EXPECT_EQ(text, all);
}

TEST_F(TerminalTest, AReaderThatComesAfterTheEndFindsEverythingAndTheEnd) {
  OpenTerminal();
  EXPECT_EQ(EndOf(StartOnTerminal("echo last words")), 0);
  EXPECT_LT(Finish(), 500ms);
  EXPECT_EQ(EndOf(Script("cat " + Path("out") + " > " + Path("found"), {})), 0);
  EXPECT_EQ(scratch_.Read("found"), "last words\n");
}

TEST_F(TerminalTest, OutputThatNobodyReadsHoldsUpTheProcessAndNotItsEnd) {
  OpenTerminal();
  const pid_t process = StartOnTerminal("exec head -c 1000000 /dev/zero");
  for (int i = 0; i < 50; ++i) loop_->RunOnce(5ms);
  EXPECT_EQ(::waitpid(process, nullptr, WNOHANG), 0);
  ::kill(process, SIGKILL);
  EXPECT_EQ(EndOf(process), -SIGKILL);
  const auto took = Finish();
  EXPECT_GT(took, 500ms);
  EXPECT_LT(took, 5s);
  // Whoever reads at last gets what is left, and the end.
  EXPECT_GE(ReadToEnd(OpenNow(Path("out"), O_RDONLY)).size(), 65536U);
}

TEST_F(TerminalTest, StaysWhenItsInputIsClosed) {
  OpenTerminal();
  const os::Fd out = OpenNow(Path("out"), O_RDONLY);
  Write(OpenNow(Path("in"), O_WRONLY), "word\n");
  const pid_t process = StartOnTerminal("read word; sleep 0.3; echo \"still here, $word\"");
  Must(stdio_->CloseInput());
  EXPECT_EQ(EndOf(process), 0);
  Finish();
  EXPECT_THAT(ReadToEnd(out), HasSubstr("still here, word\n"));
}

TEST_F(TerminalTest, InputThatNobodyTakesWaits) {
  OpenTerminal();
  const os::Fd in = OpenNow(Path("in"), O_WRONLY), out = OpenNow(Path("out"), O_RDONLY);
  const pid_t process = StartOnTerminal("echo ready; until test -e " + Path("go") +
                                        "; do sleep 0.02; done; head -c 300000 | tail -c 7");
  std::string text;
  // Before, the terminal may have been one that takes lines only.
  EXPECT_TRUE(RunUntil([&] { return ReadSome(out, &text), text == "ready\n"; }));
  size_t written = 0;
  const std::string bytes = std::string(299'993, 'x') + "the end";
  const auto write_more = [&] {
    const ssize_t put = ::write(in.get(), bytes.data() + written, bytes.size() - written);
    if (put > 0) written += static_cast<size_t>(put);
  };
  for (int i = 0; i < 50; ++i, write_more()) loop_->RunOnce(5ms);
  EXPECT_LT(written, bytes.size());
  scratch_.Write("go", "");
  EXPECT_TRUE(RunUntil([&] { return write_more(), written == bytes.size(); }));
  EXPECT_EQ(EndOf(process), 0);
  Finish();
  EXPECT_THAT(ReadToEnd(out), HasSubstr("the end"));
}

TEST_F(TerminalTest, MayLeadIntoAFileOrALogger) {
  const std::string file = "file://" + Path("log");
  Open({.input = "", .output = file, .error = file, .terminal = true});
  EXPECT_EQ(EndOf(StartOnTerminal("echo to a file")), 0);
  Finish();
  EXPECT_EQ(scratch_.Read("log"), "to a file\n");

  scratch_.Write("logger", "#!/bin/sh\nexec 5>&-; cat <&3 > $1/out; cat <&4 > $1/err\n");
  ::chmod(Path("logger").c_str(), 0700);
  const std::string logger = "binary://" + Path("logger") + "?" + scratch_.path().native();
  Open({.input = "", .output = logger, .error = logger, .terminal = true});
  Must(Ready());
  EXPECT_EQ(EndOf(StartOnTerminal("echo to a logger")), 0);
  Finish();
  Close();
  EXPECT_EQ(scratch_.Read("out"), "to a logger\n");
  EXPECT_EQ(scratch_.Read("err"), "");
}

TEST_F(TerminalTest, OneThatNobodyHasOpenForAWhileGoesOn) {
  OpenTerminal();
  const os::Fd out = OpenNow(Path("out"), O_RDONLY);
  const pid_t process =
      StartOnTerminal("name=$(tty); exec 0<&- 1>&- 2>&-; sleep 0.2; echo back > $name");
  EXPECT_EQ(EndOf(process), 0);
  Finish();
  EXPECT_EQ(ReadToEnd(out), "back\n");
}

}  // namespace
}  // namespace wasmoor::sandbox
