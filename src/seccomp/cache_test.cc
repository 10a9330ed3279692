#include "wasmoor/seccomp/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <list>
#include <set>

#include "seccomp/cache_entry.h"
#include "support/child.h"
#include "support/result.h"
#include "support/scratch.h"

namespace wasmoor::seccomp {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::SizeIs;

oci::Seccomp Profile(uint32_t errno_ret = 5) {
  return {.default_action = "SCMP_ACT_ALLOW",
          .syscalls = {{.names = {"getppid", "kill"},
                        .action = "SCMP_ACT_ERRNO",
                        .errno_ret = errno_ret,
                        .args = {{.index = 1, .value = 9, .op = "SCMP_CMP_EQ"}}}}};
}

// What no compilation makes, to tell by whether an entry was used.
Program Planted() { return {.instructions = {{.code = 0x06, .k = SECCOMP_RET_ALLOW}}}; }

bool IsPlanted(const Program& program) {
  return program.instructions == Planted().instructions && program.flags == 0;
}

class CacheTest : public ::testing::Test {
 protected:
  Program Load(const oci::Seccomp& profile = Profile()) const {
    return test::Must(CompileCached(profile, directory));
  }
  fs::path EntryOf(const oci::Seccomp& profile) const {
    return directory / EntryName(KeyOf(profile));
  }
  std::vector<uint8_t> PlantedEntry(const oci::Seccomp& profile) const {
    return Encode(KeyOf(profile), Planted());
  }
  void Plant(const oci::Seccomp& profile, const std::vector<uint8_t>& bytes) const {
    fs::create_directory(directory);
    fs::permissions(directory, fs::perms::owner_all);
    test::WriteFile(EntryOf(profile), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    fs::permissions(EntryOf(profile), fs::perms::owner_read | fs::perms::owner_write);
  }

  const test::ScratchDirectory scratch{test::MemoryDirectory()};
  const fs::path directory = scratch / "seccomp";
};

TEST_F(CacheTest, TheSecondTimeAFilterIsTheKeptOneAndTheSame) {
  const Program made = Load();
  EXPECT_EQ(made.instructions, test::Must(Compile(Profile())).instructions);
  ASSERT_TRUE(fs::exists(EntryOf(Profile())));
  const Program kept = Load();
  EXPECT_EQ(kept.instructions, made.instructions);
  EXPECT_EQ(kept.flags, made.flags);
  Plant(Profile(), PlantedEntry(Profile()));
  EXPECT_TRUE(IsPlanted(Load())) << "it was compiled again";
}

TEST_F(CacheTest, DirectoryAndEntriesAreItsOwnersAlone) {
  Load();
  EXPECT_EQ(fs::status(directory).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(EntryOf(Profile())).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(CacheTest, TheFlagsOfAListenerAreKeptWithTheFilter) {
  oci::Seccomp profile = Profile();
  profile.syscalls.front() = {.names = {"getppid"}, .action = "SCMP_ACT_NOTIFY"};
  profile.listener_path = "/run/agent.sock";
  EXPECT_TRUE(Load(profile).listens());
  EXPECT_TRUE(Load(profile).listens());
}

TEST_F(CacheTest, EveryPartOfAProfileTellsItFromOthers) {
  std::list<oci::Seccomp> profiles = {Profile()};
  const auto other = [&]() -> oci::Seccomp& { return profiles.emplace_back(Profile()); };
  other().default_action = "SCMP_ACT_LOG";
  other().default_errno_ret = 0;
  other().architectures = {"SCMP_ARCH_X86"};
  other().flags = {"SCMP_ARCH_X86"};
  other().listener_path = "/run/agent.sock";
  other().syscalls.front().names = {"getppid"};
  other().syscalls.front().names = {"getppidkill"};
  other().syscalls.front().action = "SCMP_ACT_LOG";
  other().syscalls.front().errno_ret = 6;
  other().syscalls.front().errno_ret = std::nullopt;
  other().syscalls.front().args.clear();
  other().syscalls.front().args[0].index = 2;
  other().syscalls.front().args[0].value = 8;
  other().syscalls.front().args[0].value_two = 1;
  other().syscalls.front().args[0].op = "SCMP_CMP_NE";
  other().syscalls.emplace_back();
  std::set<std::string> keys, names;
  for (const oci::Seccomp& one : profiles) {
    keys.insert(KeyOf(one));
    names.insert(EntryName(KeyOf(one)));
  }
  EXPECT_THAT(keys, SizeIs(profiles.size()));
  EXPECT_THAT(names, SizeIs(profiles.size()));
}

TEST_F(CacheTest, WhatIsDamagedOrOfAnotherProfileIsMadeAgainAndReplaced) {
  const std::vector<uint8_t> sound = PlantedEntry(Profile());
  std::vector<std::vector<uint8_t>> bad = {{}, PlantedEntry(Profile(6))};
  for (size_t at = 0; at < sound.size(); ++at) {
    bad.push_back(sound);
    bad.back()[at] ^= 1;
  }
  bad.emplace_back(sound.begin(), sound.end() - 1);
  bad.push_back(sound);
  bad.back().push_back(0);
  for (const auto& bytes : bad) {
    Plant(Profile(), bytes);
    ASSERT_FALSE(IsPlanted(Load()));
    const std::string now = test::ReadFile(EntryOf(Profile()));
    ASSERT_TRUE(
        Decode(KeyOf(Profile()), {reinterpret_cast<const uint8_t*>(now.data()), now.size()}))
        << "a sound one takes its place";
  }
}

TEST_F(CacheTest, AnEntryThatSomebodyElseCouldHaveWrittenIsNotUsed) {
  const auto not_used = [&](const char* what) {
    EXPECT_FALSE(IsPlanted(Load())) << what;
    fs::remove_all(directory);
    Plant(Profile(), PlantedEntry(Profile()));
  };
  Plant(Profile(), PlantedEntry(Profile()));
  ASSERT_TRUE(IsPlanted(Load()));
  fs::permissions(EntryOf(Profile()), fs::perms(0620));
  not_used("its group may write it");
  fs::permissions(EntryOf(Profile()), fs::perms(0602));
  not_used("everybody may write it");
  fs::create_hard_link(EntryOf(Profile()), scratch / "second name");
  not_used("it has another name");
  fs::rename(EntryOf(Profile()), scratch / "elsewhere");
  fs::create_symlink(scratch / "elsewhere", EntryOf(Profile()));
  not_used("it is a link");
  fs::remove(EntryOf(Profile()));
  ASSERT_EQ(::mkfifo(EntryOf(Profile()).c_str(), 0600), 0);
  not_used("it is a FIFO");
  fs::remove(EntryOf(Profile()));
  fs::create_directory(EntryOf(Profile()));
  not_used("it is a directory");
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(EntryOf(Profile()).c_str(), 12345, 0), 0);
  EXPECT_FALSE(IsPlanted(Load())) << "to root, a file of another user's is as bad";
}

TEST_F(CacheTest, ADirectoryThatOthersCanWriteIsNeitherReadNorWritten) {
  Plant(Profile(), PlantedEntry(Profile()));
  fs::permissions(directory, fs::perms(0777));
  EXPECT_FALSE(IsPlanted(Load()));
  Load(Profile(6));
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1));
  fs::permissions(directory, fs::perms(0700));
  fs::permissions(scratch.path(), fs::perms(0777));
  EXPECT_FALSE(IsPlanted(Load())) << "somebody else could put another one in its place";
  fs::permissions(scratch.path(), fs::perms(0700));
  EXPECT_TRUE(IsPlanted(Load()));
}

TEST_F(CacheTest, WithoutAUsableDirectoryItIsCompiled) {
  const auto expected = test::Must(Compile(Profile())).instructions;
  test::WriteFile(scratch / "file", "");
  for (const fs::path& unusable : {fs::path(), scratch / "file", fs::path("/proc/seccomp"),
                                   scratch / "file" / "below", fs::path(std::string(5000, 'x'))})
    EXPECT_EQ(test::Must(CompileCached(Profile(), unusable)).instructions, expected) << unusable;
}

TEST_F(CacheTest, AnErrorIsThatOfTheCompilationAndIsNotKept) {
  oci::Seccomp profile = Profile();
  profile.syscalls.front().action = "SCMP_ACT_MAYBE";
  const auto failed = CompileCached(profile, directory);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), Compile(profile).error().message());
  EXPECT_THAT(test::FilesIn(directory), IsEmpty());
}

TEST_F(CacheTest, TheOldestGoWhenThereAreTooMany) {
  constexpr uint32_t kMost = 64;
  for (uint32_t i = 0; i < kMost + 3; ++i) {
    Load(Profile(i));
    // Files that are made within one tick of the clock have one time.
    const struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};
    ASSERT_EQ(::utimensat(AT_FDCWD, EntryOf(Profile(i)).c_str(), times, 0), 0);
  }
  EXPECT_THAT(test::FilesIn(directory), SizeIs(kMost));
  for (const uint32_t gone : {0U, 1U, 2U}) EXPECT_FALSE(fs::exists(EntryOf(Profile(gone))));
  EXPECT_TRUE(fs::exists(EntryOf(Profile(3))));
}

TEST_F(CacheTest, AProfileThatIsHugeIsCompiledEveryTime) {
  oci::Seccomp profile = Profile();
  profile.syscalls.push_back(
      {.names = std::vector<std::string>(20'000, "of_a_later_kernel"), .action = "SCMP_ACT_LOG"});
  EXPECT_EQ(Load(profile).instructions, test::Must(Compile(Profile())).instructions);
  EXPECT_THAT(test::FilesIn(directory), IsEmpty());
}

TEST_F(CacheTest, ManyWritersAtOnceLeaveOneSoundEntry) {
  const auto expected = test::Must(Compile(Profile())).instructions;
  std::list<test::Child> children;
  for (int i = 0; i < 8; ++i) {
    children.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        if (Load().instructions != expected) return 1;
        // What the next finds is damaged now and then.
        if (round % 7 == 0) test::WriteFile(EntryOf(Profile()), "damaged");
        if (round % 5 == 0) ::unlink(EntryOf(Profile()).c_str());
      }
      return 0;
    });
  }
  for (test::Child& child : children) EXPECT_EQ(child.Wait(), "exit 0");
  Load();
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1));
}

TEST_F(CacheTest, AFullDiskCostsNothingButTheEntry) {
  fs::create_directory(directory);
  EXPECT_EQ(test::InChild([&] {
              if (::unshare(CLONE_NEWNS) != 0) return 77;
              if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
              if (::mount("none", directory.c_str(), "tmpfs", 0, "size=4k,mode=0700") != 0)
                return 77;
              test::WriteFile(directory / "filler", std::string(4096, 'x'));
              const auto made = Load().instructions;
              if (made != test::Must(Compile(Profile())).instructions) return 1;
              return test::FilesIn(directory).size() == 1 ? 0 : 2;
            }),
            ::geteuid() == 0 ? "exit 0" : "exit 77");
}

}  // namespace
}  // namespace wasmoor::seccomp
