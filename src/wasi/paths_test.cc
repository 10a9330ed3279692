#include <sys/stat.h>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

class PathsTest : public testing::Test {
 protected:
  PathsTest() : guest_(Prepared()) {}

  ScratchDirectory& Prepared() {
    directory_.Write("file", "text");
    std::filesystem::create_directory(directory_ / "dir");
    directory_.Write("dir/inner", "inner");
    std::filesystem::create_symlink("file", directory_ / "link");
    std::filesystem::create_symlink("dir", directory_ / "dirlink");
    std::filesystem::create_symlink("nothing", directory_ / "dangling");
    return directory_;
  }

  Errno Mkdir(std::string_view path) { return guest_.Call("path_create_directory", 3, path); }
  Errno Rmdir(std::string_view path) { return guest_.Call("path_remove_directory", 3, path); }
  Errno Unlink(std::string_view path) { return guest_.Call("path_unlink_file", 3, path); }
  Errno Rename(std::string_view from, std::string_view to) {
    return guest_.Call("path_rename", 3, from, 3, to);
  }
  Errno Symlink(std::string_view contents, std::string_view path) {
    return guest_.Call("path_symlink", contents, 3, path);
  }
  Errno Link(std::string_view from, std::string_view to, uint32_t lookup = 0) {
    return guest_.Call("path_link", 3, lookup, from, 3, to);
  }
  Errno Readlink(std::string_view path, Size size = 100) {
    return guest_.Call("path_readlink", 3, path, Guest::kData, size, Guest::kOut);
  }
  bool Exists(const char* name) {
    return std::filesystem::exists(std::filesystem::symlink_status(directory_ / name));
  }

  ScratchDirectory directory_;
  Guest guest_;
};

TEST_F(PathsTest, DirectoriesAreMade) {
  EXPECT_EQ(Mkdir("new"), Errno::kSuccess);
  EXPECT_TRUE(std::filesystem::is_directory(directory_ / "new"));
  EXPECT_EQ(Mkdir("dir/new/"), Errno::kSuccess);
  EXPECT_EQ(Mkdir("dir//new///deeper//"), Errno::kSuccess);
  EXPECT_TRUE(std::filesystem::is_directory(directory_ / "dir/new/deeper"));
  EXPECT_EQ(Mkdir("dirlink/through"), Errno::kSuccess);
  EXPECT_TRUE(std::filesystem::is_directory(directory_ / "dir/through"));
  EXPECT_EQ(Mkdir("new"), Errno::kExist);
  EXPECT_EQ(Mkdir("file"), Errno::kExist);
  EXPECT_EQ(Mkdir("dangling"), Errno::kExist);
  EXPECT_EQ(Mkdir("dangling/"), Errno::kExist);
  EXPECT_EQ(Mkdir("missing/new"), Errno::kNoent);
  EXPECT_EQ(Mkdir("file/new"), Errno::kNotdir);
  for (const char* dots : {".", "dir/.", "dir/..", "dir/../"})
    EXPECT_EQ(Mkdir(dots), Errno::kExist) << dots;
  EXPECT_EQ(Mkdir(""), Errno::kNoent);
  EXPECT_EQ(Mkdir("bad\xff"), Errno::kIlseq);
}

TEST_F(PathsTest, DirectoriesAreRemovedWhenEmpty) {
  EXPECT_EQ(Rmdir("dir"), Errno::kNotempty);
  EXPECT_EQ(Unlink("dir/inner"), Errno::kSuccess);
  EXPECT_EQ(Rmdir("dirlink"), Errno::kNotdir);
  EXPECT_EQ(Rmdir("dirlink/"), Errno::kNotdir);
  EXPECT_EQ(Rmdir("dir/"), Errno::kSuccess);
  EXPECT_FALSE(Exists("dir"));
  EXPECT_EQ(Rmdir("file"), Errno::kNotdir);
  EXPECT_EQ(Rmdir("file/"), Errno::kNotdir);
  EXPECT_EQ(Rmdir("missing"), Errno::kNoent);
  EXPECT_EQ(Rmdir("."), Errno::kInval);
}

TEST_F(PathsTest, FilesAndLinksAreUnlinkedAndDirectoriesAreNot) {
  EXPECT_EQ(Unlink("dir"), Errno::kIsdir);
  EXPECT_EQ(Unlink("dir/"), Errno::kIsdir);
  EXPECT_EQ(Unlink("dir/."), Errno::kIsdir);
  EXPECT_EQ(Unlink("file/"), Errno::kNotdir);
  EXPECT_EQ(Unlink("link/"), Errno::kNotdir);
  EXPECT_EQ(Unlink("link"), Errno::kSuccess);
  EXPECT_FALSE(Exists("link"));
  EXPECT_TRUE(Exists("file"));
  EXPECT_EQ(Unlink("file"), Errno::kSuccess);
  EXPECT_FALSE(Exists("file"));
  EXPECT_EQ(Unlink("file"), Errno::kNoent);
  EXPECT_EQ(Unlink("dir/inner"), Errno::kSuccess);
}

TEST_F(PathsTest, FilesAndDirectoriesAreRenamed) {
  EXPECT_EQ(Rename("file", "renamed"), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("renamed"), "text");
  EXPECT_FALSE(Exists("file"));
  EXPECT_EQ(Rename("renamed", "dir/moved"), Errno::kSuccess);
  EXPECT_EQ(Rename("dir/moved", "dir/inner"), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("dir/inner"), "text");
  EXPECT_EQ(Rename("dir/", "other"), Errno::kSuccess);
  EXPECT_EQ(Rename("other", "dir/"), Errno::kSuccess);
  EXPECT_EQ(Rename("dir/", "other/"), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("other/inner"), "text");
  EXPECT_EQ(Mkdir("empty"), Errno::kSuccess);
  EXPECT_EQ(Rename("other", "empty"), Errno::kSuccess);
  EXPECT_EQ(Rename("missing", "x"), Errno::kNoent);
  EXPECT_EQ(Rename("empty", "empty/below"), Errno::kInval);
  EXPECT_EQ(Rename("empty/inner", "."), Errno::kBusy);
  EXPECT_EQ(Rename("..", "x"), Errno::kNotcapable);
}

TEST_F(PathsTest, RenamingKeepsFilesAndDirectoriesApart) {
  EXPECT_EQ(Rename("file", "dir"), Errno::kIsdir);
  EXPECT_EQ(Rename("dir", "file"), Errno::kNotdir);
  EXPECT_EQ(Rename("file/", "x"), Errno::kNotdir);
  EXPECT_EQ(Rename("file", "x/"), Errno::kNotdir);
  EXPECT_EQ(Rename("dirlink/", "x"), Errno::kNotdir);
  EXPECT_EQ(Mkdir("other"), Errno::kSuccess);
  EXPECT_EQ(Rename("other", "dir"), Errno::kNotempty);
  // A link is renamed and not what it leads to.
  EXPECT_EQ(Rename("link", "renamed"), Errno::kSuccess);
  EXPECT_TRUE(std::filesystem::is_symlink(directory_ / "renamed"));
  EXPECT_TRUE(Exists("file"));
}

TEST_F(PathsTest, RenamesAcrossTwoOpenDirectories) {
  const Fd dir = guest_.OpenDirectory("dir");
  EXPECT_EQ(guest_.Call("path_rename", dir, "inner", 3, "outer"), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("outer"), "inner");
  EXPECT_EQ(guest_.Call("path_rename", 99, "inner", 3, "outer"), Errno::kBadf);
  EXPECT_EQ(guest_.Call("path_rename", 3, "outer", 99, "inner"), Errno::kBadf);
}

TEST_F(PathsTest, SymbolicLinksAreMadeAndRead) {
  EXPECT_EQ(Symlink("some/../target", "new"), Errno::kSuccess);
  EXPECT_EQ(Readlink("new"), Errno::kSuccess);
  EXPECT_EQ(guest_.Text(Guest::kData, guest_.Result()), "some/../target");
  EXPECT_EQ(Readlink("dir/../new"), Errno::kSuccess);
  EXPECT_EQ(guest_.Result(), 14u);
  EXPECT_EQ(Symlink("target", "new"), Errno::kExist);
  EXPECT_EQ(Symlink("target", "dir/"), Errno::kExist);
  EXPECT_EQ(Symlink("target", "missing/"), Errno::kNoent);
  EXPECT_EQ(Symlink("target", "dir/."), Errno::kExist);
  EXPECT_EQ(Symlink("", "empty"), Errno::kNoent);
  EXPECT_EQ(Symlink("bad\xff", "utf8"), Errno::kIlseq);
  EXPECT_EQ(Symlink("/etc/passwd", "absolute"), Errno::kNotcapable);
  EXPECT_FALSE(Exists("absolute"));
}

TEST_F(PathsTest, ReadlinkCutsWhatDoesNotFit) {
  guest_.PutText(Guest::kData, "####");
  EXPECT_EQ(Readlink("link", 2), Errno::kSuccess);
  EXPECT_EQ(guest_.Result(), 2u);
  EXPECT_EQ(guest_.Text(Guest::kData, 4), "fi##");
  EXPECT_EQ(Readlink("link", 0), Errno::kSuccess);
  EXPECT_EQ(guest_.Result(), 0u);
  EXPECT_EQ(guest_.Text(Guest::kData, 4), "fi##");
  for (const char* other : {"file", "dir", ".", "dir/inner", "dir/", "dirlink/"})
    EXPECT_EQ(Readlink(other), Errno::kInval) << other;
  EXPECT_EQ(Readlink("missing"), Errno::kNoent);
}

TEST_F(PathsTest, HardLinksAreMadeOfTheNameItself) {
  EXPECT_EQ(Link("file", "second"), Errno::kSuccess);
  EXPECT_EQ(std::filesystem::hard_link_count(directory_ / "file"), 2u);
  EXPECT_EQ(Link("dir/inner", "dir/second"), Errno::kSuccess);
  EXPECT_EQ(Link("dangling", "dir/link"), Errno::kSuccess);
  EXPECT_TRUE(std::filesystem::is_symlink(directory_ / "dir/link"));
  EXPECT_EQ(Link("file", "second"), Errno::kExist);
  EXPECT_EQ(Link("file", "dir"), Errno::kExist);
  EXPECT_EQ(Link("file", "dangling"), Errno::kExist);
  EXPECT_EQ(Link("file", "new/"), Errno::kNoent);
  EXPECT_EQ(Link("dir", "new"), Errno::kPerm);
  EXPECT_EQ(Link("dir/", "new"), Errno::kPerm);
  EXPECT_EQ(Link("dirlink/", "new"), Errno::kPerm);
  EXPECT_EQ(Link(".", "new"), Errno::kPerm);
  EXPECT_EQ(Link("file/", "new"), Errno::kNotdir);
  EXPECT_EQ(Link("missing", "new"), Errno::kNoent);
  EXPECT_EQ(Link("file", "new", 2), Errno::kInval);
  EXPECT_FALSE(Exists("new"));
}

TEST_F(PathsTest, HardLinksAreMadeOfWhatALinkLeadsTo) {
  EXPECT_EQ(Link("file", "plain", kLookupSymlinkFollow), Errno::kSuccess);
  EXPECT_EQ(std::filesystem::hard_link_count(directory_ / "file"), 2u);
  EXPECT_EQ(Link("dangling", "x", kLookupSymlinkFollow), Errno::kNoent);
  EXPECT_EQ(Link("dirlink", "x", kLookupSymlinkFollow), Errno::kPerm);
  const Errno error = Link("link", "followed", kLookupSymlinkFollow);
  if (error == Errno::kNoent)
    GTEST_SKIP() << "linkat(AT_EMPTY_PATH) needs CAP_DAC_READ_SEARCH or Linux 6.10";
  EXPECT_EQ(error, Errno::kSuccess);
  EXPECT_EQ(std::filesystem::hard_link_count(directory_ / "file"), 3u);
}

class PathOpenTest : public PathsTest {};

TEST_F(PathOpenTest, CreatesTruncatesAndExcludes) {
  const Fd made = guest_.Open("new", kOflagCreat, kReadingAndWriting);
  EXPECT_TRUE(Exists("new"));
  EXPECT_EQ(guest_.Write(made, "contents"), Errno::kSuccess);
  EXPECT_EQ(guest_.TryOpen("new", kOflagCreat | kOflagExcl), Errno::kExist);
  EXPECT_EQ(guest_.Read(guest_.Open("new", kOflagCreat)), "contents");
  guest_.Open("new", kOflagTrunc, kReadingAndWriting);
  EXPECT_EQ(directory_.Read("new"), "");
  EXPECT_EQ(guest_.TryOpen("missing"), Errno::kNoent);
  EXPECT_EQ(guest_.TryOpen("new/"), Errno::kNotdir);
  EXPECT_EQ(guest_.TryOpen("other/", kOflagCreat), Errno::kIsdir);
  EXPECT_EQ(guest_.TryOpen("file", kOflagCreat | kOflagDirectory), Errno::kInval);
  EXPECT_EQ(guest_.TryOpen("file", 16), Errno::kInval);
  EXPECT_EQ(guest_.TryOpen("file", 0, kReading, 32), Errno::kInval);
  EXPECT_EQ(guest_.TryOpen(""), Errno::kNoent);
  EXPECT_EQ(guest_.TryOpen("file", 0, 0, 0, 1), Errno::kNotcapable);
  EXPECT_EQ(guest_.TryOpen("file", 0, 0, 0, 99), Errno::kBadf);
}

TEST_F(PathOpenTest, OpensDirectoriesWithAndWithoutSayingSo) {
  for (uint32_t oflags : {0u, kOflagDirectory}) {
    for (Rights base : {Rights{0}, kRightFdRead, kReading | kDirectoryRights}) {
      const Fd fd = guest_.Open("dir", oflags, base);
      EXPECT_EQ(guest_.Status(fd).filetype, FileType::kDirectory);
      EXPECT_EQ(guest_.Call("fd_close", fd), Errno::kSuccess);
    }
  }
  EXPECT_EQ(guest_.TryOpen("file", kOflagDirectory), Errno::kNotdir);
  EXPECT_EQ(guest_.TryOpen(".", kOflagDirectory, kReadingAndWriting), Errno::kIsdir);
  EXPECT_EQ(guest_.TryOpen("dir", 0, kRightFdWrite), Errno::kIsdir);
  // A descriptor of a directory is where paths start.
  const Fd dir = guest_.Open("dir", kOflagDirectory, kDirectoryRights);
  EXPECT_EQ(guest_.TryOpen("inner", 0, kReading, 0, dir), Errno::kSuccess);
  EXPECT_EQ(guest_.TryOpen("../file", 0, kReading, 0, dir), Errno::kNotcapable);
  const Fd place = guest_.Open("dir", kOflagDirectory, kRightPathOpen);
  EXPECT_EQ(guest_.TryOpen("inner", 0, kReading, 0, place), Errno::kSuccess);
}

TEST_F(PathOpenTest, AFileIsNoDirectoryToStartFrom) {
  const Fd file = guest_.Open("file", 0, ~kWritingRights);
  EXPECT_EQ(guest_.TryOpen("x", 0, 0, 0, file), Errno::kNotdir);
}

TEST_F(PathOpenTest, FollowsLinksOnlyWhenAsked) {
  EXPECT_EQ(guest_.Read(guest_.Open("link")), "text");
  EXPECT_EQ(guest_.TryOpen("link", 0, kReading, 0, 3, 0), Errno::kLoop);
  EXPECT_EQ(guest_.TryOpen("dirlink", kOflagDirectory, kReading, 0, 3, 0), Errno::kNotdir);
  EXPECT_EQ(guest_.Read(guest_.Open("dirlink/inner")), "inner");
  EXPECT_EQ(guest_.TryOpen("dangling"), Errno::kNoent);
  EXPECT_EQ(guest_.TryOpen("dangling", kOflagCreat | kOflagExcl), Errno::kExist);
  guest_.Open("dangling", kOflagCreat, kReadingAndWriting);
  EXPECT_TRUE(Exists("nothing"));
  EXPECT_EQ(guest_.TryOpen("file", 0, kReading, 0, 3, 2), Errno::kInval);
  EXPECT_EQ(Symlink("self", "self"), Errno::kSuccess);
  EXPECT_EQ(guest_.TryOpen("self"), Errno::kLoop);
}

TEST_F(PathOpenTest, AppliesTheFlagsOfTheFile) {
  const Fd append = guest_.Open("file", 0, kReadingAndWriting, kFdflagAppend);
  EXPECT_EQ(guest_.Write(append, "!"), Errno::kSuccess);
  EXPECT_EQ(directory_.Read("file"), "text!");
  for (uint32_t flags : {kFdflagDsync, kFdflagSync, kFdflagRsync, kFdflagNonblock}) {
    const Fd fd = guest_.Open("file", 0, kReadingAndWriting, flags);
    EXPECT_EQ(guest_.Status(fd).flags, flags);
    const int host = guest_.context().descriptors().Find(fd)->file.get();
    const int status = fcntl(host, F_GETFL);
    if (flags == kFdflagDsync) {
      EXPECT_EQ(status & O_SYNC, O_DSYNC);
    }
    if (flags == kFdflagSync) {
      EXPECT_EQ(status & O_SYNC, O_SYNC);
    }
    if (flags == kFdflagNonblock) {
      EXPECT_EQ(status & O_NONBLOCK, O_NONBLOCK);
    }
  }
}

TEST_F(PathOpenTest, OpensWhatItsRightsNeed) {
  const auto access = [&](Rights base) {
    const Fd fd = guest_.Open("file", 0, base);
    return fcntl(guest_.context().descriptors().Find(fd)->file.get(), F_GETFL) & O_ACCMODE;
  };
  EXPECT_EQ(access(0), O_RDONLY);
  EXPECT_EQ(access(kRightFdRead), O_RDONLY);
  EXPECT_EQ(access(kRightFdWrite), O_WRONLY);
  EXPECT_EQ(access(kRightFdRead | kRightFdWrite), O_RDWR);
  // Go asks for this to read, of files that it may not write.
  EXPECT_EQ(access(kRightFdRead | kRightFdFilestatSetSize | kRightFdAllocate), O_RDONLY);
}

TEST_F(PathOpenTest, APathMayHaveEveryInnocentShape) {
  for (const char* path : {"./file", "dir/../file", ".//dir/./../dir/../file", "dirlink/../file"})
    EXPECT_EQ(guest_.Read(guest_.Open(path)), "text") << path;
  for (const char* path : {"dir/", "dir///", "dir/.", "./dir/", "dirlink/"})
    EXPECT_EQ(guest_.Status(guest_.Open(path)).filetype, FileType::kDirectory) << path;
  directory_.Write("ünïcödé 😀", "text");
  EXPECT_EQ(guest_.Read(guest_.Open("ünïcödé 😀")), "text");
  directory_.Write(" ", "text");
  EXPECT_EQ(guest_.Read(guest_.Open(" ")), "text");
}

}  // namespace
}  // namespace wasmoor::wasi
