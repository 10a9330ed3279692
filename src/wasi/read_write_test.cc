#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    reader = os::Fd(ends[0]);
    writer = os::Fd(ends[1]);
  }
  os::Fd reader, writer;
};

os::Fd Duplicate(const os::Fd& file) { return os::Fd(fcntl(file.get(), F_DUPFD_CLOEXEC, 3)); }

bool IsNonblocking(const os::Fd& file) { return (fcntl(file.get(), F_GETFL) & O_NONBLOCK) != 0; }

TEST(ReadWriteTest, MovesBytesAtTheDescriptorsPosition) {
  ScratchDirectory directory;
  Guest guest(directory);
  const Fd file = guest.Open("file", kOflagCreat, kReadingAndWriting);
  EXPECT_EQ(guest.Write(file, "hello "), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 6u);
  EXPECT_EQ(guest.Write(file, "world"), Errno::kSuccess);
  EXPECT_EQ(directory.Read("file"), "hello world");
  EXPECT_EQ(guest.Read(file), "");
  EXPECT_EQ(guest.Call("fd_seek", file, 6, 0, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Read(file, 3), "wor");
  EXPECT_EQ(guest.Read(file), "ld");
}

TEST(ReadWriteTest, GathersAndScattersAListOfBuffers) {
  ScratchDirectory directory;
  Guest guest(directory);
  const Fd file = guest.Open("file", kOflagCreat, kReadingAndWriting);
  guest.PutText(Guest::kData, "abcdefghij");
  // Empty buffers count for nothing, wherever they point to.
  guest.Put(Guest::kList, std::array{Iovec{0xffffffff, 0}, Iovec{Guest::kData + 5, 5}, Iovec{0, 0},
                                     Iovec{Guest::kData, 5}});
  EXPECT_EQ(guest.Call("fd_write", file, Guest::kList, 4, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 10u);
  EXPECT_EQ(directory.Read("file"), "fghijabcde");
  guest.Put(Guest::kList, std::array{Iovec{Guest::kData + 100, 3}, Iovec{Guest::kData + 200, 100}});
  EXPECT_EQ(guest.Call("fd_pread", file, Guest::kList, 2, 1, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 9u);
  EXPECT_EQ(guest.Text(Guest::kData + 100, 3), "ghi");
  EXPECT_EQ(guest.Text(Guest::kData + 200, 6), "jabcde");
  EXPECT_EQ(guest.Call("fd_read", file, Guest::kList, 0, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 0u);
}

TEST(ReadWriteTest, AListOfAnyLengthIsTakenInParts) {
  ScratchDirectory directory;
  Guest guest(directory);
  const Fd file = guest.Open("file", kOflagCreat, kReadingAndWriting);
  // 5000 empty buffers, then 3000 of one byte, of which the kernel takes 1024 at once.
  constexpr Ptr kLong = 0x9000;
  guest.PutText(Guest::kData, "x");
  for (Ptr i = 0; i < 8000; ++i) guest.Put(kLong + 8 * i, Iovec{Guest::kData, i < 5000 ? 0u : 1u});
  EXPECT_EQ(guest.Call("fd_write", file, kLong, 8000, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 1024u);
  EXPECT_EQ(directory.Read("file"), std::string(1024, 'x'));
}

TEST(ReadWriteTest, PositionalCallsLeaveThePositionAlone) {
  ScratchDirectory directory;
  directory.Write("file", "0123456789");
  Guest guest(directory);
  const Fd file = guest.Open("file", 0, kReadingAndWriting);
  guest.PutText(Guest::kData, "ab");
  guest.Put(Guest::kList, Iovec{Guest::kData, 2});
  EXPECT_EQ(guest.Call("fd_pwrite", file, Guest::kList, 1, 4, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(directory.Read("file"), "0123ab6789");
  guest.Put(Guest::kList, Iovec{Guest::kData, 4});
  EXPECT_EQ(guest.Call("fd_pread", file, Guest::kList, 1, 3, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Text(Guest::kData, 4), "3ab6");
  EXPECT_EQ(guest.Call("fd_pread", file, Guest::kList, 1, 100, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 0u);
  EXPECT_EQ(guest.Call("fd_pread", file, Guest::kList, 1, ~uint64_t{0}, Guest::kOut),
            Errno::kInval);
  EXPECT_EQ(guest.Read(file, 2), "01");
}

TEST(ReadWriteTest, ADirectoryIsNeitherReadNorWritten) {
  ScratchDirectory directory;
  std::filesystem::create_directory(directory / "sub");
  Guest guest(directory);
  const Fd sub = guest.Open("sub");  // Without saying that it is a directory.
  EXPECT_EQ(guest.Read(sub), "[31]");
  EXPECT_EQ(guest.Write(sub, "x"), Errno::kNotcapable);
  EXPECT_EQ(guest.TryOpen("sub", 0, kReadingAndWriting), Errno::kIsdir);
}

TEST(StdioTest, IsReadAndWrittenUncopied) {
  Pipe in;
  Pipe out;
  Grants grants;
  grants.standard_input = std::move(in.reader);
  grants.standard_output = std::move(out.writer);
  Guest guest(std::move(grants));
  ASSERT_EQ(write(in.writer.get(), "input", 5), 5);
  EXPECT_EQ(guest.Read(0), "input");
  in.writer.Close();
  EXPECT_EQ(guest.Read(0), "");
  EXPECT_EQ(guest.Write(1, "output"), Errno::kSuccess);
  char text[7] = {};
  ASSERT_EQ(read(out.reader.get(), text, 6), 6);
  EXPECT_STREQ(text, "output");
  // One direction each.
  EXPECT_EQ(guest.Write(0, "x"), Errno::kNotcapable);
  EXPECT_EQ(guest.Read(1), "[76]");
}

TEST(StdioTest, ThatWasNotGrantedIsEmptyAndSwallows) {
  Guest guest;
  EXPECT_EQ(guest.Read(0), "");
  EXPECT_EQ(guest.Write(1, "lost"), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 4u);
  guest.Put(Guest::kList, std::array{Iovec{0, 5}, Iovec{8, 6}});
  EXPECT_EQ(guest.Call("fd_write", 2, Guest::kList, 2, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 11u);
  EXPECT_EQ(guest.Call("fd_seek", 0, 0, 1, Guest::kOut), Errno::kSpipe);
  EXPECT_EQ(guest.Call("fd_pread", 0, Guest::kList, 1, 0, Guest::kOut), Errno::kSpipe);
  EXPECT_EQ(guest.Call("fd_filestat_get", 0, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Call("sock_recv", 0, Guest::kList, 1, 0, Guest::kOut, Guest::kOut + 8),
            Errno::kNotsock);
  EXPECT_EQ(guest.Status(1).filetype, FileType::kUnknown);
}

TEST(StdioTest, NonblockingIsTheGuestsOwnAffair) {
  Pipe in;
  const os::Fd caller = Duplicate(in.reader);
  Grants grants;
  grants.standard_input = std::move(in.reader);
  Guest guest(std::move(grants));
  EXPECT_EQ(guest.Call("fd_fdstat_set_flags", 0, kFdflagNonblock), Errno::kSuccess);
  EXPECT_EQ(guest.Status(0).flags, kFdflagNonblock);
  EXPECT_FALSE(IsNonblocking(caller)) << "the caller's description was changed";
  EXPECT_EQ(guest.Read(0), "[6]");
  ASSERT_EQ(write(in.writer.get(), "now", 3), 3);
  EXPECT_EQ(guest.Read(0), "now");
  EXPECT_EQ(guest.Call("fd_fdstat_set_flags", 0, kFdflagAppend), Errno::kNotsup);
}

TEST(StdioTest, ANonblockingWriteToAFullPipeSaysAgain) {
  Pipe out;
  Grants grants;
  grants.standard_output = std::move(out.writer);
  Guest guest(std::move(grants));
  EXPECT_EQ(guest.Call("fd_fdstat_set_flags", 1, kFdflagNonblock), Errno::kSuccess);
  Errno error = Errno::kSuccess;
  size_t written = 0;
  guest.Put(Guest::kList, Iovec{Guest::kData, 4096});
  while (error == Errno::kSuccess && written < (16u << 20)) {
    error = guest.Call("fd_write", 1, Guest::kList, 1, Guest::kOut);
    if (error == Errno::kSuccess) written += guest.Result();
  }
  EXPECT_EQ(error, Errno::kAgain);
  EXPECT_EQ(written, static_cast<size_t>(fcntl(out.reader.get(), F_GETPIPE_SZ)));
}

TEST(StdioTest, AGuestThatBlocksIsNotToldThatItsCallerDoesNot) {
  Pipe in;
  ASSERT_EQ(fcntl(in.reader.get(), F_SETFL, O_NONBLOCK), 0);
  Grants grants;
  grants.standard_input = std::move(in.reader);
  Guest guest(std::move(grants));
  // Would be "again" without waiting for the byte that comes later.
  const pid_t writer = fork();
  if (writer == 0) {
    usleep(20'000);
    _exit(write(in.writer.get(), "late", 4) == 4 ? 0 : 1);
  }
  EXPECT_EQ(guest.Read(0), "late");
  EXPECT_EQ(waitpid(writer, nullptr, 0), writer);
}

TEST(StdioTest, ARegularFileIsSoughtAndHasItsType) {
  ScratchDirectory directory;
  directory.Write("input", "0123456789");
  Grants grants;
  grants.standard_input = os::Fd(open((directory / "input").c_str(), O_RDONLY | O_CLOEXEC));
  Guest guest(std::move(grants));
  EXPECT_EQ(guest.Call("fd_seek", 0, 4, 0, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Read(0), "456789");
  EXPECT_EQ(guest.Status(0).filetype, FileType::kRegularFile);
  // Non-blocking means nothing for it.
  EXPECT_EQ(guest.Call("fd_fdstat_set_flags", 0, kFdflagNonblock), Errno::kSuccess);
  EXPECT_EQ(guest.Call("fd_seek", 0, 0, 0, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Read(0, 3), "012");
}

TEST(StdioTest, APipeThatNobodyReadsIsAnErrnoIfTheProcessIgnoresSigpipe) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  Pipe out;
  Grants grants;
  grants.standard_output = std::move(out.writer);
  Guest guest(std::move(grants));
  out.reader.Close();
  EXPECT_EQ(guest.Write(1, "x"), Errno::kPipe);
  signal(SIGPIPE, before);
}

// What wasi-libc's isatty() looks at: a character device without the rights to seek and tell.
TEST(StdioTest, ATerminalIsTheCharacterDeviceThatCannotSeek) {
  const os::Fd controller(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!controller.valid() || grantpt(controller.get()) != 0 || unlockpt(controller.get()) != 0)
    GTEST_SKIP() << "no pseudo-terminals (devpts) here";
  Grants grants;
  grants.standard_output = os::Fd(open(ptsname(controller.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  grants.standard_error = os::Fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
  Guest guest(std::move(grants));
  constexpr Rights kSeeks = kRightFdSeek | kRightFdTell;
  const Fdstat terminal = guest.Status(1);
  EXPECT_EQ(terminal.filetype, FileType::kCharacterDevice);
  EXPECT_EQ(terminal.base & kSeeks, 0u);
  EXPECT_EQ(guest.Call("fd_tell", 1, Guest::kOut), Errno::kSpipe);
  const Fdstat null = guest.Status(2);
  EXPECT_EQ(null.filetype, FileType::kCharacterDevice);
  EXPECT_EQ(null.base & kSeeks, kSeeks);
}

}  // namespace
}  // namespace wasmoor::wasi
