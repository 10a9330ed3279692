#include "wasm/cache/memo.h"

#include "cache/support.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::system_clock;
using test::Must;

class MemoTest : public test::CacheFixture {
 protected:
  MemoTest() { std::filesystem::create_directory(directory); }

  os::Fd OpenModule() const { return Must(os::OpenAt(os::Fd(), module.c_str(), O_RDONLY)); }
  std::optional<FileIdentity> Identity() const {
    const os::Fd file = OpenModule();
    return IdentityOf(file, Must(os::Stat(file)));
  }
  // True if the scratch directory is where files can be told apart by their times.
  bool Works() {
    test::WriteFile(module, "x");
    return Identity().has_value();
  }
  static system_clock::time_point LongAfter(const FileIdentity& identity) {
    return system_clock::time_point(nanoseconds(identity.changed_ns) + seconds(60));
  }

  const std::filesystem::path module = scratch / "big.wasm";
  const os::Fd folder = Must(os::OpenAt(os::Fd(), scratch.path().c_str(), O_PATH | O_DIRECTORY));
  const HashMemo memo{folder};
  const Digest digest = HashOf(test::BytesOf("content"));
};

#define REQUIRE_TIMES() \
  if (!Works()) GTEST_SKIP() << "needs a temporary directory on ext4, xfs, btrfs or overlayfs"

TEST_F(MemoTest, RemembersTheDigestOfAFile) {
  REQUIRE_TIMES();
  const auto identity = *Identity();
  EXPECT_EQ(memo.Find(identity), std::nullopt);
  memo.Remember(identity, digest, LongAfter(identity));
  EXPECT_EQ(memo.Find(identity), digest);
  EXPECT_EQ(memo.Find(*Identity()), digest);
}

TEST_F(MemoTest, DoesNotTrustAFileThatChangedAMomentAgo) {
  REQUIRE_TIMES();
  const auto identity = *Identity();
  memo.Remember(identity, digest, system_clock::time_point(nanoseconds(identity.changed_ns)));
  memo.Remember(identity, digest,
                system_clock::time_point(nanoseconds(identity.changed_ns)) + seconds(1));
  memo.Remember(identity, digest,
                system_clock::time_point(nanoseconds(identity.changed_ns)) - seconds(100));
  EXPECT_EQ(memo.Find(identity), std::nullopt);
}

TEST_F(MemoTest, NoticesANewContentOfTheSameSizeAndTime) {
  REQUIRE_TIMES();
  const auto identity = *Identity();
  memo.Remember(identity, digest, LongAfter(identity));
  struct stat before;
  ASSERT_EQ(stat(module.c_str(), &before), 0);
  {
    const os::Fd file = Must(os::OpenAt(os::Fd(), module.c_str(), O_WRONLY));
    ASSERT_TRUE(os::WriteAll(file, test::BytesOf("y")));
  }
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, module.c_str(), times, 0), 0);
  const auto now = *Identity();
  EXPECT_EQ(now.modified_ns, identity.modified_ns);
  EXPECT_EQ(now.bytes, identity.bytes);
  EXPECT_EQ(now.inode, identity.inode);
  EXPECT_EQ(memo.Find(now), std::nullopt);
}

TEST_F(MemoTest, EveryPartOfTheIdentityCounts) {
  REQUIRE_TIMES();
  const auto identity = *Identity();
  memo.Remember(identity, digest, LongAfter(identity));
  for (const auto part : {&FileIdentity::device, &FileIdentity::inode, &FileIdentity::bytes,
                          &FileIdentity::filesystem}) {
    FileIdentity other = identity;
    other.*part += 1;
    EXPECT_EQ(memo.Find(other), std::nullopt);
  }
  for (const auto part : {&FileIdentity::modified_ns, &FileIdentity::changed_ns}) {
    FileIdentity other = identity;
    other.*part += 1;
    EXPECT_EQ(memo.Find(other), std::nullopt);
  }
}

TEST_F(MemoTest, HoldsManyFilesInABoundedTable) {
  REQUIRE_TIMES();
  auto identity = *Identity();
  int found = 0;
  for (uint64_t i = 0; i < 5000; ++i) {
    identity.inode = i;
    memo.Remember(identity, digest, LongAfter(identity) + seconds(i));
    EXPECT_EQ(memo.Find(identity), digest) << "the newest is always there";
  }
  for (uint64_t i = 0; i < 5000; ++i) {
    identity.inode = i;
    found += memo.Find(identity).has_value();
  }
  EXPECT_GT(found, 900);
  EXPECT_LE(std::filesystem::file_size(scratch / kMemoName), 128u << 10);
}

TEST_F(MemoTest, AFlippedBitAnywhereIsNeverAnAnswer) {
  REQUIRE_TIMES();
  const auto identity = *Identity();
  memo.Remember(identity, digest, LongAfter(identity));
  const std::string good = test::ReadFile(scratch / kMemoName);
  int lost = 0;
  for (size_t place = 0; place < good.size(); ++place) {
    if (good[place] == 0 && place % 64 != 0) continue;
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] ^ 16);
    test::WriteFile(scratch / kMemoName, bad);
    const auto found = memo.Find(identity);
    lost += !found;
    EXPECT_TRUE(!found || *found == digest) << place;
  }
  EXPECT_GT(lost, 50);
}

TEST_F(MemoTest, ATableThatOthersCanWriteIsNotRead) {
  REQUIRE_TIMES();
  const auto identity = *Identity();
  memo.Remember(identity, digest, LongAfter(identity));
  std::filesystem::permissions(scratch / kMemoName, std::filesystem::perms(0666));
  EXPECT_EQ(memo.Find(identity), std::nullopt);
}

TEST_F(MemoTest, AFilesystemWhoseTimesSayNothingIsNotRemembered) {
  // procfs makes its times up.
  const os::Fd file = Must(os::OpenAt(os::Fd(), "/proc/self/maps", O_RDONLY));
  EXPECT_EQ(IdentityOf(file, Must(os::Stat(file))), std::nullopt);
}

// Nobody can set a ctime, so this test waits until the file has settled.
TEST_F(MemoTest, LoadFileRemembersABigModuleUntilItChanges) {
  REQUIRE_TIMES();
  test::WriteFile(module, std::string(300'000, 'a'));
  std::this_thread::sleep_for(kMemoSettleTime + std::chrono::milliseconds(100));
  const Cache cache = Open();
  const auto load = [&] { return Must(cache.LoadFile(engine, OpenModule(), Policy::kOptimized)); };
  const auto seed = [](char c) {
    return test::FakeEngine::SeedOf(std::vector<uint8_t>(300'000, static_cast<uint8_t>(c)));
  };
  EXPECT_EQ(ModuleOf(load()).seed(), seed('a'));
  ASSERT_TRUE(std::filesystem::exists(directory / kMemoName));
  EXPECT_EQ(load().source, Source::kHit);

  struct stat before;
  ASSERT_EQ(stat(module.c_str(), &before), 0);
  {
    const os::Fd file = Must(os::OpenAt(os::Fd(), module.c_str(), O_WRONLY));
    ASSERT_TRUE(os::WriteAll(file, std::vector<uint8_t>(300'000, 'b')));
  }
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, module.c_str(), times, 0), 0);
  const auto changed = load();
  EXPECT_EQ(changed.source, Source::kCompiled);
  EXPECT_EQ(ModuleOf(changed).seed(), seed('b'));
}

TEST_F(MemoTest, LoadFileTakesItAtItsWordAndDoesNotReadTheModule) {
  REQUIRE_TIMES();
  test::WriteFile(module, std::string(300'000, 'a'));
  const Cache cache = Open();
  Load(cache, test::BytesOf("content"));
  const os::Fd cache_folder = Must(os::OpenAt(os::Fd(), directory.c_str(), O_PATH | O_DIRECTORY));
  const auto identity = *Identity();
  HashMemo(cache_folder).Remember(identity, digest, LongAfter(identity));
  const auto found = Must(cache.LoadFile(engine, OpenModule(), Policy::kOptimized));
  EXPECT_EQ(found.source, Source::kHit);
  EXPECT_EQ(ModuleOf(found).seed(), test::FakeEngine::SeedOf(test::BytesOf("content")));
}

TEST_F(MemoTest, AWrongDigestMakesNoWrongEntry) {
  REQUIRE_TIMES();
  test::WriteFile(module, std::string(300'000, 'a'));
  const Cache cache = Open();
  const os::Fd cache_folder = Must(os::OpenAt(os::Fd(), directory.c_str(), O_PATH | O_DIRECTORY));
  const auto identity = *Identity();
  HashMemo(cache_folder).Remember(identity, digest, LongAfter(identity));
  const auto found = Must(cache.LoadFile(engine, OpenModule(), Policy::kOptimized));
  EXPECT_EQ(found.source, Source::kCompiled);
  EXPECT_TRUE(cache.Contains(engine, std::vector<uint8_t>(300'000, 'a'), Tier::kOptimized));
  EXPECT_FALSE(cache.Contains(engine, test::BytesOf("content"), Tier::kOptimized));
}

}  // namespace
}  // namespace wasmoor::wasm
