#include <fcntl.h>
#include <sys/stat.h>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

class StatusTest : public testing::Test {
 protected:
  StatusTest() : guest_(Prepared()) {}

  ScratchDirectory& Prepared() {
    directory_.Write("file", "0123456789");
    std::filesystem::create_directory(directory_ / "sub");
    directory_.Write("sub/inner", "abc");
    std::filesystem::create_symlink("file", directory_ / "link");
    std::filesystem::create_symlink("nothing", directory_ / "dangling");
    return directory_;
  }

  struct stat HostStatus(const char* name) {
    struct stat status = {};
    EXPECT_EQ(lstat((directory_ / name).c_str(), &status), 0) << name;
    return status;
  }
  Errno PathStatus(std::string_view path, uint32_t lookup = 0, Fd fd = 3) {
    return guest_.Call("path_filestat_get", fd, lookup, path, Guest::kOut);
  }
  Filestat Found() { return guest_.Result<Filestat>(); }
  void ExpectIs(const char* name) {
    const struct stat expected = HostStatus(name);
    const Filestat found = Found();
    EXPECT_EQ(found.dev, expected.st_dev);
    EXPECT_EQ(found.ino, expected.st_ino);
    EXPECT_EQ(found.nlink, expected.st_nlink);
    EXPECT_EQ(found.size, static_cast<uint64_t>(expected.st_size));
    EXPECT_EQ(found.mtim, static_cast<uint64_t>(expected.st_mtim.tv_sec) * 1'000'000'000 +
                              static_cast<uint64_t>(expected.st_mtim.tv_nsec));
  }

  ScratchDirectory directory_;
  Guest guest_;
};

TEST_F(StatusTest, OfAnOpenFile) {
  const Fd file = guest_.Open("file");
  EXPECT_EQ(guest_.Call("fd_filestat_get", file, Guest::kOut), Errno::kSuccess);
  ExpectIs("file");
  EXPECT_EQ(Found().filetype, FileType::kRegularFile);
  EXPECT_EQ(guest_.Call("fd_filestat_get", 3, Guest::kOut), Errno::kSuccess);
  ExpectIs(".");
  EXPECT_EQ(Found().filetype, FileType::kDirectory);
}

TEST_F(StatusTest, OfAPath) {
  for (const char* name :
       {"file", "sub", "sub/inner", "./file", "sub/../file", "sub/.", "sub//inner"}) {
    for (uint32_t lookup : {0u, kLookupSymlinkFollow}) {
      EXPECT_EQ(PathStatus(name, lookup), Errno::kSuccess) << name;
      ExpectIs(name);
    }
  }
  EXPECT_EQ(PathStatus("."), Errno::kSuccess);
  ExpectIs(".");
  EXPECT_EQ(PathStatus("sub/"), Errno::kSuccess);
  EXPECT_EQ(PathStatus("file/"), Errno::kNotdir);
  EXPECT_EQ(PathStatus("missing"), Errno::kNoent);
  EXPECT_EQ(PathStatus("sub/missing"), Errno::kNoent);
  EXPECT_EQ(PathStatus("file/below"), Errno::kNotdir);
  EXPECT_EQ(PathStatus(""), Errno::kNoent);
  EXPECT_EQ(PathStatus("file", 2), Errno::kInval);
  EXPECT_EQ(PathStatus(std::string(5000, 'x')), Errno::kNametoolong);
  EXPECT_EQ(PathStatus(std::string(300, 'x')), Errno::kNametoolong);
  EXPECT_EQ(PathStatus("bad\xff"), Errno::kIlseq);
  EXPECT_EQ(PathStatus(std::string_view("file\0", 5)), Errno::kInval);
}

TEST_F(StatusTest, OfALinkOrOfWhatItLeadsTo) {
  EXPECT_EQ(PathStatus("link"), Errno::kSuccess);
  ExpectIs("link");
  EXPECT_EQ(Found().filetype, FileType::kSymbolicLink);
  EXPECT_EQ(PathStatus("sub/../link"), Errno::kSuccess);
  ExpectIs("link");
  EXPECT_EQ(PathStatus("link", kLookupSymlinkFollow), Errno::kSuccess);
  ExpectIs("file");
  EXPECT_EQ(PathStatus("dangling"), Errno::kSuccess);
  EXPECT_EQ(PathStatus("dangling", kLookupSymlinkFollow), Errno::kNoent);
}

TEST_F(StatusTest, TimesBefore1970AreZero) {
  const timespec times[2] = {{-5, 0}, {-5, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, (directory_ / "file").c_str(), times, 0), 0);
  EXPECT_EQ(PathStatus("file"), Errno::kSuccess);
  EXPECT_EQ(Found().mtim, 0u);
}

TEST_F(StatusTest, TimesAreSetByDescriptor) {
  const Fd file = guest_.Open("file");
  const uint64_t atim = 1'000'000'000'000'000'001;
  const uint64_t mtim = 1'500'000'000'000'000'002;
  const auto given = kFstflagAtim | kFstflagMtim;
  // Not asked for by the default of a reader.
  EXPECT_EQ(guest_.Call("fd_filestat_set_times", file, atim, mtim, given), Errno::kNotcapable);
  const Fd other = guest_.Open("file", 0, kReadingAndWriting);
  EXPECT_EQ(guest_.Call("fd_filestat_set_times", other, atim, mtim, given), Errno::kSuccess);
  EXPECT_EQ(PathStatus("file"), Errno::kSuccess);
  EXPECT_EQ(Found().atim, atim);
  EXPECT_EQ(Found().mtim, mtim);
  // The one that is not named stays.
  EXPECT_EQ(guest_.Call("fd_filestat_set_times", other, 7, 8, kFstflagAtim), Errno::kSuccess);
  EXPECT_EQ(PathStatus("file"), Errno::kSuccess);
  EXPECT_EQ(Found().atim, 7u);
  EXPECT_EQ(Found().mtim, mtim);
  EXPECT_EQ(guest_.Call("fd_filestat_set_times", other, 0, 0, kFstflagMtimNow), Errno::kSuccess);
  EXPECT_EQ(PathStatus("file"), Errno::kSuccess);
  EXPECT_EQ(Found().atim, 7u);
  EXPECT_GT(Found().mtim, mtim);
}

TEST_F(StatusTest, TimesOfADirectoryThatIsOnlyAPlaceAreSet) {
  EXPECT_EQ(guest_.Call("fd_filestat_set_times", 3, 1, 2, kFstflagAtim | kFstflagMtim),
            Errno::kSuccess);
  EXPECT_EQ(guest_.Call("fd_filestat_get", 3, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(Found().mtim, 2u);
}

TEST_F(StatusTest, TimesCannotBeGivenAndNow) {
  const Fd file = guest_.Open("file", 0, kReadingAndWriting);
  for (uint32_t flags : {kFstflagAtim | kFstflagAtimNow, kFstflagMtim | kFstflagMtimNow, 16u}) {
    EXPECT_EQ(guest_.Call("fd_filestat_set_times", file, 0, 0, flags), Errno::kInval);
    EXPECT_EQ(guest_.Call("path_filestat_set_times", 3, 0, "file", 0, 0, flags), Errno::kInval);
  }
}

TEST_F(StatusTest, TimesAreSetByPathOfTheLinkOrWhatItLeadsTo) {
  const auto set = [&](std::string_view path, uint32_t lookup, uint64_t time) {
    return guest_.Call("path_filestat_set_times", 3, lookup, path, 0, time, kFstflagMtim);
  };
  const auto mtim = [&](const char* name) {
    EXPECT_EQ(PathStatus(name), Errno::kSuccess);
    return Found().mtim;
  };
  EXPECT_EQ(set("file", 0, 100), Errno::kSuccess);
  EXPECT_EQ(mtim("file"), 100u);
  EXPECT_EQ(set("link", 0, 200), Errno::kSuccess);
  EXPECT_EQ(mtim("link"), 200u);
  EXPECT_EQ(mtim("file"), 100u);
  EXPECT_EQ(set("sub/../link", 0, 250), Errno::kSuccess);
  EXPECT_EQ(mtim("link"), 250u);
  EXPECT_EQ(mtim("file"), 100u);
  EXPECT_EQ(set("link", kLookupSymlinkFollow, 300), Errno::kSuccess);
  EXPECT_EQ(mtim("link"), 250u);
  EXPECT_EQ(mtim("file"), 300u);
  EXPECT_EQ(set("sub/inner", kLookupSymlinkFollow, 400), Errno::kSuccess);
  EXPECT_EQ(mtim("sub/inner"), 400u);
  EXPECT_EQ(set("dangling", kLookupSymlinkFollow, 1), Errno::kNoent);
}

TEST_F(StatusTest, SizeIsSetOfWhatIsOpenForWriting) {
  const Fd file = guest_.Open("file", 0, kReadingAndWriting);
  EXPECT_EQ(guest_.Call("fd_filestat_set_size", file, 4), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("file"), "0123");
  EXPECT_EQ(guest_.Call("fd_filestat_set_size", file, 6), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("file"), std::string("0123\0\0", 6));
  EXPECT_EQ(guest_.Call("fd_filestat_set_size", file, ~uint64_t{0}), Errno::kInval);
  const Fd reader = guest_.Open("file", 0, kReading | kRightFdFilestatSetSize);
  EXPECT_EQ(guest_.Call("fd_filestat_set_size", reader, 0), Errno::kNotcapable);
  EXPECT_EQ(guest_.Call("fd_filestat_set_size", 3, 0), Errno::kNotcapable);
}

TEST_F(StatusTest, FdstatTellsTypeFlagsAndRights) {
  const Fd file = guest_.Open("file", 0, kReadingAndWriting, kFdflagAppend | kFdflagSync);
  Fdstat status = guest_.Status(file);
  EXPECT_EQ(status.filetype, FileType::kRegularFile);
  EXPECT_EQ(status.flags, kFdflagAppend | kFdflagSync);
  EXPECT_EQ(status.base, kReadingAndWriting);
  EXPECT_EQ(status.inheriting, 0u);
  // Of a directory that was opened with every right, those that a directory has.
  for (uint32_t oflags : {0u, kOflagDirectory}) {
    status = guest_.Status(guest_.Open("sub", oflags, ~kRightFdWrite));
    EXPECT_EQ(status.filetype, FileType::kDirectory);
    EXPECT_EQ(status.base, kDirectoryRights);
    EXPECT_EQ(status.inheriting, kDirectoryRights | kFileRights);
  }
  EXPECT_EQ(guest_.Call("fd_fdstat_get", 99, Guest::kOut), Errno::kBadf);
}

TEST_F(StatusTest, FlagsThatLinuxCanChangeAreChanged) {
  const Fd file = guest_.Open("file", 0, kReadingAndWriting);
  EXPECT_EQ(guest_.Call("fd_fdstat_set_flags", file, kFdflagAppend | kFdflagNonblock),
            Errno::kSuccess);
  EXPECT_EQ(guest_.Status(file).flags, kFdflagAppend | kFdflagNonblock);
  EXPECT_EQ(guest_.Write(file, "ab"), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("file"), "0123456789ab");
  EXPECT_EQ(guest_.Call("fd_fdstat_set_flags", file, 0), Errno::kSuccess);
  EXPECT_EQ(guest_.Call("fd_seek", file, 0, 0, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest_.Write(file, "xy"), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("file"), "xy23456789ab");
  EXPECT_EQ(guest_.Call("fd_fdstat_set_flags", file, kFdflagSync), Errno::kNotsup);
  EXPECT_EQ(guest_.Call("fd_fdstat_set_flags", file, 32), Errno::kInval);
  const Fd synced = guest_.Open("file", 0, kReadingAndWriting, kFdflagDsync);
  EXPECT_EQ(guest_.Call("fd_fdstat_set_flags", synced, kFdflagDsync | kFdflagAppend),
            Errno::kSuccess);
  EXPECT_EQ(guest_.Call("fd_fdstat_set_flags", synced, 0), Errno::kNotsup);
}

}  // namespace
}  // namespace wasmoor::wasi
