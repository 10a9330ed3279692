#include <sys/socket.h>

#include <functional>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

// Every function that needs rights, with a call that works once they are there.
struct RightsCase {
  const char* name;
  Rights needs;
  std::function<Errno(Guest&, Fd)> call;
};

constexpr Ptr kOut = Guest::kOut;
constexpr Ptr kList = Guest::kList;

const RightsCase kOfFiles[] = {
    {"fd_advise", kRightFdAdvise, [](Guest& g, Fd f) { return g.Call("fd_advise", f, 0, 1, 0); }},
    {"fd_allocate", kRightFdAllocate,
     [](Guest& g, Fd f) { return g.Call("fd_allocate", f, 0, 1); }},
    {"fd_datasync", kRightFdDatasync, [](Guest& g, Fd f) { return g.Call("fd_datasync", f); }},
    {"fd_fdstat_set_flags", kRightFdFdstatSetFlags,
     [](Guest& g, Fd f) { return g.Call("fd_fdstat_set_flags", f, kFdflagAppend); }},
    {"fd_filestat_get", kRightFdFilestatGet,
     [](Guest& g, Fd f) { return g.Call("fd_filestat_get", f, kOut); }},
    {"fd_filestat_set_size", kRightFdFilestatSetSize,
     [](Guest& g, Fd f) { return g.Call("fd_filestat_set_size", f, 1); }},
    {"fd_filestat_set_times", kRightFdFilestatSetTimes,
     [](Guest& g, Fd f) { return g.Call("fd_filestat_set_times", f, 1, 1, 5); }},
    {"fd_pread", kRightFdRead | kRightFdSeek,
     [](Guest& g, Fd f) { return g.Call("fd_pread", f, kList, 1, 0, kOut); }},
    {"fd_pwrite", kRightFdWrite | kRightFdSeek,
     [](Guest& g, Fd f) { return g.Call("fd_pwrite", f, kList, 1, 0, kOut); }},
    {"fd_read", kRightFdRead, [](Guest& g, Fd f) { return g.Call("fd_read", f, kList, 1, kOut); }},
    {"fd_write", kRightFdWrite,
     [](Guest& g, Fd f) { return g.Call("fd_write", f, kList, 1, kOut); }},
    {"fd_seek", kRightFdSeek, [](Guest& g, Fd f) { return g.Call("fd_seek", f, 1, 0, kOut); }},
    {"fd_sync", kRightFdSync, [](Guest& g, Fd f) { return g.Call("fd_sync", f); }},
    {"fd_tell", kRightFdTell, [](Guest& g, Fd f) { return g.Call("fd_tell", f, kOut); }},
};

const RightsCase kOfDirectories[] = {
    {"fd_readdir", kRightFdReaddir,
     [](Guest& g, Fd f) { return g.Call("fd_readdir", f, Guest::kData, 100, 0, kOut); }},
    {"path_create_directory", kRightPathCreateDirectory,
     [](Guest& g, Fd f) { return g.Call("path_create_directory", f, "new"); }},
    {"path_filestat_get", kRightPathFilestatGet,
     [](Guest& g, Fd f) { return g.Call("path_filestat_get", f, 0, "file", kOut); }},
    {"path_filestat_set_times", kRightPathFilestatSetTimes,
     [](Guest& g, Fd f) { return g.Call("path_filestat_set_times", f, 0, "file", 1, 1, 5); }},
    {"path_link source", kRightPathLinkSource,
     [](Guest& g, Fd f) { return g.Call("path_link", f, 0, "file", 3, "linked"); }},
    {"path_link target", kRightPathLinkTarget,
     [](Guest& g, Fd f) { return g.Call("path_link", 3, 0, "sub/file", f, "linked"); }},
    {"path_open", kRightPathOpen, [](Guest& g, Fd f) { return g.TryOpen("file", 0, 0, 0, f); }},
    {"path_open creat", kRightPathOpen | kRightPathCreateFile,
     [](Guest& g, Fd f) { return g.TryOpen("made", kOflagCreat, 0, 0, f); }},
    {"path_open trunc", kRightPathOpen | kRightPathFilestatSetSize,
     [](Guest& g, Fd f) { return g.TryOpen("file", kOflagTrunc, 0, 0, f); }},
    {"path_readlink", kRightPathReadlink,
     [](Guest& g, Fd f) { return g.Call("path_readlink", f, "link", Guest::kData, 100, kOut); }},
    {"path_remove_directory", kRightPathRemoveDirectory,
     [](Guest& g, Fd f) { return g.Call("path_remove_directory", f, "empty"); }},
    {"path_rename source", kRightPathRenameSource,
     [](Guest& g, Fd f) { return g.Call("path_rename", f, "file", 3, "renamed"); }},
    {"path_rename target", kRightPathRenameTarget,
     [](Guest& g, Fd f) { return g.Call("path_rename", 3, "sub/file", f, "renamed"); }},
    {"path_symlink", kRightPathSymlink,
     [](Guest& g, Fd f) { return g.Call("path_symlink", "x", f, "symlink"); }},
    {"path_unlink_file", kRightPathUnlinkFile,
     [](Guest& g, Fd f) { return g.Call("path_unlink_file", f, "file"); }},
};

class RightsTest : public testing::Test {
 protected:
  // A guest with one directory "sub" with something for every function to work on.
  void Prepare(const ScratchDirectory& directory) {
    std::filesystem::create_directories(directory / "sub/empty");
    directory.Write("sub/file", "0123456789");
    std::filesystem::create_symlink("file", directory / "sub/link");
  }
  void PutList(Guest& guest) { guest.Put(kList, Iovec{Guest::kData, 1}); }
};

TEST_F(RightsTest, EachFunctionOfAFileNeedsItsRightsAndNoOther) {
  const auto with = [&](const RightsCase& test, Rights rights) {
    ScratchDirectory directory;
    Prepare(directory);
    Guest guest(directory);
    PutList(guest);
    const Fd file = guest.Open("sub/file", 0, kFileRights);
    EXPECT_EQ(guest.Call("fd_fdstat_set_rights", file, rights, 0), Errno::kSuccess);
    return test.call(guest, file);
  };
  for (const RightsCase& test : kOfFiles) {
    EXPECT_EQ(with(test, test.needs), Errno::kSuccess) << test.name;
    for (Rights needed = test.needs; needed != 0; needed &= needed - 1) {
      // To seek is to tell, too.
      Rights rights = kFileRights & ~(needed & -needed);
      if (test.needs == kRightFdTell) rights &= ~kRightFdSeek;
      EXPECT_EQ(with(test, rights), Errno::kNotcapable) << test.name << " without " << needed;
    }
  }
}

TEST_F(RightsTest, EachFunctionOfADirectoryNeedsItsRightsAndNoOther) {
  const auto with = [&](const RightsCase& test, Rights rights) {
    ScratchDirectory directory;
    Prepare(directory);
    Guest guest(directory);
    const Fd sub = guest.OpenDirectory("sub");
    EXPECT_EQ(guest.Call("fd_fdstat_set_rights", sub, rights, kFileRights), Errno::kSuccess);
    return test.call(guest, sub);
  };
  for (const RightsCase& test : kOfDirectories) {
    EXPECT_EQ(with(test, test.needs), Errno::kSuccess) << test.name;
    for (Rights needed = test.needs; needed != 0; needed &= needed - 1) {
      EXPECT_EQ(with(test, kDirectoryRights & ~(needed & -needed)), Errno::kNotcapable)
          << test.name << " without " << needed;
    }
  }
}

TEST_F(RightsTest, TellingNeedsTheRightToTellOrToSeek) {
  ScratchDirectory directory;
  Prepare(directory);
  Guest guest(directory);
  for (Rights rights : {kRightFdTell, kRightFdSeek}) {
    const Fd file = guest.Open("sub/file", 0, rights);
    EXPECT_EQ(guest.Call("fd_tell", file, kOut), Errno::kSuccess);
    EXPECT_EQ(guest.Call("fd_seek", file, 0, 1, kOut), Errno::kSuccess);
  }
  const Fd teller = guest.Open("sub/file", 0, kRightFdTell);
  EXPECT_EQ(guest.Call("fd_seek", teller, 1, 1, kOut), Errno::kNotcapable);
  EXPECT_EQ(guest.Call("fd_seek", teller, 0, 0, kOut), Errno::kNotcapable);
  const Fd neither = guest.Open("sub/file", 0, kRightFdRead);
  EXPECT_EQ(guest.Call("fd_tell", neither, kOut), Errno::kNotcapable);
}

TEST_F(RightsTest, RightsOnlyShrink) {
  ScratchDirectory directory;
  Prepare(directory);
  Guest guest(directory);
  const Fd sub = guest.OpenDirectory("sub");
  const Fdstat before = guest.Status(sub);
  EXPECT_EQ(guest.Call("fd_fdstat_set_rights", sub, before.base, before.inheriting),
            Errno::kSuccess);
  EXPECT_EQ(guest.Call("fd_fdstat_set_rights", sub, kRightPathOpen, kRightFdRead), Errno::kSuccess);
  EXPECT_EQ(guest.Call("fd_fdstat_set_rights", sub, before.base, kRightFdRead), Errno::kNotcapable);
  EXPECT_EQ(guest.Call("fd_fdstat_set_rights", sub, kRightPathOpen, before.inheriting),
            Errno::kNotcapable);
  EXPECT_EQ(guest.Call("fd_fdstat_set_rights", sub, Rights{1} << 63, 0), Errno::kNotcapable);
  EXPECT_EQ(guest.Status(sub).base, kRightPathOpen);
  EXPECT_EQ(guest.Status(sub).inheriting, kRightFdRead);
  EXPECT_EQ(guest.Call("fd_fdstat_set_rights", 99, 0, 0), Errno::kBadf);
}

TEST_F(RightsTest, WhatIsOpenedInheritsNoMoreThanTheDirectoryPassesOn) {
  ScratchDirectory directory;
  Prepare(directory);
  Guest guest(directory);
  const Fd sub = guest.OpenDirectory("sub");
  const Rights passed = kRightFdRead | kRightFdSeek | kRightPathOpen;
  ASSERT_EQ(guest.Call("fd_fdstat_set_rights", sub, kDirectoryRights, passed), Errno::kSuccess);
  EXPECT_EQ(guest.TryOpen("file", 0, kRightFdRead | kRightFdWrite, 0, sub), Errno::kNotcapable);
  // Rights other than to read and write are left out silently, as Rust's library expects.
  const Fd file = guest.Open("file", 0, ~kRightFdWrite, 0, sub);
  EXPECT_EQ(guest.Status(file).base, kRightFdRead | kRightFdSeek);
  const Fd below = guest.Open("empty", kOflagDirectory, ~kRightFdWrite, 0, sub);
  EXPECT_EQ(guest.Status(below).base, kRightPathOpen);
  EXPECT_EQ(guest.Status(below).inheriting, passed);
  // fdflags that sync need the rights to sync.
  EXPECT_EQ(guest.TryOpen("file", 0, kRightFdRead, kFdflagSync, sub), Errno::kSuccess);
  ASSERT_EQ(guest.Call("fd_fdstat_set_rights", sub, kRightPathOpen, passed), Errno::kSuccess);
  EXPECT_EQ(guest.TryOpen("file", 0, kRightFdRead, kFdflagSync, sub), Errno::kNotcapable);
  EXPECT_EQ(guest.TryOpen("file", 0, kRightFdRead, kFdflagDsync, sub), Errno::kNotcapable);
}

class ReadOnlyTest : public RightsTest {
 protected:
  ReadOnlyTest() { Prepare(directory_); }

  std::string Snapshot() {
    std::ostringstream text;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
      text << entry.path() << ' ' << static_cast<int>(entry.symlink_status().type());
      if (entry.is_regular_file() && !entry.is_symlink()) {
        text << ' ' << entry.file_size() << ' ' << entry.hard_link_count() << ' '
             << entry.last_write_time().time_since_epoch().count();
      }
      text << '\n';
    }
    return text.str();
  }

  ScratchDirectory directory_;
};

TEST_F(ReadOnlyTest, APreopenIsReadAndNothingBelowItChanges) {
  const std::string before = Snapshot();
  Guest guest(directory_, Access::kReadOnly);
  PutList(guest);
  EXPECT_EQ(guest.Status(3).base & kWritingRights, 0u);
  EXPECT_EQ(guest.Status(3).inheriting & kWritingRights, 0u);
  EXPECT_EQ(guest.Read(guest.Open("sub/file")), "0123456789");
  // A program that asks for all rights gets those to read.
  const Fd greedy = guest.Open("sub/file", 0, ~kRightFdWrite);
  EXPECT_EQ(guest.Status(greedy).base & kWritingRights, 0u);
  const Fd sub = guest.Open("sub", kOflagDirectory, ~kRightFdWrite);
  for (const RightsCase& test : kOfFiles) {
    const bool writes = (test.needs & kWritingRights) != 0;
    EXPECT_EQ(test.call(guest, greedy), writes ? Errno::kNotcapable : Errno::kSuccess) << test.name;
  }
  for (const RightsCase& test : kOfDirectories) {
    // The calls of two directories take the other one from the preopen itself.
    const std::string name = test.name;
    const bool writes = (test.needs & kWritingRights) != 0 || name.starts_with("path_link") ||
                        name.starts_with("path_rename");
    EXPECT_EQ(test.call(guest, sub), writes ? Errno::kNotcapable : Errno::kSuccess) << test.name;
  }
  EXPECT_EQ(guest.TryOpen("sub/file", 0, kRightFdWrite), Errno::kNotcapable);
  EXPECT_EQ(guest.TryOpen("sub/file", 0, kRightFdRead | kRightFdWrite), Errno::kNotcapable);
  EXPECT_EQ(Snapshot(), before);
}

TEST_F(ReadOnlyTest, NothingChangesEvenIfTheRightsWereThere) {
  const std::string before = Snapshot();
  Guest guest(directory_, Access::kReadOnly);
  PutList(guest);
  const Fd sub = guest.OpenDirectory("sub");
  const Fd file = guest.Open("sub/file");
  for (Fd fd : {Fd{3}, sub, file}) {
    Descriptor* descriptor = guest.context().descriptors().Find(fd);
    descriptor->base = descriptor->inheriting = ~Rights{0};
  }
  for (const RightsCase& test : kOfDirectories) {
    const std::string name = test.name;
    if ((test.needs & kWritingRights) == 0) continue;
    EXPECT_EQ(test.call(guest, sub), Errno::kRofs) << test.name;
  }
  EXPECT_EQ(guest.TryOpen("sub/file", 0, kRightFdWrite), Errno::kRofs);
  EXPECT_EQ(guest.TryOpen("file", 0, kRightFdWrite, kFdflagAppend, sub), Errno::kRofs);
  EXPECT_EQ(guest.Call("fd_filestat_set_times", file, 1, 1, 5), Errno::kRofs);
  // The kernel's own refusals: the file is not open for writing.
  EXPECT_EQ(guest.Call("fd_write", file, kList, 1, kOut), Errno::kBadf);
  EXPECT_EQ(guest.Call("fd_pwrite", file, kList, 1, 0, kOut), Errno::kBadf);
  EXPECT_EQ(guest.Call("fd_allocate", file, 0, 100), Errno::kBadf);
  EXPECT_EQ(guest.Call("fd_filestat_set_size", file, 0), Errno::kInval);
  EXPECT_EQ(Snapshot(), before);
}

TEST_F(ReadOnlyTest, AFileIsNotLinkedToWhereItCouldBeWritten) {
  ScratchDirectory writable;
  Grants grants = GrantDirectory(directory_, Access::kReadOnly);
  grants.preopens.push_back({"w", "/w", Access::kReadWrite, writable.Open()});
  Guest guest(std::move(grants));
  EXPECT_EQ(guest.Call("path_link", 3, 0, "sub/file", 4, "mine"), Errno::kNotcapable);
  EXPECT_EQ(guest.Call("path_rename", 3, "sub/file", 4, "mine"), Errno::kNotcapable);
  EXPECT_TRUE(std::filesystem::is_empty(writable.path()));
}

}  // namespace
}  // namespace wasmoor::wasi
