#include "sandbox/stdio/sink.h"
#include "sandbox/stdio/stdio_fixture_test.h"
#include "wasmoor/os/file.h"

namespace wasmoor::sandbox {
namespace {

class FifoTest : public StdioFixture {
 protected:
  void OpenAll() {
    Open({.input = Fifo("in"), .output = Fifo("out"), .error = Fifo("err"), .terminal = false});
  }
};

TEST_F(FifoTest, GivesTheProcessTheFifosThemselvesAndTheyBlock) {
  OpenAll();
  for (const auto& [given, name] :
       {std::pair{stdio_->input(), "in"}, {stdio_->output(), "out"}, {stdio_->error(), "err"}}) {
    struct stat fifo;
    ASSERT_EQ(::stat(Path(name).c_str(), &fifo), 0);
    ASSERT_NE(given, nullptr);
    EXPECT_EQ(Must(os::Stat(*given)).st_ino, fifo.st_ino);
    EXPECT_EQ(::fcntl(given->get(), F_GETFL) & O_NONBLOCK, 0);
  }
  Must(stdio_->Attach(os::Fd()));
  EXPECT_EQ(stdio_->input(), nullptr);
  EXPECT_EQ(stdio_->output(), nullptr);
}

TEST_F(FifoTest, AReaderSeesWhatWasWrittenAndThenTheEnd) {
  OpenAll();
  const os::Fd out = OpenNow(Path("out"), O_RDONLY), err = OpenNow(Path("err"), O_RDONLY);
  EXPECT_EQ(EndOf(Start("echo to out; echo to err >&2")), 0);
  EXPECT_EQ(ReadToEnd(out), "to out\n");
  EXPECT_EQ(ReadToEnd(err), "to err\n");
}

TEST_F(FifoTest, AReaderThatComesAfterTheEndFindsEverythingAndTheEnd) {
  OpenAll();
  EXPECT_EQ(EndOf(Start("echo last words")), 0);
  EXPECT_LT(Finish(), 500ms);
  // open(2) of a FIFO waits for somebody who writes.
  const std::string found = Path("found");
  EXPECT_EQ(EndOf(Script("cat " + Path("out") + " > " + found, {})), 0);
  EXPECT_EQ(scratch_.Read("found"), "last words\n");
}

TEST_F(FifoTest, AReaderThatComesAfterTheEndOfWhatWroteNothingFindsTheEnd) {
  OpenAll();
  EXPECT_EQ(EndOf(Start("true")), 0);
  EXPECT_LT(Finish(), 500ms);
  for (int reader = 0; reader < 2; ++reader) EXPECT_EQ(EndOf(Script("cat " + Path("err"), {})), 0);
}

TEST_F(FifoTest, AProcessDoesNotNoticeThatItsReaderWasRestarted) {
  OpenAll();
  os::Fd reader = OpenNow(Path("out"), O_RDONLY);
  const pid_t process = Start("echo one; read go; echo two; read go; echo three");
  const os::Fd input = OpenNow(Path("in"), O_WRONLY);
  std::string first;
  EXPECT_TRUE(RunUntil([&] { return ReadSome(reader, &first), first == "one\n"; }));
  reader.Close();
  Write(input, "go\ngo\n");
  EXPECT_EQ(EndOf(process), 0);
  reader = OpenNow(Path("out"), O_RDONLY);
  EXPECT_EQ(ReadToEnd(reader), "two\nthree\n");
}

TEST_F(FifoTest, InputEndsWhenItIsClosedAndNotWhenAClientGoes) {
  OpenAll();
  const os::Fd out = OpenNow(Path("out"), O_RDONLY);
  const pid_t process = Start("cat; echo end");
  Write(OpenNow(Path("in"), O_WRONLY), "first client\n");
  std::string text;
  EXPECT_TRUE(RunUntil([&] { return ReadSome(out, &text), text == "first client\n"; }));
  Write(OpenNow(Path("in"), O_WRONLY), "second client\n");
  EXPECT_TRUE(RunUntil([&] { return ReadSome(out, &text), text.ends_with("second client\n"); }));
  Must(stdio_->CloseInput());
  EXPECT_EQ(EndOf(process), 0);
  EXPECT_EQ(ReadToEnd(out), "end\n");
}

TEST_F(FifoTest, OutputThatNobodyReadsHoldsUpTheProcessAndNotItsEnd) {
  OpenAll();
  const pid_t process = Start("exec head -c 1000000 /dev/zero");
  const os::Fd out = OpenNow(Path("out"), O_RDONLY);
  constexpr size_t kFull = 65536;  // pipe(7)
  EXPECT_TRUE(RunUntil([&] { return BytesIn(out) == kFull; }));
  EXPECT_EQ(::waitpid(process, nullptr, WNOHANG), 0);
  ::kill(process, SIGKILL);
  EXPECT_EQ(EndOf(process), -SIGKILL);
  EXPECT_LT(Finish(), 500ms);
  EXPECT_EQ(ReadToEnd(out).size(), kFull);
}

TEST_F(FifoTest, CloseLetsReadersSeeTheEndOfWhatNeverRan) {
  OpenAll();
  const os::Fd out = OpenNow(Path("out"), O_RDONLY);
  Close();
  EXPECT_EQ(ReadToEnd(out), "");
  bool finished = false;
  stdio_->Finish([&] { finished = true; });
  EXPECT_TRUE(RunUntil([&] { return finished; }));
  EXPECT_TRUE(stdio_->CloseInput().has_value());
}

TEST_F(FifoTest, NobodyIsToldOnceItIsDestroyed) {
  OpenAll();
  stdio_->WhenReady([](const Status&) { ADD_FAILURE(); });
  stdio_->Finish([] { ADD_FAILURE(); });
  stdio_.reset();
  for (int i = 0; i < 5; ++i) loop_->RunOnce(5ms);
}

TEST_F(FifoTest, EmptyNamesLeadNowhere) {
  Open({.input = "", .output = "", .error = Fifo("err"), .terminal = false});
  const os::Fd err = OpenNow(Path("err"), O_RDONLY);
  EXPECT_EQ(
      EndOf(Start("cat; echo nothing; for n in 0 1; do echo $(readlink /proc/$$/fd/$n) >&2; done")),
      0);
  EXPECT_EQ(ReadToEnd(err), "/dev/null\n/dev/null\n");
}

TEST_F(FifoTest, OneFifoMayBeBothOutputs) {
  const std::string path = Fifo("both");
  Open({.input = "", .output = path, .error = path, .terminal = false});
  const os::Fd both = OpenNow(path, O_RDONLY);
  EXPECT_EQ(EndOf(Start("echo 1; echo 2 >&2; echo 3")), 0);
  EXPECT_EQ(ReadToEnd(both), "1\n2\n3\n");
}

TEST_F(FifoTest, RefusesWhatCannotBeAStream) {
  scratch_.Write("file", "");
  const std::string file = Path("file"), folder = scratch_.path(), nothing = Path("nothing");
  const auto code = [&](const Streams& streams) { return TryOpen(streams).error().code(); };
  EXPECT_EQ(code({.input = file, .output = "", .error = "", .terminal = false}),
            Code::kInvalidArgument);
  EXPECT_EQ(code({.input = "binary:///bin/cat", .output = "", .error = "", .terminal = false}),
            Code::kInvalidArgument);
  EXPECT_EQ(code({.input = "", .output = folder, .error = "", .terminal = false}),
            Code::kInvalidArgument);
  EXPECT_EQ(code({.input = "", .output = "", .error = nothing, .terminal = false}),
            Code::kNotFound);
  EXPECT_EQ(code({.input = "", .output = "npipe://x", .error = "", .terminal = false}),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace wasmoor::sandbox
