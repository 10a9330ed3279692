// Which directories are accepted, and what a directory that cannot be written costs.

#include "wasm/cache/directory.h"

#include <sys/prctl.h>

#include "cache/support.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {
namespace {

using std::filesystem::perms;
using test::BytesOf;
using test::Child;
using test::Must;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uid_t kSomebody = 12345;

class DirectoryTest : public test::CacheFixture {
 protected:
  Error OpenFails(const std::filesystem::path& path) const {
    const auto cache = Cache::Open({.directory = path});
    return cache ? Error(Code::kOk, "it was accepted") : cache.error();
  }
};

TEST_F(DirectoryTest, IsMadeWithItsParentsForItsOwnerAlone) {
  const auto deep = scratch / "a" / "b" / "modules";
  EXPECT_EQ(Must(Cache::Open({.directory = deep})).problem(), "");
  for (const auto& made : {scratch / "a", scratch / "a" / "b", deep}) {
    EXPECT_EQ(std::filesystem::status(made).permissions(), perms::owner_all) << made;
  }
}

TEST_F(DirectoryTest, OneThatOthersCanWriteIsRefusedByName) {
  std::filesystem::create_directory(directory);
  for (const perms mode : {perms(0777), perms(0770), perms(01777), perms(0702)}) {
    std::filesystem::permissions(directory, mode);
    const Error error = OpenFails(directory);
    EXPECT_EQ(error.code(), Code::kPermissionDenied);
    EXPECT_THAT(error.message(), AllOf(HasSubstr("chmod go-w " + directory.native()),
                                       HasSubstr("can be written by other users")));
  }
}

TEST_F(DirectoryTest, OneBelowADirectoryThatOthersCanWriteIsRefused) {
  std::filesystem::create_directories(scratch / "shared" / "mine");
  std::filesystem::permissions(scratch / "shared", perms(0777));
  const Error error = OpenFails(scratch / "shared" / "mine" / "modules");
  EXPECT_EQ(error.code(), Code::kPermissionDenied);
  EXPECT_THAT(error.message(), HasSubstr("chmod go-w " + (scratch / "shared").native()));
  EXPECT_THAT(test::FilesIn(scratch / "shared" / "mine"), IsEmpty());
}

TEST_F(DirectoryTest, OneBelowAStickyDirectoryIsAccepted) {
  std::filesystem::create_directory(scratch / "tmp");
  std::filesystem::permissions(scratch / "tmp", perms(01777));
  EXPECT_EQ(Must(Cache::Open({.directory = scratch / "tmp" / "modules"})).problem(), "");
}

TEST_F(DirectoryTest, OneOfAnotherUserIsRefusedByName) {
  REQUIRE_ROOT();
  std::filesystem::create_directory(directory);
  ASSERT_EQ(chown(directory.c_str(), kSomebody, kSomebody), 0);
  const Error error = OpenFails(directory);
  EXPECT_EQ(error.code(), Code::kPermissionDenied);
  EXPECT_THAT(error.message(), AllOf(HasSubstr(directory.native()), HasSubstr("user 12345"),
                                     HasSubstr("chown -R 0 ")));
}

TEST_F(DirectoryTest, OneBelowAnotherUsersDirectoryIsRefused) {
  REQUIRE_ROOT();
  std::filesystem::create_directories(scratch / "home" / ".cache");
  ASSERT_EQ(chown((scratch / "home").c_str(), kSomebody, kSomebody), 0);
  const Error error = OpenFails(scratch / "home" / ".cache" / "modules");
  EXPECT_EQ(error.code(), Code::kPermissionDenied);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("user 12345"), HasSubstr("WASMOOR_CACHE_DIR")));
}

TEST_F(DirectoryTest, OwnSymbolicLinksAreFollowedAndTheirTargetsChecked) {
  std::filesystem::create_directory(scratch / "disk");
  std::filesystem::create_symlink("disk", scratch / "link");
  EXPECT_EQ(Must(Cache::Open({.directory = scratch / "link" / "modules"})).problem(), "");
  EXPECT_TRUE(std::filesystem::exists(scratch / "disk" / "modules"));
  std::filesystem::create_directory_symlink(scratch / "disk" / "modules", scratch / "last");
  EXPECT_EQ(Must(Cache::Open({.directory = scratch / "last"})).problem(), "");
  std::filesystem::permissions(scratch / "disk", perms(0777));
  EXPECT_EQ(OpenFails(scratch / "link" / "modules").code(), Code::kPermissionDenied);
}

TEST_F(DirectoryTest, AnotherUsersSymbolicLinkIsRefused) {
  REQUIRE_ROOT();
  std::filesystem::create_directory(directory);
  std::filesystem::create_symlink(directory, scratch / "link");
  ASSERT_EQ(lchown((scratch / "link").c_str(), kSomebody, kSomebody), 0);
  EXPECT_EQ(OpenFails(scratch / "link").code(), Code::kPermissionDenied);
}

TEST_F(DirectoryTest, ALoopOfSymbolicLinksEnds) {
  std::filesystem::create_symlink("loop", scratch / "loop");
  EXPECT_THAT(Must(Cache::Open({.directory = scratch / "loop" / "modules"})).problem(),
              HasSubstr("Too many levels"));
}

TEST_F(DirectoryTest, DotsAndSlashesAreUnderstood) {
  std::filesystem::create_directory(scratch / "a");
  const std::string odd = scratch.path().native() + "//a/./../modules/";
  EXPECT_EQ(Must(Cache::Open({.directory = odd})).problem(), "");
  EXPECT_TRUE(std::filesystem::is_directory(directory));
}

TEST_F(DirectoryTest, AFileInItsPlaceIsAnError) {
  test::WriteFile(directory, "");
  EXPECT_EQ(OpenFails(directory).code(), Code::kInvalidArgument);
  EXPECT_EQ(OpenFails(directory / "below").code(), Code::kInvalidArgument);
  EXPECT_EQ(OpenFails("").code(), Code::kInvalidArgument);
}

TEST_F(DirectoryTest, OneThatCannotBeMadeKeepsNothingAndSaysSo) {
  const Cache cache = Must(Cache::Open({.directory = "/proc/self/nowhere/modules"}));
  EXPECT_THAT(cache.problem(), HasSubstr("nowhere"));
  for (int i = 0; i < 2; ++i) {
    const auto found = Load(cache, BytesOf("module"));
    EXPECT_EQ(found.source, Source::kCompiled);
    EXPECT_THAT(found.warning, AllOf(HasSubstr("for this run only"), HasSubstr("nowhere")));
  }
  EXPECT_THAT(Must(cache.List()), IsEmpty());
  EXPECT_EQ(Must(cache.Prune(0, std::nullopt)).entries, 0u);
  EXPECT_FALSE(cache.Contains(engine, BytesOf("module"), Tier::kOptimized));
  EXPECT_FALSE(cache.Optimize(engine, BytesOf("module")));
}

TEST_F(DirectoryTest, AReadOnlyOneServesHitsAndSaysWhatItCannotKeep) {
  REQUIRE_ROOT();
  Load(Open(), BytesOf("old"));
  const auto entry = test::EntriesIn(directory).front();
  std::filesystem::last_write_time(entry,
                                   std::filesystem::last_write_time(entry) - std::chrono::hours(1));
  Child child([&] {
    ASSERT_TRUE(test::EnterOwnMounts());
    ASSERT_EQ(mount(directory.c_str(), directory.c_str(), nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(mount(nullptr, directory.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
              0);
    const Cache cache = Open();
    const auto hit = Load(cache, BytesOf("old"));
    EXPECT_EQ(hit.source, Source::kHit);
    EXPECT_EQ(hit.warning, "");
    const auto found = Load(cache, BytesOf("new"));
    EXPECT_EQ(found.source, Source::kCompiled);
    EXPECT_THAT(found.warning, HasSubstr("Read-only file system"));
    EXPECT_FALSE(cache.Optimize(engine, BytesOf("new")));
    test::WriteFile(scratch / "big", std::string(300'000, 'b'));
    const os::Fd file = Must(os::OpenAt(os::Fd(), (scratch / "big").c_str(), O_RDONLY));
    EXPECT_TRUE(cache.LoadFile(engine, file, Policy::kFastest));
  });
  EXPECT_EQ(child.Wait(), "exit 0");
}

TEST_F(DirectoryTest, ADamagedEntryInAReadOnlyOneIsSaidAndNotUsed) {
  REQUIRE_ROOT();
  Load(Open(), BytesOf("old"));
  test::WriteFile(test::EntriesIn(directory).front(), "rubbish");
  Child child([&] {
    ASSERT_TRUE(test::EnterOwnMounts());
    ASSERT_EQ(mount(directory.c_str(), directory.c_str(), nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(mount(nullptr, directory.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr),
              0);
    EXPECT_THAT(Load(Open(), BytesOf("old")).warning,
                AllOf(HasSubstr("damaged"), HasSubstr("cannot be removed")));
  });
  EXPECT_EQ(child.Wait(), "exit 0");
}

TEST_F(DirectoryTest, AFullDiskCostsTheEntryAndNotTheRun) {
  REQUIRE_ROOT();
  Child child([&] {
    ASSERT_TRUE(test::EnterOwnMounts());
    std::filesystem::create_directory(directory);
    ASSERT_EQ(mount("none", directory.c_str(), "tmpfs", 0, "size=1m,mode=0700"), 0);
    const Cache cache = Open();
    engine.behaviour.code_bytes = 2 << 20;
    const auto found = Load(cache, BytesOf("large"));
    EXPECT_EQ(found.source, Source::kCompiled);
    EXPECT_THAT(found.warning, HasSubstr("No space left on device"));
    EXPECT_THAT(test::FilesIn(directory), IsEmpty());
    const auto optimized = cache.Optimize(engine, BytesOf("large"));
    ASSERT_FALSE(optimized);
    EXPECT_EQ(optimized.error().code(), Code::kResourceExhausted);
    engine.behaviour.code_bytes = 1000;
    EXPECT_EQ(Load(cache, BytesOf("small")).warning, "");
    EXPECT_EQ(Load(cache, BytesOf("small")).source, Source::kHit);
  });
  EXPECT_EQ(child.Wait(), "exit 0");
}

TEST_F(DirectoryTest, ADiskWithoutRoomForAFileCostsTheEntryAndNotTheRun) {
  REQUIRE_ROOT();
  Child child([&] {
    ASSERT_TRUE(test::EnterOwnMounts());
    std::filesystem::create_directory(directory);
    ASSERT_EQ(mount("none", directory.c_str(), "tmpfs", 0, "nr_inodes=2,mode=0700"), 0);
    const Cache cache = Open();
    test::WriteFile(directory / "the last inode", "");
    const auto found = Load(cache, BytesOf("module"));
    EXPECT_EQ(found.source, Source::kCompiled);
    EXPECT_THAT(found.warning, HasSubstr("No space left on device"));
  });
  EXPECT_EQ(child.Wait(), "exit 0");
}

TEST_F(DirectoryTest, RootsReadableCacheServesOthersAndOnlyRootFillsIt) {
  REQUIRE_ROOT();
  std::filesystem::create_directory(directory);
  std::filesystem::permissions(directory, perms(0755));
  std::filesystem::permissions(scratch.path(), perms(0755));
  Load(Open(), BytesOf("shared"));
  std::filesystem::permissions(scratch / "compiles", perms(0666));
  Child child([&] {
    ASSERT_EQ(setgid(kSomebody), 0);
    ASSERT_EQ(setuid(kSomebody), 0);
    const Cache cache = Open();
    EXPECT_EQ(Load(cache, BytesOf("shared")).source, Source::kHit);
    EXPECT_THAT(Load(cache, BytesOf("new")).warning, HasSubstr("Permission denied"));
  });
  EXPECT_EQ(child.Wait(), "exit 0");
  EXPECT_THAT(test::EntriesIn(directory), SizeIs(1));
}

TEST_F(DirectoryTest, InAUserNamespaceTheHostsDirectoriesAreAccepted) {
  REQUIRE_ROOT();
  std::filesystem::create_directory(directory);
  ASSERT_EQ(chown(directory.c_str(), kSomebody, kSomebody), 0);
  ASSERT_EQ(chmod(scratch.path().c_str(), 0755), 0);
  Child child([&] {
    ASSERT_EQ(setgid(kSomebody), 0);
    ASSERT_EQ(setuid(kSomebody), 0);
    // /proc/self belongs to root again after setuid, unless the process is dumpable (proc(5)).
    ASSERT_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
    ASSERT_EQ(unshare(CLONE_NEWUSER), 0);
    test::WriteFile("/proc/self/setgroups", "deny");
    test::WriteFile("/proc/self/uid_map", "0 12345 1");
    ASSERT_EQ(geteuid(), 0u);
    // "/" belongs to the host's root, whom this namespace does not know.
    EXPECT_EQ(Open().problem(), "");
  });
  EXPECT_EQ(child.Wait(), "exit 0");
}

class DefaultDirectoryTest : public ::testing::Test {
 protected:
  // What DefaultCacheDirectory says with these variables and no others; "" for nothing.
  static std::string With(const std::vector<std::pair<std::string, std::string>>& variables,
                          uid_t user = 0) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    const os::Fd reader(ends[0]);
    os::Fd writer(ends[1]);
    Child child([&] {
      clearenv();
      for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
      ASSERT_TRUE(user == 0 || setuid(user) == 0);
      const std::string found = DefaultCacheDirectory().value_or("").native();
      ASSERT_TRUE(os::WriteAll(writer, BytesOf(found)));
    });
    EXPECT_EQ(child.Wait(), "exit 0");
    writer.Close();
    const auto bytes = Must(os::ReadAll(reader, PATH_MAX));
    return {bytes.begin(), bytes.end()};
  }
};

TEST_F(DefaultDirectoryTest, FollowsTheEnvironmentInItsOrder) {
  EXPECT_EQ(With({{"WASMOOR_CACHE_DIR", "/c"}, {"XDG_CACHE_HOME", "/x"}, {"HOME", "/h"}}), "/c");
  EXPECT_EQ(With({{"XDG_CACHE_HOME", "/x"}, {"HOME", "/h"}}), "/x/wasmoor/modules");
  EXPECT_EQ(With({{"HOME", "/h"}}), "/h/.cache/wasmoor/modules");
}

TEST_F(DefaultDirectoryTest, RelativeAndEmptyValuesDoNotCount) {
  EXPECT_EQ(With({{"WASMOOR_CACHE_DIR", ""}, {"XDG_CACHE_HOME", "x"}, {"HOME", "/h"}}),
            "/h/.cache/wasmoor/modules");
}

TEST_F(DefaultDirectoryTest, WithoutAHomeItIsTheSystemsForRootAndNoneForOthers) {
  REQUIRE_ROOT();
  EXPECT_EQ(With({}), "/var/cache/wasmoor/modules");
  EXPECT_EQ(With({}, kSomebody), "");
}

}  // namespace
}  // namespace wasmoor::wasm
