#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "inproc/fixture.h"
#include "support/scratch.h"

// The jail of a guest that is a thread, as the kernel shows it from outside, and as the guest meets
// it from inside.
namespace wasmoor::sandbox {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSecret = "SECRET of another guest";

class InprocJailTest : public InprocTest {
 protected:
  Json ConfigOfUser(std::vector<std::string> words) {
    Json config = Config(std::move(words));
    config["process"]["user"] = {{"uid", 1000}, {"gid", 1001}, {"additionalGids", {7, 8}}};
    return config;
  }
  // A guest that sleeps beside, with a secret in its root and in its environment.
  Container* StartVictim() {
    Json config = Config({"/sleep.wasm"});
    config["process"]["env"] = {std::string("WORD=") + kSecret};
    Container* victim = Start("victim", "sleep", config);
    test::WriteFile(scratch_ / "victim/rootfs/secret", kSecret);
    return victim;
  }
};

TEST_F(InprocJailTest, LeavesTheThreadNoRightButItsUsers) {
  Container* guest = Start("jailed", "sleep", ConfigOfUser({"/sleep.wasm"}));
  ASSERT_NE(guest, nullptr);
  ASSERT_TRUE(WaitForOutput("jailed", "sleeping"));
  const std::string status = test::ReadFile(TaskOf(*guest) / "status");
  for (const char* line :
       {"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"})
    EXPECT_THAT(status, HasSubstr(line));
  EXPECT_THAT(status, ContainsRegex("Uid:\t[0-9]+\t[0-9]+\t[0-9]+\t1000\n"));
  EXPECT_THAT(status, ContainsRegex("Gid:\t[0-9]+\t[0-9]+\t[0-9]+\t1001\n"));
  EXPECT_THAT(status, ContainsRegex("Groups:\t7 8 ?\n"));
}

TEST_F(InprocJailTest, GivesEachGuestAMountNamespaceAndARootOfItsOwn) {
  Container* one = Start("one", "sleep", std::vector<std::string>{});
  Container* other = Start("other", "sleep", std::vector<std::string>{});
  ASSERT_TRUE(one != nullptr && other != nullptr);
  const auto mounts = Link(TaskOf(*one) / "ns/mnt");
  EXPECT_NE(mounts, Link(TaskOf(*other) / "ns/mnt"));
  EXPECT_NE(mounts, Link(FolderOfHost() / "ns/mnt"));
  for (const char* name : {"mnt", "net", "ipc", "uts"})
    EXPECT_NE(Link(TaskOf(*one) / "ns" / name), Link(std::string("/proc/self/ns/") + name));
  EXPECT_TRUE(std::filesystem::equivalent(TaskOf(*one) / "root/sleep.wasm",
                                          scratch_ / "one/rootfs/sleep.wasm"));
  // Nothing of the host's tree is mounted there but the container's own.
  const std::string table = test::ReadFile(TaskOf(*one) / "mountinfo");
  EXPECT_THAT(table, AllOf(HasSubstr("/one/rootfs "), Not(HasSubstr("/other/rootfs "))));
  std::istringstream lines(table);
  std::set<std::string> places;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;
    places.insert(word);
  }
  for (const std::string& place : places)
    EXPECT_TRUE(place == "/" || place.starts_with("/proc") || place.starts_with("/sys") ||
                place.starts_with("/dev") || place == "/run")
        << place << "\n"
        << table;
}

// Its own streams and tree, what its module's code is mapped from, and the bell of the host's
// mailbox; the host's own streams, to which the engine's last words go, are the first three.
TEST_F(InprocJailTest, LeavesTheThreadNoDescriptorOfAnybodyElse) {
  std::vector<Container*> guests;
  for (const char* id : {"a", "b", "c"})
    guests.push_back(Start(id, "sleep", std::vector<std::string>{}));
  RunOnce("other", "hello", {"/hello.wasm"});
  guests.push_back(Start("last", "loop", std::vector<std::string>{}));
  for (Container* guest : guests) {
    ASSERT_NE(guest, nullptr);
    ASSERT_TRUE(WaitForOutput(guest->id(), "ing"));
    int files = 0;
    for (const auto& one : std::filesystem::directory_iterator(TaskOf(*guest) / "fd")) {
      if (std::stoi(one.path().filename()) < 3) continue;
      const std::string target = Link(one.path());
      ++files;
      const bool is_own = target.starts_with(guest->bundle() + "/") || target == "/" ||
                          target == "/dev/null" || target == "anon_inode:[eventfd]";
      const bool is_code = target.starts_with("/memfd:") || target.starts_with(kState);
      EXPECT_TRUE(is_own || is_code)
          << guest->id() << ": " << one.path().filename() << " is " << target;
      struct stat status = {};
      if (target != "/") {
        EXPECT_EQ(::stat(one.path().c_str(), &status), 0);
        EXPECT_FALSE(S_ISDIR(status.st_mode) || S_ISSOCK(status.st_mode)) << target;
      }
    }
    EXPECT_LT(files, 20) << guest->id();
  }
}

TEST_F(InprocJailTest, HoldsTheUserToTheModesOfFiles) {
  const std::string bundle = MakeBundle("user", "cat", ConfigOfUser({"/cat.wasm", "/mine"}));
  test::WriteFile(bundle + "/rootfs/mine", kSecret);
  ::chmod((bundle + "/rootfs/mine").c_str(), 0600);
  const auto [refused, failed] = RunOnce("user", bundle);
  EXPECT_EQ(failed, 1u) << refused;
  EXPECT_THAT(refused, AllOf(HasSubstr("ermission denied"), Not(HasSubstr(kSecret))));

  const std::string own =
      MakeBundle("own", "smallfiles", ConfigOfUser({"/smallfiles.wasm", "write", "/open", "3"}));
  std::filesystem::create_directory(own + "/rootfs/open");
  ::chmod((own + "/rootfs/open").c_str(), 0777);
  const auto [text, status] = RunOnce("own", own);
  EXPECT_EQ(status, 0u) << text;
  struct stat made = {};
  ASSERT_EQ(::stat((own + "/rootfs/open/f0").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, 1000u);
  EXPECT_EQ(made.st_gid, 1001u);
}

TEST_F(InprocJailTest, ShowsNoProcessInProc) {
  ASSERT_NE(StartVictim(), nullptr);
  const std::string text = RunOnce("walker", "walk", {"/walk.wasm", "/proc"}).first;
  EXPECT_THAT(text, HasSubstr(" /proc/meminfo"));
  EXPECT_THAT(text, Not(ContainsRegex("/proc/[0-9]")));
  EXPECT_THAT(text, Not(HasSubstr("/proc/self/")));
  const auto [read, failed] = RunOnce(
      "reader", "cat",
      {"/cat.wasm", "/proc/self/environ", "/proc/self/maps", "/proc/1/environ", "/proc/kcore",
       "/proc/keys", "/proc/self/fd/3", "/proc/thread-self/environ", "/dev/fd/3", "/dev/stdin",
       fmt::format("/proc/{}/environ", ::getpid()), fmt::format("/proc/{}/environ", host())});
  EXPECT_EQ(failed, 1u);
  EXPECT_THAT(read, Not(HasSubstr("SECRET")));
  // One refusal for each, but for those that are masked, which are empty.
  for (const char* name : {"/proc/self/environ", "/proc/1/environ", "/proc/self/fd/3",
                           "/proc/thread-self/environ", "/dev/fd/3"})
    EXPECT_THAT(read, HasSubstr(std::string(name) + ": "));
}

TEST_F(InprocJailTest, LetsNobodyWriteToWhatTheMachineHas) {
  EXPECT_THAT(RunOnce("writer", "alter", {"/alter.wasm", "/sys"}).first,
              AllOf(HasSubstr("create: Read-only file system\n"),
                    HasSubstr("make a directory: Read-only file system\n"),
                    HasSubstr("link symbolically: Read-only file system\n")));
  for (const char* place : {"/sys/kernel", "/proc/sys/kernel", "/dev", "/proc"}) {
    const std::string id = "in" + std::to_string(std::hash<std::string>()(place));
    const auto [files, failed] =
        RunOnce(id, "smallfiles", {"/smallfiles.wasm", "write", place, "1"});
    EXPECT_NE(failed, 0u) << place << files;
  }
  const std::string before = test::ReadFile("/proc/sys/kernel/hostname");
  const auto [copied, refused] =
      RunOnce("copier", "copy", {"/copy.wasm", "/copy.wasm", "/proc/sys/kernel/hostname", "4"});
  EXPECT_NE(refused, 0u) << copied;
  EXPECT_EQ(test::ReadFile("/proc/sys/kernel/hostname"), before);
}

TEST_F(InprocJailTest, LetsNoPathLeadToAnotherGuestsFiles) {
  ASSERT_NE(StartVictim(), nullptr);
  const std::string secret = (scratch_ / "victim/rootfs/secret").native();
  const std::string bundle = MakeBundle(
      "thief", "escape",
      Config({"/escape.wasm", "2000", secret, "/../../../.." + secret, "../victim/rootfs/secret",
              "/absolute", "/upwards", "/tree/secret", "/proc/self/root/secret",
              fmt::format("/proc/{}/root{}", ::getpid(), secret), "/dev/fd/../../secret",
              fmt::format("/proc/{}/cwd/secret", host())}));
  const std::string root = bundle + "/rootfs";
  std::filesystem::create_symlink(secret, root + "/absolute");
  std::filesystem::create_symlink("../../victim/rootfs/secret", root + "/upwards");
  std::filesystem::create_symlink(scratch_ / "victim/rootfs", root + "/tree");
  const auto [text, status] = RunOnce("thief", bundle);
  EXPECT_EQ(text, "2000 tries, 0 opened, 0 escaped\n");
  EXPECT_EQ(status, 0u) << text;
}

TEST_F(InprocJailTest, LetsNoSwappedLinkLeadOut) {
  ASSERT_NE(StartVictim(), nullptr);
  const std::string victim = (scratch_ / "victim/rootfs").native();
  const std::string bundle =
      MakeBundle("racer", "escape",
                 Config({"/escape.wasm", "30000", "/d/secret", "/d/../secret", "d/secret"}));
  const std::string root = bundle + "/rootfs";
  std::filesystem::create_directory(root + "/real");
  test::WriteFile(root + "/real/secret", "harmless");
  std::filesystem::create_directory_symlink(victim, root + "/link");
  std::filesystem::create_directory_symlink("../../victim/rootfs", root + "/upwards");
  std::filesystem::create_directory_symlink("real", root + "/d");
  std::atomic<bool> done = false;
  std::atomic<int> swaps = 0;
  std::thread swapper([&] {
    while (!done) {
      for (const char* name : {"/link", "/real", "/upwards"}) {
        const bool is_real = std::string_view(name) == "/real";
        const std::string target = is_real ? "real" : Link(root + name);
        ::unlink((root + "/next").c_str());
        if (::symlink(target.c_str(), (root + "/next").c_str()) == 0 &&
            ::rename((root + "/next").c_str(), (root + "/d").c_str()) == 0)
          ++swaps;
      }
    }
  });
  // A run may fall between two swaps; one in which a name led somewhere is what proves something.
  bool opened = false;
  for (int run = 0; run < 100 && !opened; ++run) {
    const auto [text, status] = RunOnce("racer", bundle);
    EXPECT_THAT(text, HasSubstr(" 0 escaped"));
    EXPECT_EQ(status, 0u) << text;
    opened = text.find(" 0 opened") == std::string::npos;
  }
  done = true;
  swapper.join();
  EXPECT_TRUE(opened);
  EXPECT_GT(swaps, 10);
}

TEST_F(InprocJailTest, RefusesNamesThatAreHostileByTheirShape) {
  const auto [text, status] = RunOnce("paths", "paths", {"/paths.wasm"});
  EXPECT_EQ(status, 0u) << text;
  EXPECT_THAT(text, HasSubstr(": errno"));
}

TEST_F(InprocJailTest, GivesAGuestItsOwnWordsAndDescriptorsOnly) {
  ASSERT_NE(StartVictim(), nullptr);
  Json config = Config({"/args.wasm", "mine"});
  config["process"]["env"] = {"OWN=yes"};
  const auto [words, ended] = RunWith("words", "args", config);
  EXPECT_EQ(ended, 0u) << log_;
  EXPECT_EQ(words, "arg 0: /args.wasm\narg 1: mine\nenv OWN=yes\n");
  const auto [text, status] = RunOnce("table", "descriptors", {"/descriptors.wasm"});
  EXPECT_EQ(status, 0u) << log_;
  EXPECT_THAT(text,
              AllOf(HasSubstr("3: directory"), Not(HasSubstr("\n6: ")), Not(HasSubstr("socket"))));
}

TEST_F(InprocJailTest, TakesNoFifoAndNoDirectoryForAModule) {
  const std::string bundle = MakeBundle("odd", "hello", Config({"/fifo.wasm"}));
  ASSERT_EQ(::mkfifo((bundle + "/rootfs/fifo.wasm").c_str(), 0644), 0);
  EXPECT_FALSE(Create("odd", bundle));
  const std::string folder = MakeBundle("folder", "hello", Config({"/folder.wasm"}));
  std::filesystem::create_directory(folder + "/rootfs/folder.wasm");
  EXPECT_FALSE(Create("folder", folder));
  const std::string link = MakeBundle("link", "hello", Config({"/link.wasm"}));
  std::filesystem::create_symlink(ModuleOf("exit42"), link + "/rootfs/link.wasm");
  EXPECT_FALSE(Create("link", link)) << "a link led to a module outside";
}

}  // namespace
}  // namespace wasmoor::sandbox
