// Entries that are not what they should be: found, said once, replaced, and never loaded.

#include <linux/limits.h>

#include "cache/support.h"
#include "wasm/cache/publish.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {
namespace {

using test::BytesOf;
using test::Must;
using test::ReadFile;
using test::WriteFile;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DamageTest : public test::CacheFixture {
 protected:
  DamageTest() {
    engine.behaviour.code_bytes = 20'000;
    Load(cache, wasm);
    entry = test::EntriesIn(directory).front();
    good = ReadFile(entry);
  }

  // The next load must find the entry unusable for `reason`, name it, and leave a good one.
  void ExpectRecompiled(const std::string& reason) {
    const int before = engine.compiles();
    const auto found = Load(cache, wasm);
    EXPECT_EQ(found.source, Source::kCompiled) << reason;
    EXPECT_THAT(found.warning, AllOf(HasSubstr(reason), HasSubstr(entry.native())));
    EXPECT_EQ(engine.compiles(), before + 1);
    const auto again = Load(cache, wasm);
    EXPECT_EQ(again.source, Source::kHit) << reason;
    EXPECT_EQ(again.warning, "");
    EXPECT_EQ(ReadFile(entry).size(), good.size());
    EXPECT_EQ(test::FilesIn(directory).size(), 1u);
  }
  void Replace(const std::string& content) {
    // A new file, as a crashed disk or a careless copy leaves it: the old one may be mapped.
    std::filesystem::remove(entry);
    WriteFile(entry, content);
    std::filesystem::permissions(entry, std::filesystem::perms(0600));
  }

  const std::vector<uint8_t> wasm = BytesOf("module");
  const Cache cache = Open();
  std::filesystem::path entry;
  std::string good;
};

TEST_F(DamageTest, AFlippedBitIsFoundWhereverItIs) {
  // All of the fingerprint and the trailer, and places all over the code.
  std::vector<size_t> places;
  for (size_t i = 0; i < good.size(); i += 1237) places.push_back(i);
  for (size_t i = engine.behaviour.code_bytes; i < good.size(); ++i) places.push_back(i);
  for (const size_t place : places) {
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] ^ (1 << place % 8));
    Replace(bad);
    const auto found = Load(cache, wasm);
    EXPECT_EQ(found.source, Source::kCompiled) << "byte " << place;
    EXPECT_THAT(found.warning, HasSubstr("damaged")) << "byte " << place;
  }
  EXPECT_EQ(Load(cache, wasm).source, Source::kHit);
}

TEST_F(DamageTest, AFlippedBitOfTheCodeIsToldByTheChecksum) {
  std::string bad = good;
  bad[good.size() / 2] ^= 4;
  Replace(bad);
  ExpectRecompiled("checksum");
}

TEST_F(DamageTest, ACutFileIsFoundAtEveryLength) {
  const size_t code = engine.behaviour.code_bytes;
  for (const size_t length :
       {size_t{0}, size_t{1}, size_t{87}, size_t{88}, size_t{89}, size_t{4096}, code - 1, code,
        code + 1, good.size() - 88, good.size() - 1}) {
    Replace(good.substr(0, length));
    const auto found = Load(cache, wasm);
    EXPECT_EQ(found.source, Source::kCompiled) << length;
    EXPECT_THAT(found.warning, HasSubstr("damaged")) << length;
  }
}

TEST_F(DamageTest, AnEmptyFileIsFound) {
  Replace("");
  ExpectRecompiled("it is empty");
}

TEST_F(DamageTest, ALongerFileIsFound) {
  Replace(good + "x");
  ExpectRecompiled("it does not end as an entry does");
  Replace("x" + good);
  ExpectRecompiled("its size is not what it says");
}

TEST_F(DamageTest, GarbageIsFound) {
  Replace(std::string(good.size(), 'g'));
  ExpectRecompiled("it does not end as an entry does");
  Replace(std::string(good.size(), '\0'));
  ExpectRecompiled("it does not end as an entry does");
}

TEST_F(DamageTest, SoundCodeOfAnotherModuleIsNotTaken) {
  Load(cache, BytesOf("other"));
  std::filesystem::path other;
  for (const auto& path : test::EntriesIn(directory)) {
    if (path != entry) other = path;
  }
  std::filesystem::rename(other, entry);
  ExpectRecompiled("it is of another module");
}

TEST_F(DamageTest, SoundCodeOfAnotherEngineIsNotTaken) {
  engine.behaviour.fingerprint = "fake-2";
  Load(cache, wasm);
  for (const auto& path : test::EntriesIn(directory)) {
    if (path != entry) std::filesystem::rename(path, entry);
  }
  engine.behaviour.fingerprint = "fake-1";
  ExpectRecompiled("another engine");
}

TEST_F(DamageTest, ASymbolicLinkIsNotFollowed) {
  std::filesystem::rename(entry, scratch / "elsewhere");
  std::filesystem::create_symlink(scratch / "elsewhere", entry);
  ExpectRecompiled("it is a symbolic link");
  EXPECT_EQ(ReadFile(scratch / "elsewhere"), good) << "what it pointed to is left alone";
}

TEST_F(DamageTest, AFileThatOthersCanWriteIsNotTaken) {
  std::filesystem::permissions(entry, std::filesystem::perms(0622));
  ExpectRecompiled("other users can write it (mode 0622)");
}

TEST_F(DamageTest, AFileOfAnotherUserIsNotTaken) {
  REQUIRE_ROOT();
  ASSERT_EQ(chown(entry.c_str(), 12345, 12345), 0);
  ExpectRecompiled("it belongs to user 12345");
}

TEST_F(DamageTest, AFileWithASecondNameIsNotTaken) {
  std::filesystem::create_hard_link(entry, scratch / "second");
  ExpectRecompiled("it has 2 names");
}

TEST_F(DamageTest, AFifoInItsPlaceIsNotWaitedFor) {
  std::filesystem::remove(entry);
  ASSERT_EQ(mkfifo(entry.c_str(), 0600), 0);
  ExpectRecompiled("it is not a regular file");
}

TEST_F(DamageTest, ADirectoryInItsPlaceIsReplaced) {
  std::filesystem::remove(entry);
  std::filesystem::create_directory(entry);
  ExpectRecompiled("it is not a regular file");
}

TEST_F(DamageTest, CodeThatTheEngineRefusesIsCompiledAgain) {
  const EntryKey key{.module = HashOf(wasm),
                     .fingerprint = engine.Fingerprint(Tier::kOptimized),
                     .tier = Tier::kOptimized};
  ASSERT_EQ(key.FileName(), entry.filename().native());
  std::filesystem::remove(entry);
  const os::Fd folder = Must(os::OpenAt(os::Fd(), directory.c_str(), O_PATH | O_DIRECTORY));
  ASSERT_TRUE(Publish(folder, BytesOf("sound, but made by nobody's compiler"), {}, key));
  ExpectRecompiled("the engine refuses it");
}

TEST_F(DamageTest, AnEngineThatRefusesEvenNewFilesRunsFromMemory) {
  engine.behaviour.refuses_files = true;
  const auto found = Load(cache, wasm);
  EXPECT_FALSE(ModuleOf(found).from_file());
  EXPECT_THAT(found.warning, AllOf(HasSubstr("refuses"), HasSubstr("for this run only")));
}

TEST_F(DamageTest, FastestSaysThatOptimizedCodeWasDamaged) {
  const std::vector<uint8_t> big(300'000, 'b');
  Load(cache, big, Policy::kFastest);
  const EntryKey key{.module = HashOf(big),
                     .fingerprint = engine.Fingerprint(Tier::kOptimized),
                     .tier = Tier::kOptimized};
  WriteFile(directory / key.FileName(), "rubbish");
  const auto found = Load(cache, big, Policy::kFastest);
  EXPECT_EQ(found.tier, Tier::kBaseline);
  EXPECT_EQ(found.source, Source::kHit);
  EXPECT_THAT(found.warning, HasSubstr("damaged"));
  EXPECT_EQ(Load(cache, big, Policy::kFastest).warning, "");
}

TEST_F(DamageTest, OptimizeReplacesADamagedEntry) {
  Replace(good.substr(1));
  EXPECT_TRUE(Must(cache.Optimize(engine, wasm)));
  EXPECT_EQ(Load(cache, wasm).source, Source::kHit);
}

TEST_F(DamageTest, VerifyNamesDamageThatListDoesNotSeeAndRemovesNothing) {
  Load(cache, BytesOf("other"));
  std::string bad = good;
  bad[100] ^= 1;
  Replace(bad);
  size_t damaged = 0;
  for (const auto& listed : Must(cache.List())) EXPECT_EQ(listed.damage, "");
  for (const auto& verified : Must(cache.Verify())) {
    if (verified.damage.empty()) continue;
    ++damaged;
    EXPECT_THAT(verified.damage, HasSubstr("checksum"));
    EXPECT_TRUE(entry.filename().native().starts_with(verified.module_hash));
  }
  EXPECT_EQ(damaged, 1u);
  EXPECT_THAT(test::EntriesIn(directory), SizeIs(2));
}

TEST_F(DamageTest, PruneRemovesDamagedEntriesOnly) {
  Load(cache, BytesOf("other"));
  Replace("rubbish");
  const auto pruned = Must(cache.Prune(UINT64_MAX, std::nullopt));
  EXPECT_EQ(pruned.entries, 1u);
  EXPECT_EQ(pruned.bytes, 7u);
  EXPECT_FALSE(std::filesystem::exists(entry));
  EXPECT_EQ(Load(cache, BytesOf("other")).source, Source::kHit);
}

}  // namespace
}  // namespace wasmoor::wasm
