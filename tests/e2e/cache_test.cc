// The cache of compiled modules as its users meet it: a second start that compiles nothing,
// whatever happened to the directory or to the processes in between, and no code that somebody else
// put there.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <thread>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kHello = "Hello from wasm!\n";

// A start that found its code ready; one that compiled.
MATCHER(IsHit, "finds its code in the cache") {
  return arg.err.find("\"code\":\"cached\"") != std::string::npos;
}
MATCHER(IsMiss, "compiles") { return arg.err.find("\"code\":\"compiled\"") != std::string::npos; }

class CacheTest : public E2eTest {
 protected:
  Command Stats(std::vector<std::string> words) const {
    words.insert(words.begin(), {"--stats", "--json"});
    return RunCommand(std::move(words));
  }
  // All that is in the cache, entries or not.
  std::vector<std::string> CacheFiles() const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(cache, none))
      names.push_back(entry.path().filename());
    return names;
  }
  // What is neither an entry nor the table of hashes: of a compiler at work, or left by one.
  size_t Leftovers() const {
    const auto names = CacheFiles();
    const auto hashes = std::count(names.begin(), names.end(), "hashes");
    return names.size() - CacheEntries().size() - static_cast<size_t>(hashes);
  }
  void FlipBit(const fs::path& file, uint64_t offset) const {
    std::string content = ReadFile(file);
    ASSERT_LT(offset, content.size());
    content[offset] = static_cast<char>(content[offset] ^ 1);
    WriteFile(file, content);
  }
};

TEST_F(CacheTest, TheSecondStartCompilesNothing) {
  EXPECT_THAT(Stats({Guest("hello")}).Run(), AllOf(Prints(kHello), IsMiss()));
  EXPECT_THAT(Stats({Guest("hello")}).Run(), AllOf(Prints(kHello), IsHit()));
  EXPECT_THAT(CacheEntries(), SizeIs(1));
  EXPECT_EQ(Leftovers(), 0U);
}

TEST_F(CacheTest, WhatCountsIsTheContentNotTheName) {
  Run({Guest("hello")});
  EXPECT_THAT(Stats({MakeFile("other.wasm", ReadFile(Guest("hello")))}).Run(), IsHit());
  EXPECT_THAT(Stats({"-"}).Input(ReadFile(Guest("hello"))).Run(), AllOf(Prints(kHello), IsHit()));
  const auto changing = MakeFile("changing.wasm", ReadFile(Guest("hello")));
  EXPECT_THAT(Run({changing}), Prints(kHello));
  WriteFile(changing, ReadFile(Guest("exit42")));
  EXPECT_THAT(Run({changing}), Ends(42));
}

TEST_F(CacheTest, AComponentIsKeptToo) {
  REQUIRE_GUEST("hello-component");
  EXPECT_THAT(Stats({"--tier", "optimized", Guest("hello-component")}).Run(), IsMiss());
  EXPECT_THAT(Stats({Guest("hello-component")}).Run(), AllOf(Prints(kHello), IsHit()));
}

TEST_F(CacheTest, CodeForOtherFeaturesIsOtherCode) {
  Run({Guest("hello")});
  EXPECT_THAT(Stats({"--enable", "threads", Guest("hello")}).Run(), IsMiss());
  EXPECT_THAT(Stats({Guest("hello")}).Run(), IsHit());
  EXPECT_THAT(CacheEntries(), SizeIs(2));
}

TEST_F(CacheTest, WithNoCacheNothingIsKept) {
  EXPECT_THAT(Stats({"--no-cache", Guest("hello")}).Run(), AllOf(Prints(kHello), IsMiss()));
  EXPECT_FALSE(fs::exists(cache));
}

TEST_F(CacheTest, TheDirectoryCanBeChosen) {
  EXPECT_THAT(Run({"--cache-dir", scratch / "mine", Guest("hello")}),
              AllOf(Prints(kHello), IsSilent()));
  EXPECT_FALSE(fs::exists(cache));
  EXPECT_FALSE(fs::is_empty(scratch / "mine"));
  EXPECT_EQ(fs::status(scratch / "mine").permissions(), fs::perms::owner_all);
}

TEST_F(CacheTest, ALargeModuleStartsAtOnceAndIsOptimizedForTheNextTime) {
  const auto large = MakeFile("large.wasm", LargeModule(300));
  EXPECT_THAT(Stats({large}).Run(), AllOf(IsMiss(), Complains(HasSubstr("\"tier\":\"baseline\""))));
  ASSERT_TRUE(BackgroundEnds());
  EXPECT_THAT(Stats({large}).Run(), AllOf(IsHit(), Complains(HasSubstr("\"tier\":\"optimized\""))));
  EXPECT_THAT(CacheEntries(), SizeIs(1)) << "the baseline code is of no more use";
  EXPECT_EQ(Leftovers(), 0U);
}

TEST_F(CacheTest, ABackgroundCompilerThatIsKilledLeavesNothingAndIsFollowedByAnother) {
  const auto large = MakeFile("large.wasm", LargeModule(2000));
  Run({large});
  EndBackground();
  EXPECT_THAT(Stats({large}).Run(), AllOf(IsHit(), Complains(HasSubstr("\"tier\":\"baseline\""))));
  ASSERT_TRUE(BackgroundEnds());
  EXPECT_THAT(Stats({large}).Run(), Complains(HasSubstr("\"tier\":\"optimized\"")));
  EXPECT_EQ(Leftovers(), 0U);
}

TEST_F(CacheTest, TenProcessesThatStartTheSameNewModuleCompileItOnce) {
  const auto large = MakeFile("large.wasm", LargeModule(1000));
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 10; ++i) processes.push_back(Stats({"--tier", "optimized", large}).Start());
  int compiled = 0;
  for (const auto& process : processes) {
    const Ended ended = process->Wait();
    EXPECT_THAT(ended, Ends(0));
    compiled += ended.err.find("\"code\":\"compiled\"") != std::string::npos;
  }
  EXPECT_EQ(compiled, 1);
  EXPECT_THAT(CacheEntries(), SizeIs(1));
  EXPECT_EQ(Leftovers(), 0U);
}

TEST_F(CacheTest, WhoWaitsForACompilerThatIsKilledCompilesItself) {
  const auto large = MakeFile("large.wasm", LargeModule(2000));
  const auto first = Stats({"--tier", "optimized", large}).Start();
  // Its lock shows that it is at it.
  while (Leftovers() == 0) std::this_thread::sleep_for(microseconds(200));
  const auto second = Stats({"--tier", "optimized", large}).Start();
  std::this_thread::sleep_for(milliseconds(20));
  first->Signal(SIGKILL);
  EXPECT_THAT(first->Wait(), DiesBy(SIGKILL));
  EXPECT_THAT(second->Wait(), AllOf(Ends(0), IsMiss()));
  EXPECT_EQ(Leftovers(), 0U);
}

TEST_F(CacheTest, AKillAtAnyMomentLeavesNothingBroken) {
  const auto large = MakeFile("large.wasm", LargeModule(300));
  const std::vector<std::string> words = {"--tier", "optimized", large};
  const auto started = std::chrono::steady_clock::now();
  EXPECT_THAT(Stats(words).Run(), IsMiss());
  const auto whole =
      std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - started);
  std::mt19937 random(3);  // The same moments on every run, as far as the machine goes.
  for (int round = 0; round < 30; ++round) {
    for (const fs::path& entry : CacheEntries()) fs::remove(entry);
    const auto process = RunCommand(words).Start();
    const auto moment = random() % static_cast<uint64_t>(whole.count());
    process->KillAfter(std::chrono::duration_cast<milliseconds>(microseconds(moment)));
    process->Wait();
    EXPECT_THAT(RunCommand(words).Run(), AllOf(Ends(0), IsSilent()));
    EXPECT_THAT(CacheEntries(), SizeIs(1));
  }
  // A lock may be left, of one that was killed when its entry was already there.
  EXPECT_LE(Leftovers(), 1U);
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Prints(kHello), IsSilent()));
  EXPECT_EQ(Leftovers(), 0U) << "the next compile, of whatever module, removes it";
}

TEST_F(CacheTest, AFlippedBitIsFoundSaidOnceAndMended) {
  Run({Guest("hello")});
  ASSERT_THAT(CacheEntries(), SizeIs(1));
  const fs::path entry = CacheEntries()[0];
  const uint64_t size = fs::file_size(entry);
  // In the header of the code, in the code, in the fingerprint behind it, in the description, at
  // the end.
  for (const uint64_t offset : {uint64_t{4}, size / 2, size - 100, size - 60, size - 1}) {
    FlipBit(entry, offset);
    const Ended damaged = Stats({Guest("hello")}).Run();
    EXPECT_THAT(damaged, AllOf(Ends(0), Prints(kHello), IsMiss()));
    EXPECT_THAT(damaged, Complains(AllOf(HasSubstr(entry.native()),
                                         HasSubstr("was damaged and is not used"))));
    EXPECT_THAT(Run({Guest("hello")}), AllOf(Ends(0), Prints(kHello), IsSilent()));
  }
}

TEST_F(CacheTest, AnEntryThatIsCutOffIsMended) {
  Run({Guest("hello")});
  ASSERT_THAT(CacheEntries(), SizeIs(1));
  const fs::path entry = CacheEntries()[0];
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{4096}, fs::file_size(entry) - 1}) {
    fs::resize_file(entry, size);
    EXPECT_THAT(Run({Guest("hello")}),
                AllOf(Prints(kHello), Complains(HasSubstr("was damaged and is not used"))));
    EXPECT_THAT(Run({Guest("hello")}), AllOf(Prints(kHello), IsSilent()));
  }
}

TEST_F(CacheTest, AnEntryUnderAnothersNameIsNotUsed) {
  Run({Guest("hello")});
  ASSERT_THAT(CacheEntries(), SizeIs(1));
  const fs::path hello = CacheEntries()[0];
  Run({Guest("exit42")});
  for (const fs::path& entry : CacheEntries()) {
    if (entry != hello) fs::copy_file(entry, hello, fs::copy_options::overwrite_existing);
  }
  EXPECT_THAT(Run({Guest("hello")}),
              AllOf(Ends(0), Prints(kHello), Complains(HasSubstr("it is of another module"))));
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Ends(0), Prints(kHello), IsSilent()));
}

TEST_F(CacheTest, AnEntryThatIsNoFileIsNotUsed) {
  Run({Guest("hello")});
  ASSERT_THAT(CacheEntries(), SizeIs(1));
  const fs::path entry = CacheEntries()[0], elsewhere = scratch / "elsewhere";
  fs::rename(entry, elsewhere);
  fs::create_symlink(elsewhere, entry);
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Prints(kHello), Complains(HasSubstr("was damaged"))));
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Prints(kHello), IsSilent()));
  fs::remove(entry);
  fs::create_hard_link(elsewhere, entry);
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Prints(kHello), Complains(HasSubstr("it has 2 names"))));
  fs::remove(entry);
  fs::create_directory(entry);
  EXPECT_THAT(Run({Guest("hello")}),
              AllOf(Prints(kHello), Complains(HasSubstr("not a regular file"))));
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Prints(kHello), IsSilent()));
}

TEST_F(CacheTest, AnEntryThatOthersCouldHaveWrittenIsNotUsed) {
  Run({Guest("hello")});
  ASSERT_THAT(CacheEntries(), SizeIs(1));
  fs::permissions(CacheEntries()[0], fs::perms::group_write, fs::perm_options::add);
  EXPECT_THAT(Run({Guest("hello")}),
              AllOf(Prints(kHello), Complains(HasSubstr("other users can write it"))));
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to give an entry to another user";
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(chown(CacheEntries()[0].c_str(), kNobody, kNobody), 0);
  EXPECT_THAT(Run({Guest("hello")}),
              AllOf(Prints(kHello), Complains(HasSubstr("it belongs to user 65534"))));
  EXPECT_THAT(Run({Guest("hello")}), AllOf(Prints(kHello), IsSilent()));
}

// A directory that cannot be the cache. The program runs all the same, and somebody is told why.
class UnusableCacheTest : public CacheTest {
 protected:
  static auto RunsAndSays(const std::string& words) {
    return AllOf(Ends(0), Prints(kHello),
                 Complains(AllOf(HasSubstr("wasmoor: warning: "), HasSubstr(words))));
  }
};

TEST_F(UnusableCacheTest, OneThatOthersCanWrite) {
  fs::create_directory(cache);
  for (const auto writers : {fs::perms::group_write, fs::perms::others_write}) {
    fs::permissions(cache, fs::perms::owner_all | writers);
    EXPECT_THAT(Run({Guest("hello")}), RunsAndSays("can be written by other users"));
    EXPECT_THAT(Run({Guest("hello")}), RunsAndSays("chmod go-w " + cache.native()));
  }
  EXPECT_TRUE(fs::is_empty(cache));
  EXPECT_THAT(Run({"--cache-dir", cache, Guest("hello")}),
              AllOf(Not(Ends(0)), Prints(IsEmpty()), Complains(HasSubstr("chmod go-w"))))
      << "who asks for one by name is not given another";
}

TEST_F(UnusableCacheTest, OneWhoseParentOthersCanWrite) {
  const auto open = MakeDirectory("open");
  fs::permissions(open, fs::perms::all);
  EXPECT_THAT(RunCommand({Guest("hello")}).Env("WASMOOR_CACHE_DIR", open / "cache").Run(),
              RunsAndSays(open.native() + " can be written by other users"));
  EXPECT_FALSE(fs::exists(open / "cache"));
}

TEST_F(UnusableCacheTest, OneThatBelongsToAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to give a directory to another user";
  fs::create_directory(cache);
  fs::permissions(cache, fs::perms::owner_all);
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(chown(cache.c_str(), kNobody, kNobody), 0);
  EXPECT_THAT(Run({Guest("hello")}), RunsAndSays("belongs to user 65534"));
  EXPECT_TRUE(fs::is_empty(cache));
}

TEST_F(UnusableCacheTest, OneThatIsAFile) {
  WriteFile(cache, "something else");
  EXPECT_THAT(Run({Guest("hello")}), RunsAndSays("it is not a directory"));
  EXPECT_EQ(ReadFile(cache), "something else");
}

TEST_F(UnusableCacheTest, OneThatCannotBeMade) {
  EXPECT_THAT(RunCommand({Guest("hello")}).Env("WASMOOR_CACHE_DIR", "/proc/cache").Run(),
              RunsAndSays("cannot make the directory /proc/cache"));
}

TEST_F(UnusableCacheTest, OneOnAReadOnlyFilesystem) {
  REQUIRE_MOUNTS();
  fs::create_directory(cache);
  fs::permissions(cache, fs::perms::owner_all);
  const std::string read_only =
      "mount --bind \"$WASMOOR_CACHE_DIR\" \"$WASMOOR_CACHE_DIR\"\n"
      "mount -o remount,bind,ro \"$WASMOOR_CACHE_DIR\"";
  EXPECT_THAT(RunWithMounts(read_only, {Guest("hello")}).Run(),
              RunsAndSays("Read-only file system"));
  Run({Guest("hello")});
  EXPECT_THAT(RunWithMounts(read_only, {Guest("hello")}).Run(),
              AllOf(Ends(0), Prints(kHello), IsSilent()))
      << "what is in it can be used";
}

TEST_F(UnusableCacheTest, OneOnAFullDisk) {
  REQUIRE_MOUNTS();
  fs::create_directory(cache);
  const auto large = MakeFile("large.wasm", LargeModule(2000));
  const std::string small_disk =
      "mount -t tmpfs -o size=64k,mode=700 none \"$WASMOOR_CACHE_DIR\"\n"
      // After the run: what it left there.
      "trap 'ls \"$WASMOOR_CACHE_DIR\" | sed \"s/^/left: /\"' EXIT\n"
      "\"$0\" run \"$@\"; exit $?";
  const Ended full = RunWithMounts(small_disk, {"--tier", "optimized", large}).Run();
  EXPECT_THAT(full, AllOf(Ends(0), Prints(Not(HasSubstr("left: ")))));
  EXPECT_THAT(full,
              Complains(ContainsRegex("^wasmoor: warning: [^\n]*No space left on device\n$")));
  EXPECT_THAT(RunWithMounts(small_disk, {large}).Run(),
              AllOf(Ends(0), Prints(Not(HasSubstr("left: ")))))
      << "the fast compiler's code does not fit either, and none is made in the background";
}

TEST_F(UnusableCacheTest, NoneBecauseThereIsNoHome) {
  REQUIRE_MOUNTS();
  const std::string no_home =
      "mount -t tmpfs none /var/cache\n"
      "unset HOME WASMOOR_CACHE_DIR XDG_CACHE_HOME";
  if (geteuid() == 0) {
    EXPECT_THAT(RunWithMounts(no_home, {Guest("hello")}).Run(),
                AllOf(Ends(0), Prints(kHello), IsSilent()));
  } else {
    EXPECT_THAT(RunWithMounts(no_home, {Guest("hello")}).Run(),
                RunsAndSays("set HOME or WASMOOR_CACHE_DIR"));
  }
}

TEST_F(UnusableCacheTest, ALineOfOursHoldsNoControlCharacters) {
  const auto file = MakeFile("evil\x1b[31m", "");
  EXPECT_THAT(RunCommand({Guest("hello")}).Env("WASMOOR_CACHE_DIR", file).Run(),
              AllOf(Ends(0), Complains(Not(HasSubstr("\x1b")))));
}

}  // namespace
}  // namespace wasmoor::e2e
