#include <sys/stat.h>
#include <unistd.h>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

class FilesTest : public testing::Test {
 protected:
  FilesTest() : guest_(Prepared()) {}

  ScratchDirectory& Prepared() {
    directory_.Write("file", "0123456789");
    std::filesystem::create_directory(directory_ / "sub");
    return directory_;
  }

  Errno Seek(Fd fd, int64_t offset, int whence) {
    return guest_.Call("fd_seek", fd, offset, whence, Guest::kOut);
  }

  ScratchDirectory directory_;
  Guest guest_;
};

TEST_F(FilesTest, SeekMovesFromTheStartTheCurrentPositionAndTheEnd) {
  const Fd file = guest_.Open("file");
  EXPECT_EQ(Seek(file, 4, 0), Errno::kSuccess);
  EXPECT_EQ(guest_.Result<uint64_t>(), 4u);
  EXPECT_EQ(Seek(file, -1, 1), Errno::kSuccess);
  EXPECT_EQ(guest_.Result<uint64_t>(), 3u);
  EXPECT_EQ(Seek(file, -2, 2), Errno::kSuccess);
  EXPECT_EQ(guest_.Result<uint64_t>(), 8u);
  EXPECT_EQ(guest_.Call("fd_tell", file, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest_.Result<uint64_t>(), 8u);
  EXPECT_EQ(Seek(file, -11, 2), Errno::kInval);
  EXPECT_EQ(Seek(file, 0, 3), Errno::kInval);
  EXPECT_EQ(Seek(file, 1000, 0), Errno::kSuccess);
  EXPECT_EQ(guest_.Read(file), "");
}

TEST_F(FilesTest, ADirectoryIsNotSought) {
  const Fd named = guest_.Open("sub", kOflagDirectory, kReading);
  const Fd unnamed = guest_.Open("sub", 0, kReading);
  for (Fd fd : {named, unnamed, Fd{3}}) {
    EXPECT_EQ(Seek(fd, 0, 1), Errno::kNotcapable);
    EXPECT_EQ(Seek(fd, 0, 0), Errno::kNotcapable);
    EXPECT_EQ(guest_.Call("fd_tell", fd, Guest::kOut), Errno::kNotcapable);
  }
}

TEST_F(FilesTest, APipeIsNotSought) {
  ASSERT_EQ(mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  const Fd fifo = guest_.Open("fifo", 0, kReading, kFdflagNonblock);
  EXPECT_EQ(Seek(fifo, 0, 0), Errno::kSpipe);
  EXPECT_EQ(guest_.Status(fifo).filetype, FileType::kUnknown);
  EXPECT_EQ(Seek(fifo, 0, 0), Errno::kSpipe);
}

TEST_F(FilesTest, AllocateGrowsAFile) {
  const Fd file = guest_.Open("file", 0, kReadingAndWriting);
  const Errno error = guest_.Call("fd_allocate", file, 100, 28);
  if (error == Errno::kNotsup) GTEST_SKIP() << "the filesystem has no fallocate(2)";
  EXPECT_EQ(error, Errno::kSuccess);
  EXPECT_EQ(std::filesystem::file_size(directory_ / "file"), 128u);
  EXPECT_EQ(guest_.Call("fd_allocate", file, 0, 0), Errno::kInval);
  EXPECT_EQ(guest_.Call("fd_allocate", file, ~uint64_t{0}, 1), Errno::kFbig);
  EXPECT_EQ(guest_.Call("fd_allocate", file, uint64_t{1} << 62, uint64_t{1} << 62), Errno::kFbig);
  EXPECT_EQ(guest_.Call("fd_allocate", 3, 0, 1), Errno::kNotcapable);
}

TEST_F(FilesTest, AdviseTakesTheSixKindsOfAdvice) {
  const Fd file = guest_.Open("file");
  for (uint32_t advice = 0; advice < 6; ++advice)
    EXPECT_EQ(guest_.Call("fd_advise", file, 0, 10, advice), Errno::kSuccess);
  EXPECT_EQ(guest_.Call("fd_advise", file, 0, 10, 6), Errno::kInval);
  EXPECT_EQ(guest_.Call("fd_advise", file, ~uint64_t{0}, 10, 0), Errno::kInval);
  EXPECT_EQ(guest_.Call("fd_advise", file, 0, ~uint64_t{0}, 0), Errno::kInval);
  EXPECT_EQ(guest_.Call("fd_advise", 99, 0, 10, 0), Errno::kBadf);
  EXPECT_EQ(guest_.Call("fd_advise", 3, 0, 10, 0), Errno::kNotcapable);
}

TEST_F(FilesTest, SyncFlushesFilesAndDirectories) {
  const Fd file = guest_.Open("file", 0, kReadingAndWriting);
  const Fd sub = guest_.OpenDirectory("sub");
  for (Fd fd : {file, sub}) {
    EXPECT_EQ(guest_.Call("fd_sync", fd), Errno::kSuccess);
    EXPECT_EQ(guest_.Call("fd_datasync", fd), Errno::kSuccess);
  }
  EXPECT_EQ(guest_.Call("fd_sync", 0), Errno::kNotcapable);
  EXPECT_EQ(guest_.Call("fd_sync", 99), Errno::kBadf);
}

TEST_F(FilesTest, CloseWorksOnceOnAnything) {
  const Fd file = guest_.Open("file");
  for (Fd fd : {file, Fd{3}, Fd{0}}) {
    EXPECT_EQ(guest_.Call("fd_close", fd), Errno::kSuccess);
    EXPECT_EQ(guest_.Call("fd_close", fd), Errno::kBadf);
    EXPECT_EQ(guest_.Call("fd_fdstat_get", fd, Guest::kOut), Errno::kBadf);
  }
}

TEST_F(FilesTest, RenumberTakesAFileToAnotherNumberWithAllItIs) {
  const Fd file = guest_.Open("file", 0, kReading, kFdflagAppend);
  const Fd other = guest_.OpenDirectory("sub");
  EXPECT_EQ(guest_.Call("fd_renumber", file, other), Errno::kSuccess);
  EXPECT_EQ(guest_.Call("fd_close", file), Errno::kBadf);
  EXPECT_EQ(guest_.Read(other, 3), "012");
  EXPECT_EQ(guest_.Status(other).flags, kFdflagAppend);
  EXPECT_EQ(guest_.Status(other).filetype, FileType::kRegularFile);
  EXPECT_EQ(guest_.Call("fd_renumber", other, 99), Errno::kBadf);
  EXPECT_EQ(guest_.Call("fd_renumber", 99, other), Errno::kBadf);
  EXPECT_EQ(guest_.Call("fd_renumber", other, other), Errno::kSuccess);
  EXPECT_EQ(guest_.Read(other, 3), "345");
}

TEST_F(FilesTest, RenumberMayReplaceAPreopenAndStandardOutput) {
  const Fd file = guest_.Open("file", 0, kReadingAndWriting);
  EXPECT_EQ(guest_.Call("fd_renumber", file, 1), Errno::kSuccess);
  EXPECT_EQ(guest_.Write(1, "written"), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("file"), "written789");
  const Fd sub = guest_.OpenDirectory("sub");
  EXPECT_EQ(guest_.Call("fd_renumber", sub, 3), Errno::kSuccess);
  EXPECT_EQ(guest_.Call("fd_prestat_get", 3, Guest::kOut), Errno::kBadf);
  EXPECT_EQ(guest_.TryOpen("file"), Errno::kNoent);
}

}  // namespace
}  // namespace wasmoor::wasi
