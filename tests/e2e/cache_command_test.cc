// `wasmoor cache`: what is in the folder of the compiled modules, whether it is sound, and what
// goes.

#include <nlohmann/json.hpp>

#include <fstream>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;

class CacheCommandTest : public E2eTest {
 protected:
  Ended Cache(std::vector<std::string> words) const {
    words.insert(words.begin(), "cache");
    return Wasmoor(std::move(words)).Run();
  }
  Json List() const { return Json::parse(Cache({"ls", "--json"}).out); }

  void Damage(const fs::path& entry) const {
    std::fstream file(entry, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('!');
    file.put('?');
  }
};

TEST_F(CacheCommandTest, WithoutACacheThereIsNothingAndNoneIsMade) {
  EXPECT_THAT(Cache({"ls"}), AllOf(Ends(0), Prints(HasSubstr("does not exist yet"))));
  EXPECT_THAT(List(), SizeIs(0));
  EXPECT_THAT(Cache({"verify"}), Ends(0));
  EXPECT_THAT(Cache({"prune", "--all"}), Ends(0));
  EXPECT_FALSE(fs::exists(cache));
}

TEST_F(CacheCommandTest, DirPrintsTheFolder) {
  EXPECT_THAT(Cache({"dir"}), AllOf(Ends(0), Prints(cache.native() + "\n")));
  EXPECT_THAT(Cache({"dir", "--cache-dir", "/elsewhere"}), Prints("/elsewhere\n"));
}

TEST_F(CacheCommandTest, LsShowsWhatARunHasCompiled) {
  Run({Guest("hello")});
  const Json list = List();
  ASSERT_THAT(list, SizeIs(1));
  EXPECT_EQ(list[0]["tier"], "optimized");
  EXPECT_EQ(list[0]["kind"], "module");
  EXPECT_EQ(list[0]["bytes"], fs::file_size(CacheEntries()[0]));
  const std::string hash = list[0]["module"];
  EXPECT_THAT(Cache({"ls"}),
              AllOf(Ends(0), Prints(AllOf(HasSubstr(hash.substr(0, 16)), HasSubstr("just now"),
                                          HasSubstr("1 entry")))));
  EXPECT_EQ(Json::parse(Wasmoor({"inspect", "--json", Guest("hello")}).Run().out)["sha256"], hash);
}

TEST_F(CacheCommandTest, VerifyFindsAFlippedByteAndRemovesItWhenAsked) {
  Run({Guest("hello")});
  Run({Guest("exit42")});
  EXPECT_THAT(Cache({"verify"}), AllOf(Ends(0), Prints("2 of 2 entries sound\n")));
  const fs::path entry = CacheEntries()[0];
  Damage(entry);
  const std::string hash = entry.filename().native().substr(0, 64);
  EXPECT_THAT(Cache({"verify"}), AllOf(Ends(1), Prints(AllOf(HasSubstr(hash), HasSubstr("checksum"),
                                                             HasSubstr("1 of 2 entries sound")))));
  EXPECT_TRUE(fs::exists(entry));
  EXPECT_THAT(Cache({"verify", "--remove"}), AllOf(Ends(0), Prints(HasSubstr("; removed"))));
  EXPECT_FALSE(fs::exists(entry));
  EXPECT_THAT(Cache({"verify"}), Prints("1 of 1 entry sound\n"));
}

TEST_F(CacheCommandTest, PruneSaysWhatItFreed) {
  Run({Guest("hello")});
  Run({Guest("exit42")});
  const auto all = CacheEntries();
  const auto bytes = fs::file_size(all[0]) + fs::file_size(all[1]);
  EXPECT_EQ(Json::parse(Cache({"prune", "--json"}).out)["entries"], 0);
  EXPECT_THAT(Cache({"prune", "--all", "--dry-run"}), Prints(HasSubstr("would remove 2 entries")));
  EXPECT_THAT(CacheEntries(), SizeIs(2));
  const Json pruned = Json::parse(Cache({"prune", "--all", "--json"}).out);
  EXPECT_EQ(pruned["entries"], 2);
  EXPECT_EQ(pruned["bytes"], bytes);
  EXPECT_THAT(CacheEntries(), IsEmpty());
}

TEST_F(CacheCommandTest, PruneTakesTheOldOrTheLeastRecentlyUsed) {
  Run({Guest("hello")});
  const fs::path old = CacheEntries()[0];
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(48));
  Run({Guest("exit42")});
  EXPECT_THAT(Cache({"prune", "--older-than", "3d"}), Prints(HasSubstr("removed 0 entries")));
  EXPECT_THAT(Cache({"prune", "--older-than", "1d"}), Prints(HasSubstr("removed 1 entry")));
  EXPECT_FALSE(fs::exists(old));
  EXPECT_THAT(Cache({"prune", "--max-size", "1KiB"}), Prints(HasSubstr("removed 1 entry")));
}

TEST_F(CacheCommandTest, AFolderThatOthersCanWriteIsRefused) {
  Run({Guest("hello")});
  fs::permissions(cache, fs::perms::all);
  for (const std::string action : {"ls", "verify", "prune"}) {
    const Ended ended = Cache({action});
    EXPECT_EQ(ended.status, 125);
    EXPECT_THAT(ended.err, HasSubstr(cache.native()));
  }
}

TEST_F(CacheCommandTest, AWrongCommandLineIsExplained) {
  EXPECT_THAT(
      Cache({}),
      AllOf(Ends(2), Complains(HasSubstr("say which: wasmoor cache ls, verify, prune or dir"))));
  EXPECT_THAT(Cache({"list"}), AllOf(Ends(2), Complains(HasSubstr("must be ls"))));
  EXPECT_THAT(Cache({"prune", "--max-size", "some"}),
              AllOf(Ends(2), Complains(HasSubstr("--max-size: 'some'"))));
  EXPECT_THAT(Cache({"prune", "--all", "--max-size", "1"}), Ends(2));
}

}  // namespace
}  // namespace wasmoor::e2e
