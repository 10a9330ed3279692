// The bound on the cache's size: who goes first, at insertion and when asked.

#include "cache/support.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::hours;
using std::chrono::system_clock;
using test::BytesOf;
using test::Must;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PruneTest : public test::CacheFixture {
 protected:
  static constexpr uint64_t kCode = 100'000;

  Cache OpenWith(uint64_t max_bytes) const {
    auto options = Options();
    options.max_bytes = max_bytes;
    return Must(Cache::Open(options));
  }
  bool Has(const std::string& wasm) const {
    return Open().Contains(engine, BytesOf(wasm), Tier::kOptimized);
  }
  // Makes the entry of `wasm`, last used so many hours ago.
  void Add(const Cache& cache, const std::string& wasm, int hours_ago) {
    const auto before = test::EntriesIn(directory);
    Load(cache, BytesOf(wasm));
    for (const auto& entry : test::EntriesIn(directory)) {
      if (std::find(before.begin(), before.end(), entry) != before.end()) continue;
      const auto now = std::filesystem::file_time_type::clock::now();
      std::filesystem::last_write_time(entry, now - hours(hours_ago));
    }
  }
};

TEST_F(PruneTest, AnInsertionEvictsTheLeastRecentlyUsed) {
  const Cache cache = OpenWith(3 * kCode + kCode / 2);
  Add(cache, "a", 2);
  Add(cache, "b", 3);
  Add(cache, "c", 1);
  Load(cache, BytesOf("b"));  // A use: now "a" is the oldest.
  Add(cache, "d", 0);
  EXPECT_FALSE(Has("a"));
  EXPECT_TRUE(Has("b"));
  EXPECT_TRUE(Has("c"));
  EXPECT_TRUE(Has("d"));
}

TEST_F(PruneTest, AnInsertionEvictsAsManyAsItNeeds) {
  const Cache cache = OpenWith(3 * kCode + kCode / 2);
  for (const auto* name : {"a", "b", "c"}) Add(cache, name, 1);
  engine.behaviour.code_bytes = 3 * kCode;
  Add(cache, "large", 0);
  EXPECT_TRUE(Has("large"));
  EXPECT_THAT(test::EntriesIn(directory), SizeIs(1));
}

TEST_F(PruneTest, TheNewEntryStaysEvenIfOthersSeemNewer) {
  const Cache cache = OpenWith(kCode + kCode / 2);
  Add(cache, "future", -1);
  Add(cache, "now", 0);
  EXPECT_TRUE(Has("now"));
  EXPECT_FALSE(Has("future"));
}

TEST_F(PruneTest, AProgramKeepsRunningAnEvictedEntry) {
  const Cache cache = Open();
  const auto found = Load(cache, BytesOf("a"));
  EXPECT_EQ(Must(cache.Prune(0, std::nullopt)).entries, 1u);
  EXPECT_EQ(ModuleOf(found).seed(), test::FakeEngine::SeedOf(BytesOf("a")));
  EXPECT_EQ(Load(cache, BytesOf("a")).source, Source::kCompiled);
}

TEST_F(PruneTest, RemovesTheLeastRecentlyUsedDownToASize) {
  const Cache cache = Open();
  for (int i = 0; i < 5; ++i) Add(cache, std::string(1, static_cast<char>('a' + i)), i);
  const auto pruned = Must(cache.Prune(2 * kCode + kCode / 2, std::nullopt));
  EXPECT_EQ(pruned.entries, 3u);
  EXPECT_GT(pruned.bytes, 3 * kCode);
  EXPECT_TRUE(Has("a"));
  EXPECT_TRUE(Has("b"));
  EXPECT_FALSE(Has("c"));
}

TEST_F(PruneTest, CountsWhatItWouldRemoveAndRemovesNothing) {
  const Cache cache = Open();
  for (int i = 0; i < 5; ++i) Add(cache, std::string(1, static_cast<char>('a' + i)), i);
  const uint64_t limit = 2 * kCode + kCode / 2;
  const auto counted = Must(cache.Prune(limit, std::nullopt, Cache::PruneMode::kCountOnly));
  EXPECT_THAT(test::EntriesIn(directory), SizeIs(5));
  const auto pruned = Must(cache.Prune(limit, std::nullopt));
  EXPECT_EQ(counted.entries, pruned.entries);
  EXPECT_EQ(counted.bytes, pruned.bytes);
}

TEST_F(PruneTest, RemovesWhatWasNotUsedSince) {
  const Cache cache = Open();
  Add(cache, "old", 48);
  Add(cache, "young", 2);
  const auto pruned = Must(cache.Prune(UINT64_MAX, system_clock::now() - hours(24)));
  EXPECT_EQ(pruned.entries, 1u);
  EXPECT_FALSE(Has("old"));
  EXPECT_TRUE(Has("young"));
}

TEST_F(PruneTest, AnEmptyCacheHasNothingToRemove) {
  EXPECT_EQ(Must(Open().Prune(0, system_clock::now())).entries, 0u);
}

TEST_F(PruneTest, ManyAtOnceKeepTheBound) {
  std::vector<test::Child> children;
  for (int i = 0; i < 8; ++i) {
    children.emplace_back([&, i] {
      const Cache cache = OpenWith(5 * kCode);
      for (int n = 0; n < 10; ++n) Load(cache, BytesOf(std::to_string(i * 100 + n)));
    });
  }
  for (auto& child : children) EXPECT_EQ(child.Wait(), "exit 0");
  Load(OpenWith(5 * kCode), BytesOf("last"));
  EXPECT_LE(test::EntriesIn(directory).size(), 4u);
  EXPECT_TRUE(Has("last"));
}

}  // namespace
}  // namespace wasmoor::wasm
