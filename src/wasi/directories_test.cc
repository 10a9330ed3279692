#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

struct Entry {
  Dirent header;
  std::string name;
};

// The whole entries of one fd_readdir with a buffer of `size` bytes; whether the directory ended.
struct Page {
  std::vector<Entry> entries;
  bool end = false;
};

Page ReadPage(Guest& guest, Fd fd, uint64_t cookie, Size size) {
  Page page;
  EXPECT_EQ(guest.Call("fd_readdir", fd, Guest::kData, size, cookie, Guest::kOut), Errno::kSuccess);
  const Size used = guest.Result();
  EXPECT_LE(used, size);
  page.end = used < size;
  for (Size at = 0; at + sizeof(Dirent) <= used;) {
    const auto header = guest.Result<Dirent>(Guest::kData + at);
    at += sizeof(Dirent);
    if (at + header.namlen > used) break;
    page.entries.push_back({header, guest.Text(Guest::kData + at, header.namlen)});
    at += header.namlen;
  }
  return page;
}

// What a libc does: page by page, each from the last whole entry of the one before.
std::vector<Entry> ReadAll(Guest& guest, Fd fd, Size size) {
  std::vector<Entry> all;
  uint64_t cookie = 0;
  for (;;) {
    const Page page = ReadPage(guest, fd, cookie, size);
    all.insert(all.end(), page.entries.begin(), page.entries.end());
    if (page.end) return all;
    if (page.entries.empty()) {
      ADD_FAILURE() << "no entry fits into " << size << " bytes";
      return all;
    }
    cookie = page.entries.back().header.next;
  }
}

std::vector<std::string> Names(const std::vector<Entry>& entries) {
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.push_back(entry.name);
  return names;
}

class ReaddirTest : public testing::Test {
 protected:
  void MakeFiles(int count) {
    for (int i = 0; i < count; ++i) directory_.Write("file-" + std::to_string(i), "");
  }
  std::set<std::string> Expected(int count) {
    std::set<std::string> names = {".", ".."};
    for (int i = 0; i < count; ++i) names.insert("file-" + std::to_string(i));
    return names;
  }

  ScratchDirectory directory_;
};

TEST_F(ReaddirTest, ListsNamesWithTypesAndInodes) {
  directory_.Write("file", "");
  std::filesystem::create_directory(directory_ / "sub");
  std::filesystem::create_symlink("file", directory_ / "link");
  ASSERT_EQ(mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  Guest guest(directory_);
  std::map<std::string, Dirent> found;
  for (const Entry& entry : ReadAll(guest, guest.OpenDirectory("."), 4096))
    found[entry.name] = entry.header;
  EXPECT_EQ(found.size(), 6u);
  EXPECT_EQ(found["."].type, FileType::kDirectory);
  EXPECT_EQ(found[".."].type, FileType::kDirectory);
  EXPECT_EQ(found["file"].type, FileType::kRegularFile);
  EXPECT_EQ(found["sub"].type, FileType::kDirectory);
  EXPECT_EQ(found["link"].type, FileType::kSymbolicLink);
  EXPECT_EQ(found["fifo"].type, FileType::kUnknown);
  for (const char* name : {".", "file", "sub", "link"}) {
    struct stat status = {};
    ASSERT_EQ(lstat((directory_ / name).c_str(), &status), 0);
    EXPECT_EQ(found[name].ino, status.st_ino) << name;
  }
}

TEST_F(ReaddirTest, AnyBufferThatHoldsOneEntrySeesThemAllOnce) {
  MakeFiles(500);
  Guest guest(directory_);
  for (Size size : {40u, 41u, 63u, 100u, 256u, 4096u, 60000u}) {
    const Fd fd = guest.OpenDirectory(".");
    const std::vector<std::string> names = Names(ReadAll(guest, fd, size));
    EXPECT_EQ(names.size(), 502u) << size;
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), Expected(500)) << size;
    EXPECT_EQ(guest.Call("fd_close", fd), Errno::kSuccess);
  }
}

TEST_F(ReaddirTest, ATinyBufferGetsTheBeginningOfAnEntry) {
  Guest guest(directory_);
  const Fd fd = guest.OpenDirectory(".");
  ASSERT_EQ(guest.Call("fd_readdir", fd, Guest::kData, 4096, 0, Guest::kOut), Errno::kSuccess);
  const std::string whole = guest.Text(Guest::kData, guest.Result());
  for (Size size = 0; size <= whole.size(); ++size) {
    guest.PutText(Guest::kData, std::string(100, '#'));
    EXPECT_EQ(guest.Call("fd_readdir", fd, Guest::kData, size, 0, Guest::kOut), Errno::kSuccess);
    EXPECT_EQ(guest.Result(), size);
    EXPECT_EQ(guest.Text(Guest::kData, size), whole.substr(0, size));
    EXPECT_EQ(guest.Text(Guest::kData + size, 1), "#");
  }
}

TEST_F(ReaddirTest, EveryCookieHandedOutResumesWhereItStands) {
  MakeFiles(1500);  // More than the host reads at once.
  Guest guest(directory_);
  const Fd fd = guest.OpenDirectory(".");
  const std::vector<Entry> all = ReadAll(guest, fd, 50000);
  ASSERT_EQ(all.size(), 1502u);
  // Backwards, so that no resumption continues the one before.
  for (size_t i = all.size() - 1; i > 0; i -= 11) {
    const Page page = ReadPage(guest, fd, all[i - 1].header.next, 100);
    ASSERT_FALSE(page.entries.empty()) << i;
    ASSERT_EQ(page.entries.front().name, all[i].name) << i;
    if (i < 11) break;
  }
  const Page after = ReadPage(guest, fd, all.back().header.next, 4096);
  EXPECT_TRUE(after.entries.empty());
  EXPECT_TRUE(after.end);
}

TEST_F(ReaddirTest, StartingOverSeesWhatWasMadeSince) {
  Guest guest(directory_);
  const Fd fd = guest.OpenDirectory(".");
  EXPECT_THAT(Names(ReadAll(guest, fd, 4096)), UnorderedElementsAre(".", ".."));
  directory_.Write("new", "");
  EXPECT_THAT(Names(ReadAll(guest, fd, 4096)), UnorderedElementsAre(".", "..", "new"));
  std::filesystem::remove(directory_ / "new");
  EXPECT_THAT(Names(ReadAll(guest, fd, 4096)), UnorderedElementsAre(".", ".."));
}

TEST_F(ReaddirTest, APreopenIsListedWithoutMovingTheHostsDescriptor) {
  MakeFiles(300);
  Grants grants;
  os::Fd readable(open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const os::Fd callers(fcntl(readable.get(), F_DUPFD_CLOEXEC, 0));
  grants.preopens.push_back({directory_.path(), "/", Access::kReadOnly, std::move(readable)});
  Guest guest(std::move(grants));
  EXPECT_EQ(ReadAll(guest, 3, 200).size(), 302u);
  EXPECT_EQ(ReadAll(guest, 3, 4096).size(), 302u);
  EXPECT_EQ(lseek(callers.get(), 0, SEEK_CUR), 0);
}

TEST_F(ReaddirTest, ManyDirectoriesAtOnceAreListedInTurns) {
  // More than the host keeps buffers for, so that listings lose theirs and go on by cookie.
  MakeFiles(100);
  Guest guest(directory_);
  constexpr size_t kListings = DirectoryReaders::kMost + 5;
  struct Listing {
    Fd fd;
    uint64_t cookie = 0;
    bool end = false;
    std::vector<std::string> names;
  };
  std::vector<Listing> listings;
  for (size_t i = 0; i < kListings; ++i) listings.push_back({guest.OpenDirectory(".")});
  listings.push_back({3});
  bool all_ended = false;
  while (!all_ended) {
    all_ended = true;
    for (Listing& listing : listings) {
      if (listing.end) continue;
      const Page page = ReadPage(guest, listing.fd, listing.cookie, 300);
      for (const Entry& entry : page.entries) listing.names.push_back(entry.name);
      listing.end = page.end;
      all_ended = all_ended && page.end;
      if (!page.end) listing.cookie = page.entries.back().header.next;
    }
  }
  for (const Listing& listing : listings) {
    EXPECT_EQ(listing.names.size(), 102u);
    EXPECT_EQ(std::set<std::string>(listing.names.begin(), listing.names.end()), Expected(100));
  }
}

TEST_F(ReaddirTest, ANumberThatIsReusedStartsANewListing) {
  MakeFiles(3);
  std::filesystem::create_directory(directory_ / "empty");
  Guest guest(directory_);
  const Fd first = guest.OpenDirectory(".");
  ReadPage(guest, first, 0, 40);
  EXPECT_EQ(guest.Call("fd_close", first), Errno::kSuccess);
  const Fd second = guest.OpenDirectory("empty");
  EXPECT_EQ(second, first);
  EXPECT_THAT(Names(ReadAll(guest, second, 4096)), UnorderedElementsAre(".", ".."));
}

TEST_F(ReaddirTest, ListsWhatIsNotUtf8AsTheBytesItIs) {
  directory_.Write("latin-\xe4", "");
  Guest guest(directory_);
  EXPECT_THAT(Names(ReadAll(guest, 3, 4096)), UnorderedElementsAre(".", "..", "latin-\xe4"));
}

TEST_F(ReaddirTest, RefusesWhatIsNoDirectory) {
  directory_.Write("file", "");
  Guest guest(directory_);
  const Fd file = guest.Open("file", 0, kReading | kRightFdReaddir);
  EXPECT_EQ(guest.Call("fd_readdir", file, Guest::kData, 100, 0, Guest::kOut), Errno::kNotdir);
  EXPECT_EQ(guest.Call("fd_readdir", 0, Guest::kData, 100, 0, Guest::kOut), Errno::kNotcapable);
  EXPECT_EQ(guest.Call("fd_readdir", 99, Guest::kData, 100, 0, Guest::kOut), Errno::kBadf);
}

TEST_F(ReaddirTest, ACookieThatWasNeverHandedOutDoesNoHarm) {
  MakeFiles(50);
  Guest guest(directory_);
  const Fd fd = guest.OpenDirectory(".");
  for (uint64_t cookie : {uint64_t{12345}, uint64_t{1} << 63, ~uint64_t{0}})
    guest.Call("fd_readdir", fd, Guest::kData, 4096, cookie, Guest::kOut);
  EXPECT_EQ(ReadAll(guest, fd, 4096).size(), 52u);
}

TEST(PrestatTest, TellsTheNamesOfWhatIsPreopenedAndEndsWithBadf) {
  ScratchDirectory directory;
  Grants grants;
  grants.preopens.push_back({"one", "/one", Access::kReadWrite, directory.Open()});
  grants.preopens.push_back({"two", ".", Access::kReadOnly, directory.Open()});
  Guest guest(std::move(grants));
  std::vector<std::string> names;
  Fd fd = 3;
  for (; guest.Call("fd_prestat_get", fd, Guest::kOut) == Errno::kSuccess; ++fd) {
    const auto prestat = guest.Result<Prestat>();
    EXPECT_EQ(prestat.tag, 0);
    EXPECT_EQ(guest.Call("fd_prestat_dir_name", fd, Guest::kData, prestat.name_len),
              Errno::kSuccess);
    names.push_back(guest.Text(Guest::kData, prestat.name_len));
  }
  EXPECT_THAT(names, ElementsAre("/one", "."));
  EXPECT_EQ(guest.error(), Errno::kBadf);
  EXPECT_EQ(guest.Call("fd_prestat_dir_name", 3, Guest::kData, 3), Errno::kNametoolong);
  EXPECT_EQ(guest.Call("fd_prestat_dir_name", 3, Guest::kData, 100), Errno::kSuccess);
  EXPECT_EQ(guest.Call("fd_prestat_dir_name", 1, Guest::kData, 100), Errno::kNotdir);
  EXPECT_EQ(guest.Call("fd_prestat_get", 1, Guest::kOut), Errno::kBadf);
}

}  // namespace
}  // namespace wasmoor::wasi
