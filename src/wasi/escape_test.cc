#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "wasi/guest_for_test.h"

// Attempts of a guest to reach what lies outside of its preopen, with and without the help of
// somebody who changes the tree at the same time.
namespace wasmoor::wasi {
namespace {

constexpr std::string_view kSecret = "secret";

// outside/secret and outside/dir lie beside inside/, which is the guest's.
class EscapeTest : public testing::Test {
 protected:
  EscapeTest() {
    std::filesystem::create_directories(tree_ / "outside/dir");
    std::filesystem::create_directories(tree_ / "inside/dir/deep");
    tree_.Write("outside/secret", kSecret);
    tree_.Write("inside/secret", "inside");
    tree_.Write("inside/dir/deep/secret", "inside");
    before_ = Outside();
  }

  Grants Inside() {
    Grants grants;
    grants.preopens.push_back(
        {"inside", "/", Access::kReadWrite,
         os::Fd(open((tree_ / "inside").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))});
    return grants;
  }

  // Everything that lies outside, as it can be seen.
  std::string Outside() {
    std::ostringstream text;
    std::set<std::string> lines;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree_ / "outside")) {
      struct stat status = {};
      EXPECT_EQ(lstat(entry.path().c_str(), &status), 0);
      std::ostringstream line;
      line << entry.path() << ' ' << status.st_ino << ' ' << status.st_nlink << ' '
           << status.st_size << ' ' << status.st_mtim.tv_sec << '.' << status.st_mtim.tv_nsec;
      lines.insert(line.str());
    }
    for (const std::string& line : lines) text << line << '\n';
    return text.str();
  }

  // Calls every function that takes a path with `path`; the answers.
  std::vector<std::pair<std::string, Errno>> TryEverything(Guest& guest, std::string_view path) {
    std::vector<std::pair<std::string, Errno>> answers;
    const auto note = [&](const char* name, Errno error) { answers.emplace_back(name, error); };
    for (uint32_t follow : {0u, kLookupSymlinkFollow}) {
      note("filestat_get", guest.Call("path_filestat_get", 3, follow, path, Guest::kOut));
      note("set_times", guest.Call("path_filestat_set_times", 3, follow, path, 1, 1, 5));
      note("open", guest.TryOpen(path, 0, kReading, 0, 3, follow));
      note("open for writing", guest.TryOpen(path, 0, kReadingAndWriting, 0, 3, follow));
      note("open creat", guest.TryOpen(path, kOflagCreat, kReadingAndWriting, 0, 3, follow));
      note("open trunc", guest.TryOpen(path, kOflagTrunc, kReadingAndWriting, 0, 3, follow));
      note("open directory", guest.TryOpen(path, kOflagDirectory, kReading, 0, 3, follow));
      note("open place", guest.TryOpen(path, kOflagDirectory, kRightPathOpen, 0, 3, follow));
      note("link from", guest.Call("path_link", 3, follow, path, 3, "stolen"));
    }
    note("link to", guest.Call("path_link", 3, 0, "secret", 3, path));
    note("readlink", guest.Call("path_readlink", 3, path, Guest::kData, 100, Guest::kOut));
    note("symlink", guest.Call("path_symlink", "x", 3, path));
    note("mkdir", guest.Call("path_create_directory", 3, path));
    note("rename to", guest.Call("path_rename", 3, "secret", 3, path));
    note("rename from", guest.Call("path_rename", 3, path, 3, "stolen"));
    note("unlink", guest.Call("path_unlink_file", 3, path));
    note("rmdir", guest.Call("path_remove_directory", 3, path));
    return answers;
  }

  ScratchDirectory tree_;
  std::string before_;
};

TEST_F(EscapeTest, NoPathLeadsOut) {
  Guest guest(Inside());
  const std::string absolute = (tree_ / "outside/secret").string();
  const std::string out[] = {"..",
                             "../",
                             "../outside/secret",
                             "../inside/secret",
                             "../missing",
                             "../outside/new",
                             "dir/../../outside/secret",
                             "dir/deep/../../../outside/dir",
                             "./../outside/secret",
                             ".././outside//secret",
                             "dir/../..",
                             "../inside",
                             absolute,
                             "/",
                             "//",
                             "/secret"};
  for (const std::string& path : out) {
    for (const auto& [name, error] : TryEverything(guest, path))
      EXPECT_EQ(error, Errno::kNotcapable) << name << " of " << path;
  }
  EXPECT_EQ(Outside(), before_);
  EXPECT_EQ(tree_.Read("inside/secret"), "inside");
}

TEST_F(EscapeTest, NoLinkLeadsOut) {
  // Links that the host made, or a guest through another preopen.
  const std::pair<const char*, std::string> links[] = {
      {"relative", "../outside/secret"},
      {"absolute", (tree_ / "outside/secret").string()},
      {"directory", "../outside"},
      {"absolute-directory", (tree_ / "outside").string()},
      {"chain", "chain-2"},
      {"chain-2", "dir/../relative"},
      {"up", ".."},
      {"around", "../inside/secret"},
      {"new", "../outside/new"},
      {"root", "/"},
  };
  for (const auto& [name, target] : links)
    std::filesystem::create_symlink(target, tree_ / "inside" / name);
  Guest guest(Inside());
  for (const char* path :
       {"directory/secret", "directory/dir", "directory/new", "directory/dir/new",
        "up/outside/secret", "up/inside/secret", "absolute-directory/secret", "root/etc/passwd",
        "dir/../up/outside/dir"}) {
    for (const auto& [name, error] : TryEverything(guest, path))
      EXPECT_EQ(error, Errno::kNotcapable) << name << " of " << path;
  }
  // A link itself may be looked at, moved and removed; what it leads to may not.
  for (const auto& [link, target] : links) {
    const std::string path = link;
    EXPECT_EQ(guest.Call("path_filestat_get", 3, 0, path, Guest::kOut), Errno::kSuccess);
    for (uint32_t oflags : {0u, kOflagCreat, kOflagTrunc, kOflagDirectory})
      EXPECT_EQ(guest.TryOpen(path, oflags, kReading), Errno::kNotcapable) << link;
    for (const std::string& followed : {path, path + "/"}) {
      EXPECT_EQ(guest.Call("path_filestat_get", 3, kLookupSymlinkFollow, followed, Guest::kOut),
                Errno::kNotcapable);
      EXPECT_EQ(guest.Call("path_filestat_set_times", 3, kLookupSymlinkFollow, followed, 1, 1, 5),
                Errno::kNotcapable);
      EXPECT_EQ(guest.Call("path_link", 3, kLookupSymlinkFollow, followed, 3, "stolen"),
                Errno::kNotcapable);
    }
    // With '/' at the end the kernel follows a link by itself.
    const std::string slash = path + "/";
    EXPECT_EQ(guest.Call("path_filestat_get", 3, 0, slash, Guest::kOut), Errno::kNotcapable);
    EXPECT_EQ(guest.Call("path_filestat_set_times", 3, 0, slash, 1, 1, 5), Errno::kNotcapable);
    EXPECT_EQ(guest.Call("path_link", 3, 0, slash, 3, "stolen"), Errno::kNotcapable);
    EXPECT_EQ(guest.Call("path_readlink", 3, slash, Guest::kData, 100, Guest::kOut),
              Errno::kNotcapable);
    EXPECT_EQ(guest.Call("path_create_directory", 3, slash), Errno::kExist);
    EXPECT_EQ(guest.Call("path_symlink", "x", 3, slash), Errno::kExist);
    EXPECT_EQ(guest.Call("path_link", 3, 0, "secret", 3, slash), Errno::kExist);
    EXPECT_EQ(guest.Call("path_unlink_file", 3, slash), Errno::kNotdir);
    EXPECT_EQ(guest.Call("path_remove_directory", 3, slash), Errno::kNotdir);
    EXPECT_EQ(guest.Call("path_rename", 3, slash, 3, "stolen"), Errno::kNotdir);
    EXPECT_EQ(guest.Call("path_rename", 3, "dir", 3, slash), Errno::kNotdir);
  }
  EXPECT_EQ(Outside(), before_);
}

TEST_F(EscapeTest, ADirectoryBelowIsAPrisonToo) {
  Guest guest(Inside());
  const Fd dir = guest.OpenDirectory("dir");
  for (const char* path : {"..", "../secret", "deep/../../secret", "../dir/deep"}) {
    EXPECT_EQ(guest.TryOpen(path, 0, kReading, 0, dir), Errno::kNotcapable) << path;
    EXPECT_EQ(guest.Call("path_filestat_get", dir, 0, path, Guest::kOut), Errno::kNotcapable);
  }
}

TEST_F(EscapeTest, MagicLinksAreNotFollowed) {
  Grants grants;
  grants.preopens.push_back(
      {"/proc", "/", Access::kReadOnly, os::Fd(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC))});
  Guest guest(std::move(grants));
  const std::string self = "self/";
  for (const char* magic : {"root/etc", "cwd", "exe", "root", "fd/0"}) {
    const Errno error = guest.TryOpen(self + magic, 0, kRightFdRead);
    EXPECT_TRUE(error == Errno::kLoop || error == Errno::kNotcapable) << magic << ": " << error;
  }
}

TEST_F(EscapeTest, NothingIsWrittenThroughProcfs) {
  Grants grants;
  grants.preopens.push_back(
      {"/proc", "/", Access::kReadWrite, os::Fd(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC))});
  Guest guest(std::move(grants));
  for (const char* own : {"self/mem", "self/oom_score_adj", "self/attr/../comm"}) {
    for (const Rights rights : {kReadingAndWriting, Rights{kRightFdWrite}})
      EXPECT_EQ(guest.TryOpen(own, 0, rights), Errno::kAcces) << own;
    guest.Open(own);
  }
}

// A thread of the host that does one thing over and over while a guest works.
class Meddler {
 public:
  explicit Meddler(std::function<void()> turn)
      : thread_([this, turn = std::move(turn)] {
          while (!done_.load(std::memory_order_relaxed)) {
            turn();
            ++turns_;
          }
        }) {}
  ~Meddler() { Stop(); }
  uint64_t Stop() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
    return turns_;
  }

 private:
  std::atomic<bool> done_ = false;
  std::atomic<uint64_t> turns_ = 0;
  std::thread thread_;
};

TEST_F(EscapeTest, ALinkThatIsSwappedUnderTheGuestLeadsNowhere) {
  // inside/swap is a directory at one moment and a link that leads out at the next.
  const std::string swap = tree_ / "inside/swap";
  const std::string directory = tree_ / "inside/spare-directory";
  const std::string link = tree_ / "inside/spare-link";
  std::filesystem::create_directory(swap);
  tree_.Write("inside/swap/secret", "inside");
  std::filesystem::create_symlink("../outside", link);
  Meddler meddler([&] {
    // Exchanges the two names at once; nobody ever finds neither.
    renameat2(AT_FDCWD, swap.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
  });
  Guest guest(Inside());
  int inside = 0;
  for (int i = 0; i < 100'000; ++i) {
    const char* path = i % 2 == 0 ? "swap/secret" : "swap/../dir/../swap/./secret";
    const Errno error = guest.TryOpen(path);
    if (error == Errno::kSuccess) {
      const Fd file = guest.Result();
      ASSERT_EQ(guest.Read(file), "inside") << "escaped at try " << i;
      ASSERT_EQ(guest.Call("fd_close", file), Errno::kSuccess);
      ++inside;
    } else {
      ASSERT_TRUE(error == Errno::kNotcapable || error == Errno::kAgain) << error;
    }
  }
  EXPECT_GT(meddler.Stop(), 0u);
  EXPECT_GT(inside, 0);
  EXPECT_EQ(Outside(), before_);
}

TEST_F(EscapeTest, ADirectoryThatIsMovedAwayUnderTheGuestTakesNothingOut) {
  // inside/dir/deep moves out of the tree and back while ".." is walked from within it.
  const std::string home = tree_ / "inside/dir/deep";
  const std::string away = tree_ / "outside/deep";
  Meddler meddler([&] {
    rename(home.c_str(), away.c_str());
    rename(away.c_str(), home.c_str());
  });
  Guest guest(Inside());
  std::set<Errno> answers;
  for (int i = 0; i < 100'000; ++i) {
    const char* path = i % 2 == 0 ? "dir/deep/../../secret" : "dir/deep/../secret";
    const Errno error = guest.TryOpen(path);
    answers.insert(error);
    if (error != Errno::kSuccess) continue;
    // outside/secret is what "deep/../secret" is while the directory is away.
    const Fd file = guest.Result();
    ASSERT_EQ(guest.Read(file), "inside") << "escaped at try " << i;
    ASSERT_EQ(guest.Call("fd_close", file), Errno::kSuccess);
  }
  EXPECT_GT(meddler.Stop(), 0u);
  for (Errno error : answers) {
    EXPECT_TRUE(error == Errno::kSuccess || error == Errno::kNoent || error == Errno::kNotcapable ||
                error == Errno::kAgain)
        << error;
  }
}

TEST_F(EscapeTest, CreatingAndRemovingDoNotSlipOutThroughASwappedParent) {
  const std::string swap = tree_ / "inside/swap";
  const std::string link = tree_ / "inside/spare-link";
  std::filesystem::create_directory(swap);
  std::filesystem::create_symlink("../outside/dir", link);
  Meddler meddler(
      [&] { renameat2(AT_FDCWD, swap.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE); });
  Guest guest(Inside());
  for (int i = 0; i < 5'000; ++i) {
    guest.Call("path_create_directory", 3, "swap/made");
    guest.Call("path_remove_directory", 3, "swap/made");
    guest.Call("path_symlink", "x", 3, "swap/made");
    guest.Call("path_unlink_file", 3, "swap/made");
    guest.Call("path_link", 3, 0, "secret", 3, "swap/made");
    guest.Call("path_filestat_set_times", 3, 1, "swap/made", 1, 1, 5);
    guest.Call("path_rename", 3, "swap/made", 3, "swap/renamed");
    guest.Call("path_unlink_file", 3, "swap/renamed");
    ASSERT_TRUE(std::filesystem::is_empty(tree_ / "outside/dir")) << "escaped at try " << i;
  }
  meddler.Stop();
  EXPECT_EQ(Outside(), before_);
}

}  // namespace
}  // namespace wasmoor::wasi
