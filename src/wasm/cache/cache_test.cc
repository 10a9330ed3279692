// What the cache gives to one caller after another: hits, tiers, policies, listing.

#include "wasmoor/wasm/cache.h"

#include "cache/support.h"

namespace wasmoor::wasm {
namespace {

using test::BytesOf;
using test::EntriesIn;
using test::Must;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Bigger than what is compiled optimized at once.
std::vector<uint8_t> BigModule() { return std::vector<uint8_t>(300'000, 'b'); }

class CacheTest : public test::CacheFixture {};

TEST_F(CacheTest, CompilesAModuleOnceAndFindsItAfterwards) {
  const Cache cache = Open();
  const auto first = Load(cache, BytesOf("one"));
  EXPECT_EQ(first.source, Source::kCompiled);
  EXPECT_EQ(first.warning, "");
  EXPECT_TRUE(ModuleOf(first).from_file()) << "even the first run shares its pages with the next";
  const auto second = Load(cache, BytesOf("one"));
  EXPECT_EQ(second.source, Source::kHit);
  EXPECT_EQ(second.compile_time.count(), 0);
  EXPECT_EQ(second.warning, "");
  EXPECT_EQ(engine.compiles(), 1);
}

TEST_F(CacheTest, AnotherCacheObjectFindsWhatOneMade) {
  Load(Open(), BytesOf("one"));
  EXPECT_EQ(Load(Open(), BytesOf("one")).source, Source::kHit);
}

TEST_F(CacheTest, OneByteMoreIsAnotherModule) {
  const Cache cache = Open();
  Load(cache, BytesOf("one"));
  EXPECT_EQ(Load(cache, BytesOf("one ")).source, Source::kCompiled);
  EXPECT_THAT(EntriesIn(directory), SizeIs(2));
}

TEST_F(CacheTest, AnotherFingerprintIsAnotherEntryAndBothStay) {
  const Cache cache = Open();
  Load(cache, BytesOf("one"));
  engine.behaviour.fingerprint = "fake-2";
  EXPECT_EQ(Load(cache, BytesOf("one")).source, Source::kCompiled);
  engine.behaviour.fingerprint = "fake-1";
  EXPECT_EQ(Load(cache, BytesOf("one")).source, Source::kHit);
}

TEST_F(CacheTest, LeavesNothingBesideTheEntry) {
  Load(Open(), BytesOf("one"));
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1));
}

TEST_F(CacheTest, EntriesAreTheOwnersAloneAndWritableToNobody) {
  Load(Open(), BytesOf("one"));
  EXPECT_EQ(std::filesystem::status(directory).permissions(), std::filesystem::perms::owner_all);
  EXPECT_EQ(std::filesystem::status(EntriesIn(directory).front()).permissions(),
            std::filesystem::perms::owner_read);
}

TEST_F(CacheTest, AnInvalidModuleFailsEveryTimeAndLeavesNothing) {
  engine.behaviour.fails = true;
  const Cache cache = Open();
  for (int i = 1; i <= 2; ++i) {
    const auto found = cache.Load(engine, BytesOf("bad"), Policy::kOptimized);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(found.error().message(), HasSubstr("no valid module"));
    EXPECT_EQ(engine.compiles(), i);
  }
  EXPECT_THAT(test::FilesIn(directory), IsEmpty());
}

TEST_F(CacheTest, FastestTakesTheBaselineTierForABigModule) {
  const Cache cache = Open();
  const auto first = Load(cache, BigModule(), Policy::kFastest);
  EXPECT_EQ(first.tier, Tier::kBaseline);
  EXPECT_EQ(first.source, Source::kCompiled);
  const auto second = Load(cache, BigModule(), Policy::kFastest);
  EXPECT_EQ(second.tier, Tier::kBaseline);
  EXPECT_EQ(second.source, Source::kHit);
  EXPECT_EQ(engine.compiles(), 1);
}

TEST_F(CacheTest, FastestOptimizesASmallModuleAtOnce) {
  EXPECT_EQ(Load(Open(), BytesOf("small"), Policy::kFastest).tier, Tier::kOptimized);
}

TEST_F(CacheTest, FastestPrefersOptimizedCodeThatIsThere) {
  const Cache cache = Open();
  Load(cache, BigModule(), Policy::kOptimized);
  const auto found = Load(cache, BigModule(), Policy::kFastest);
  EXPECT_EQ(found.tier, Tier::kOptimized);
  EXPECT_EQ(found.source, Source::kHit);
}

TEST_F(CacheTest, FastestOptimizesWhatTheBaselineTierCannotCompile) {
  engine.behaviour.baseline_fails = true;
  const auto found = Load(Open(), BigModule(), Policy::kFastest);
  EXPECT_EQ(found.tier, Tier::kOptimized);
  EXPECT_EQ(found.warning, "");
  EXPECT_EQ(engine.compiles(), 2);
  EXPECT_THAT(EntriesIn(directory), SizeIs(1));
}

TEST_F(CacheTest, OptimizedIsNotContentWithBaselineCode) {
  const Cache cache = Open();
  Load(cache, BigModule(), Policy::kFastest);
  const auto found = Load(cache, BigModule(), Policy::kOptimized);
  EXPECT_EQ(found.tier, Tier::kOptimized);
  EXPECT_EQ(found.source, Source::kCompiled);
}

TEST_F(CacheTest, OptimizeReplacesBaselineCode) {
  const Cache cache = Open();
  Load(cache, BigModule(), Policy::kFastest);
  EXPECT_TRUE(Must(cache.Optimize(engine, BigModule())));
  EXPECT_TRUE(cache.Contains(engine, BigModule(), Tier::kOptimized));
  EXPECT_FALSE(cache.Contains(engine, BigModule(), Tier::kBaseline));
  EXPECT_EQ(Load(cache, BigModule(), Policy::kFastest).tier, Tier::kOptimized);
  EXPECT_FALSE(Must(cache.Optimize(engine, BigModule()))) << "there is nothing left to do";
  EXPECT_EQ(engine.compiles(), 2);
}

TEST_F(CacheTest, OptimizeSaysWhyItFailed) {
  engine.behaviour.fails = true;
  const auto done = Open().Optimize(engine, BytesOf("bad"));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kInvalidArgument);
}

TEST_F(CacheTest, ContainsDoesNotCountAsUse) {
  const Cache cache = Open();
  EXPECT_FALSE(cache.Contains(engine, BytesOf("one"), Tier::kOptimized));
  Load(cache, BytesOf("one"));
  const auto entry = EntriesIn(directory).front();
  const auto old = std::filesystem::last_write_time(entry) - std::chrono::hours(1);
  std::filesystem::last_write_time(entry, old);
  EXPECT_TRUE(cache.Contains(engine, BytesOf("one"), Tier::kOptimized));
  EXPECT_EQ(std::filesystem::last_write_time(entry), old);
  EXPECT_FALSE(cache.Contains(engine, BytesOf("one"), Tier::kBaseline));
  EXPECT_EQ(engine.compiles(), 1);
}

TEST_F(CacheTest, AHitNotesItsUseOnceAMinute) {
  const Cache cache = Open();
  Load(cache, BytesOf("one"));
  const auto entry = EntriesIn(directory).front();
  const auto now = std::filesystem::last_write_time(entry);
  std::filesystem::last_write_time(entry, now - std::chrono::hours(1));
  Load(cache, BytesOf("one"));
  EXPECT_GE(std::filesystem::last_write_time(entry), now);
  const auto recent = now - std::chrono::seconds(20);
  std::filesystem::last_write_time(entry, recent);
  Load(cache, BytesOf("one"));
  EXPECT_EQ(std::filesystem::last_write_time(entry), recent);
}

TEST_F(CacheTest, ListDescribesEveryEntryMostRecentlyUsedFirst) {
  const Cache cache = Open();
  EXPECT_THAT(Must(cache.List()), IsEmpty());
  Load(cache, BytesOf("abc"));
  Load(cache, BigModule(), Policy::kFastest);
  const auto hour_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& entry : EntriesIn(directory)) {
    if (entry.filename().native().starts_with("ba7816bf")) {
      std::filesystem::last_write_time(entry, hour_ago);
    }
  }
  const auto entries = Must(cache.List());
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_EQ(entries[0].tier, Tier::kBaseline);
  EXPECT_EQ(entries[0].fingerprint, "fake-1 baseline");
  // FIPS 180-2, appendix B.1.
  EXPECT_EQ(entries[1].module_hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(entries[1].tier, Tier::kOptimized);
  EXPECT_GT(entries[1].bytes, 100'000u);
  EXPECT_LT(entries[1].last_used, entries[0].last_used);
  EXPECT_LE(entries[1].created, std::chrono::system_clock::now());
  EXPECT_GT(entries[1].created, std::chrono::system_clock::now() - std::chrono::minutes(5));
  EXPECT_EQ(entries[1].damage, "");
}

TEST_F(CacheTest, AModuleLargerThanTheCacheIsNotKept) {
  auto options = Options();
  options.max_bytes = 50'000;
  const Cache cache = Must(Cache::Open(options));
  for (int i = 0; i < 2; ++i) {
    const auto found = Load(cache, BytesOf("one"));
    EXPECT_EQ(found.source, Source::kCompiled);
    EXPECT_THAT(found.warning, HasSubstr("100000 bytes"));
  }
  EXPECT_THAT(test::FilesIn(directory), IsEmpty());
}

TEST_F(CacheTest, SaysBeforeItCompilesAndNothingAtAHit) {
  auto options = Options();
  std::vector<std::pair<Tier, uint64_t>> calls;
  options.before_compile = [&](Tier tier, uint64_t bytes) { calls.emplace_back(tier, bytes); };
  engine.behaviour.baseline_fails = true;
  const Cache cache = Must(Cache::Open(options));
  Load(cache, BigModule(), Policy::kFastest);
  Load(cache, BigModule(), Policy::kFastest);
  EXPECT_THAT(calls, ::testing::ElementsAre(std::pair(Tier::kBaseline, uint64_t{300'000})));
}

TEST_F(CacheTest, LoadsAFileWhateverItsPosition) {
  test::WriteFile(scratch / "m.wasm", "module");
  const os::Fd file = Must(os::OpenAt(os::Fd(), (scratch / "m.wasm").c_str(), O_RDONLY));
  ASSERT_EQ(lseek(file.get(), 3, SEEK_SET), 3);
  const Cache cache = Open();
  EXPECT_EQ(Must(cache.LoadFile(engine, file, Policy::kOptimized)).source, Source::kCompiled);
  EXPECT_EQ(Must(cache.LoadFile(engine, file, Policy::kOptimized)).source, Source::kHit);
  EXPECT_EQ(Load(cache, BytesOf("module")).source, Source::kHit) << "by the same key";
}

TEST_F(CacheTest, LoadsWhatComesThroughAPipe) {
  const Cache cache = Open();
  Load(cache, BytesOf("module"));
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const os::Fd reader(ends[0]);
  {
    const os::Fd writer(ends[1]);
    ASSERT_TRUE(os::WriteAll(writer, BytesOf("module")));
  }
  EXPECT_EQ(Must(cache.LoadFile(engine, reader, Policy::kOptimized)).source, Source::kHit);
}

TEST_F(CacheTest, RefusesADirectoryAndAFileThatIsTooBig) {
  auto options = Options();
  options.max_module_bytes = 1000;
  const Cache cache = Must(Cache::Open(options));
  const auto load = [&](const os::Fd& file) {
    const auto found = cache.LoadFile(engine, file, Policy::kOptimized);
    return found ? Error(Code::kOk, "") : found.error();
  };
  const Error folder = load(Must(os::OpenAt(os::Fd(), scratch.path().c_str(), O_RDONLY)));
  EXPECT_EQ(folder.code(), Code::kInvalidArgument);
  EXPECT_THAT(folder.message(), HasSubstr("directory"));
  test::WriteFile(scratch / "m.wasm", std::string(1001, 'x'));
  const Error big = load(Must(os::OpenAt(os::Fd(), (scratch / "m.wasm").c_str(), O_RDONLY)));
  EXPECT_EQ(big.code(), Code::kInvalidArgument);
  EXPECT_THAT(big.message(), HasSubstr("1001 bytes"));
  const Error endless = load(Must(os::OpenAt(os::Fd(), "/dev/zero", O_RDONLY)));
  EXPECT_EQ(endless.code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.compiles(), 0);
}

TEST_F(CacheTest, KeepsNoDescriptorOpen) {
  const Cache cache = Open();
  const size_t before = test::OpenDescriptors();
  test::WriteFile(scratch / "m.wasm", std::string(300'000, 'b'));
  for (int i = 0; i < 3; ++i) {
    const os::Fd file = Must(os::OpenAt(os::Fd(), (scratch / "m.wasm").c_str(), O_RDONLY));
    static_cast<void>(Must(cache.LoadFile(engine, file, Policy::kFastest)));
    Load(cache, BytesOf("one"));
    static_cast<void>(Must(cache.Optimize(engine, BigModule())));
    static_cast<void>(Must(cache.Verify()));
    static_cast<void>(Must(cache.Prune(1, std::nullopt)));
    engine.behaviour.fails = true;
    EXPECT_FALSE(cache.Load(engine, BytesOf("bad"), Policy::kFastest));
    engine.behaviour.fails = false;
  }
  EXPECT_EQ(test::OpenDescriptors(), before);
}

}  // namespace
}  // namespace wasmoor::wasm
