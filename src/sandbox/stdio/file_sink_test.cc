#include <sys/mount.h>

#include "sandbox/stdio/stdio_fixture_test.h"
#include "support/namespaces.h"
#include "wasmoor/os/file.h"

namespace wasmoor::sandbox {
namespace {

class FileSinkTest : public StdioFixture {
 protected:
  void OpenFileOf(const std::string& path) {
    const std::string uri = "file://" + path;
    Open({.input = "", .output = uri, .error = uri, .terminal = false});
  }
};

TEST_F(FileSinkTest, BothStreamsAreAppendedInTheirOrder) {
  scratch_.Write("log", "before\n");
  OpenFileOf(Path("log"));
  EXPECT_EQ(EndOf(Start("echo 1; echo 2 >&2; echo 3")), 0);
  Finish();
  EXPECT_EQ(scratch_.Read("log"), "before\n1\n2\n3\n");
}

TEST_F(FileSinkTest, AFileIsMadeWithTheDirectoriesAboveIt) {
  OpenFileOf(Path("a/b/c.log"));
  EXPECT_EQ(EndOf(Start("echo here")), 0);
  Finish();
  EXPECT_EQ(scratch_.Read("a/b/c.log"), "here\n");
  struct stat status;
  ASSERT_EQ(::stat(Path("a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07022U, 0U);
}

TEST_F(FileSinkTest, APathOfAFileIsAppendedTo) {
  scratch_.Write("log", "before\n");
  Open({.input = "", .output = Path("log"), .error = "", .terminal = false});
  EXPECT_EQ(EndOf(Start("echo after; echo nowhere >&2")), 0);
  Finish();
  EXPECT_EQ(scratch_.Read("log"), "before\nafter\n");
}

TEST_F(FileSinkTest, AUriOfAFifoIsTheFifo) {
  const std::string path = Fifo("out");
  OpenFileOf(path);
  const os::Fd out = OpenNow(path, O_RDONLY);
  EXPECT_EQ(EndOf(Start("echo here")), 0);
  EXPECT_EQ(ReadToEnd(out), "here\n");
}

TEST_F(FileSinkTest, AProcessCannotReachTheFileItself) {
  OpenFileOf(Path("log"));
  EXPECT_TRUE(S_ISFIFO(Must(os::Stat(*stdio_->output())).st_mode));
}

TEST_F(FileSinkTest, AFullDiskHoldsLinesUpAndLosesNone) {
  // In a process of its own, where this loop does not work.
  test::InNamespaces(0, [this] {
    loop_ = Must(loop::Loop::Create());
    const std::string disk = scratch_.path();
    ASSERT_EQ(::mount("none", disk.c_str(), "tmpfs", 0, "size=64k"), 0);
    scratch_.Write("filler", std::string(56 << 10, 'x'));
    OpenFileOf(Path("log"));
    const pid_t process = Start("seq 1 4000");
    EXPECT_EQ(EndOf(process), 0);
    EXPECT_TRUE(RunUntil([&] { return !log_.empty(); }));
    EXPECT_THAT(log_, ElementsAre("container box: output file " + Path("log") +
                                  ": No space left on device; what the process writes waits until "
                                  "it can be written"));
    // Its end is told nevertheless.
    EXPECT_LT(Finish(), 5s);
    ::unlink(Path("filler").c_str());
    std::string all;
    for (int i = 1; i <= 4000; ++i) all += std::to_string(i) + "\n";
    EXPECT_TRUE(RunUntil([&] { return scratch_.Read("log") == all; }));
    stdio_.reset();
  });
}

}  // namespace
}  // namespace wasmoor::sandbox
