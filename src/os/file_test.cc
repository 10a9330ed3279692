#include "wasmoor/os/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "support/scratch.h"

namespace wasmoor::os {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class FileTest : public ::testing::Test {
 protected:
  FileTest() { directory = Open(path_.c_str(), O_PATH | O_DIRECTORY); }

  Fd Open(const char* name, int flags) {
    auto file = OpenAt(directory, name, flags, 0600);
    EXPECT_TRUE(file) << file.error().message();
    return file ? std::move(*file) : Fd();
  }
  static std::vector<uint8_t> Pattern(size_t size) {
    std::vector<uint8_t> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 131 >> 3);
    return bytes;
  }
  std::pair<Fd, Fd> Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    return {Fd(ends[0]), Fd(ends[1])};
  }

  const test::ScratchDirectory scratch_;
  const std::filesystem::path path_ = scratch_.path();
  Fd directory;
};

TEST_F(FileTest, OpensCloseOnExecAndNamesWhatItCannotOpen) {
  const Fd file = Open("a", O_RDWR | O_CREAT);
  EXPECT_EQ(fcntl(file.get(), F_GETFD), FD_CLOEXEC);
  const auto missing = OpenAt(directory, "missing", O_RDONLY);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_EQ(missing.error().error_number(), ENOENT);
  EXPECT_THAT(missing.error().message(), HasSubstr("missing"));
}

TEST_F(FileTest, ReadsAllThatWasWrittenWhateverThePosition) {
  const auto bytes = Pattern(1'000'003);
  const Fd file = Open("a", O_RDWR | O_CREAT);
  ASSERT_TRUE(WriteAll(file, bytes));
  EXPECT_EQ(ReadAll(file, bytes.size()), bytes);
  EXPECT_EQ(Stat(file)->st_size, 1'000'003);
}

TEST_F(FileTest, ReadAtStopsAtTheEnd) {
  const auto bytes = Pattern(1000);
  const Fd file = Open("a", O_RDWR | O_CREAT);
  ASSERT_TRUE(WriteAll(file, bytes));
  std::vector<uint8_t> out(300);
  EXPECT_EQ(ReadAt(file, out, 100), 300u);
  EXPECT_TRUE(std::equal(out.begin(), out.end(), bytes.begin() + 100));
  EXPECT_EQ(ReadAt(file, out, 900), 100u);
  EXPECT_EQ(ReadAt(file, out, 5000), 0u);
}

TEST_F(FileTest, WriteAtChangesOnlyItsPlace) {
  auto bytes = Pattern(1000);
  const Fd file = Open("a", O_RDWR | O_CREAT);
  ASSERT_TRUE(WriteAll(file, bytes));
  const std::vector<uint8_t> patch(10, 0xff);
  ASSERT_TRUE(WriteAt(file, patch, 500));
  std::copy(patch.begin(), patch.end(), bytes.begin() + 500);
  EXPECT_EQ(ReadAll(file, UINT64_MAX), bytes);
}

TEST_F(FileTest, ReadsAPipeToItsEndThroughShortReadsAndSignals) {
  auto [reader, writer] = Pipe();
  const auto bytes = Pattern(700'001);
  struct sigaction action{};
  action.sa_handler = [](int) {};
  struct sigaction before;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  const pthread_t self = pthread_self();
  std::jthread feeder([&, end = std::move(writer)] {
    // More than a pipe holds, in pieces, and a signal at every piece.
    for (size_t at = 0; at < bytes.size(); at += 10'007) {
      pthread_kill(self, SIGUSR1);
      EXPECT_TRUE(
          WriteAll(end, std::span(bytes).subspan(at, std::min<size_t>(10'007, bytes.size() - at))));
    }
  });
  EXPECT_EQ(ReadAll(reader, bytes.size()), bytes);
  feeder.join();
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(FileTest, WritesAllIntoAPipeThatIsEmptiedSlowly) {
  auto [reader, writer] = Pipe();
  const auto bytes = Pattern(500'000);
  std::vector<uint8_t> got;
  std::jthread drain([&] { got = *ReadAll(reader, UINT64_MAX); });
  EXPECT_TRUE(WriteAll(writer, bytes));
  writer.Close();
  drain.join();
  EXPECT_EQ(got, bytes);
}

TEST_F(FileTest, RefusesMoreThanTheLimit) {
  const Fd file = Open("a", O_RDWR | O_CREAT);
  ASSERT_TRUE(WriteAll(file, Pattern(101)));
  EXPECT_EQ(ReadAll(file, 100).error().code(), Code::kOutOfRange);
  const auto endless = ReadAll(Open("/dev/zero", O_RDONLY), 1 << 20);
  EXPECT_EQ(endless.error().code(), Code::kOutOfRange);
}

TEST_F(FileTest, ReadsAFileOfProcWhichSaysItIsEmpty) {
  const auto bytes = ReadAll(Open("/proc/self/status", O_RDONLY), 1 << 20);
  ASSERT_TRUE(bytes);
  EXPECT_THAT(std::string(bytes->begin(), bytes->end()), HasSubstr("VmRSS"));
}

TEST_F(FileTest, AWriteThatStopsHalfWayIsAnError) {
  // The kernel writes up to the limit and only then fails: a short write first.
  struct rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit = {.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Fd file = Open("a", O_RDWR | O_CREAT);
  const Status written = WriteAll(file, Pattern(1500));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, old);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().error_number(), EFBIG);
  EXPECT_EQ(Stat(file)->st_size, 1000);
}

TEST_F(FileTest, ListsNamesEvenOfADirectoryThatIsOnlyAPath) {
  EXPECT_THAT(*ReadNames(directory), IsEmpty());
  Open("a", O_RDWR | O_CREAT);
  Open(".b", O_RDWR | O_CREAT);
  EXPECT_THAT(*ReadNames(directory), UnorderedElementsAre("a", ".b"));
  EXPECT_THAT(*ReadNames(directory), UnorderedElementsAre("a", ".b")) << "a second time too";
}

TEST_F(FileTest, RenamesAndUnlinks) {
  Open("a", O_RDWR | O_CREAT);
  EXPECT_TRUE(RenameAt(directory, "a", "b"));
  EXPECT_EQ(StatAt(directory, "a").error().code(), Code::kNotFound);
  EXPECT_TRUE(StatAt(directory, "b"));
  EXPECT_TRUE(UnlinkAt(directory, "b"));
  EXPECT_EQ(UnlinkAt(directory, "b").error().code(), Code::kNotFound);
  std::filesystem::create_directory(path_ / "d");
  EXPECT_EQ(UnlinkAt(directory, "d").error().error_number(), EISDIR);
  EXPECT_TRUE(UnlinkAt(directory, "d", AT_REMOVEDIR));
}

TEST_F(FileTest, StatAtLooksAtALinkItself) {
  std::filesystem::create_symlink("nowhere", path_ / "link");
  const auto status = StatAt(directory, "link");
  ASSERT_TRUE(status);
  EXPECT_TRUE(S_ISLNK(status->st_mode));
}

TEST_F(FileTest, AnUnnamedFileGetsItsNameOnceAndWhole) {
  auto file = OpenUnnamed(directory, 0600);
  if (!file && file.error().code() == Code::kUnimplemented) {
    GTEST_SKIP() << "needs O_TMPFILE on the temporary directory";
  }
  ASSERT_TRUE(file);
  ASSERT_TRUE(WriteAll(*file, Pattern(100)));
  EXPECT_THAT(*ReadNames(directory), IsEmpty());
  EXPECT_TRUE(LinkUnnamed(*file, directory, "named"));
  EXPECT_EQ(ReadAll(Open("named", O_RDONLY), 1000), Pattern(100));
  const Fd other = *OpenUnnamed(directory, 0600);
  EXPECT_EQ(LinkUnnamed(other, directory, "named").error().code(), Code::kAlreadyExists);
}

TEST_F(FileTest, ALockBelongsToTheOpenFile) {
  const Fd first = Open("a", O_RDWR | O_CREAT);
  Fd second = Open("a", O_RDWR);
  EXPECT_EQ(TryLock(first), true);
  EXPECT_EQ(TryLock(first), true) << "whoever has it has it";
  EXPECT_EQ(TryLock(second), false);
  {
    const Fd copy(fcntl(first.get(), F_DUPFD_CLOEXEC, 0));
    EXPECT_EQ(TryLock(copy), true);
  }
  EXPECT_EQ(TryLock(second), false) << "a closed copy gives nothing up";
}

TEST_F(FileTest, TouchSetsTheTimesToNow) {
  const Fd file = Open("a", O_RDWR | O_CREAT);
  const timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(futimens(file.get(), old), 0);
  ASSERT_TRUE(Touch(file));
  EXPECT_GT(Stat(file)->st_mtim.tv_sec, 1'000'000'000);
  EXPECT_GT(Stat(file)->st_atim.tv_sec, 1'000'000'000);
}

TEST_F(FileTest, SaysWhichFilesystemAFileIsOn) {
  const auto proc = StatFilesystem(Open("/proc/self/status", O_RDONLY));
  ASSERT_TRUE(proc);
  EXPECT_EQ(proc->f_type, 0x9fa0);  // PROC_SUPER_MAGIC, linux/magic.h.
}

}  // namespace
}  // namespace wasmoor::os
