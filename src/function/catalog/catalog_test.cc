#include "wasmoor/function/catalog/catalog.h"

#include <sys/wait.h>

#include <span>

#include "function/catalog/catalog_for_test.h"

// What the catalog is for: functions that come, are replaced and go, in a real directory, with a
// real engine and real compilers.
namespace wasmoor::function {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(CatalogTest, WhatIsThereCanBeHad) {
  Put("hello.wasm", ModuleOf(1));
  Put("acme/hello.wasm", ModuleOf(2));
  Open();
  EXPECT_EQ(Info("hello").state, State::kRegistered);
  EXPECT_EQ(Ask("hello"), "1");
  EXPECT_EQ(Ask("acme/hello"), "2");
  const ReadyPtr ready = *Want("acme/hello");
  EXPECT_EQ(ready->tenant, "acme");
  EXPECT_EQ(ready->name, "hello");
  EXPECT_EQ(ready->kind, Kind::kCommand);
  EXPECT_EQ(*ready->manifest, Manifest());
  EXPECT_EQ(Info("hello").state, State::kReady);
  EXPECT_TRUE(Info("hello").loaded);
  EXPECT_EQ(
      Info("hello").hash,
      test::Must(cache.HashFile(os::Fd(::open((functions / "hello.wasm").c_str(), O_RDONLY)))));
  EXPECT_THAT(changes, ElementsAre("hello 1", "acme/hello 2"));
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_THAT(notices, IsEmpty());
}

TEST_F(CatalogTest, WhatIsPutThereCanBeHadAtOnce) {
  Open();
  EXPECT_EQ(CodeOf("hello"), Code::kNotFound);
  EXPECT_EQ(Ask("hello"), "no function 'hello'");
  Put("hello.wasm", ModuleOf(1));
  Put("acme/hello.wasm", ModuleOf(2));
  // Before the loop has run at all.
  EXPECT_EQ(Ask("acme/hello"), "2");
  EXPECT_EQ(Ask("hello"), "1");
}

TEST_F(CatalogTest, WhatIsPutThereIsCompiledBeforeAnybodyAsks) {
  Open();
  Put("hello.wasm", ModuleOf(1));
  EXPECT_TRUE(ComesToBe("hello", State::kReady));
  EXPECT_FALSE(Info("hello").loaded);
  EXPECT_THAT(changes, IsEmpty());
  EXPECT_EQ(Ask("hello"), "1");
}

TEST_F(CatalogTest, WhatWasThereAtTheStartIsCompiledWhenItIsAskedForUnlessAllIs) {
  Put("hello.wasm", ModuleOf(1));
  Put("acme/hello.wasm", ModuleOf(2));
  Open();
  RunFor(std::chrono::milliseconds(300));
  EXPECT_EQ(Info("hello").state, State::kRegistered);
  Close();
  options.compile_all = true;
  Open();
  EXPECT_TRUE(ComesToBe("hello", State::kReady));
  EXPECT_TRUE(ComesToBe("acme/hello", State::kReady));
  EXPECT_THAT(changes, IsEmpty());
}

TEST_F(CatalogTest, WhatIsCompiledIsFoundByTheNextServer) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  Close();
  options.compiler.words = {"catalog-test", "--gtest_filter=Nothing"};
  Open();
  EXPECT_EQ(Ask("hello"), "1");
}

TEST_F(CatalogTest, WhatIsReplacedIsReplacedAndWhoRunsItKeepsIt) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  const ReadyPtr old = *Want("hello");
  Put("hello.wasm", ModuleOf(2));
  EXPECT_TRUE(RunUntil([&] { return changes.size() == 2; }));
  EXPECT_THAT(changes, ElementsAre("hello 1", "hello 2"));
  EXPECT_GT(latest["hello"]->generation, old->generation);
  EXPECT_EQ(Ask("hello"), "2");
  EXPECT_EQ(AnswerOf(*old), "1");
  EXPECT_THAT(problems, IsEmpty());
}

TEST_F(CatalogTest, TheSameBytesAgainAreNoChange) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  const ReadyPtr old = *Want("hello");
  Put("hello.wasm", ModuleOf(1));
  RunFor(std::chrono::milliseconds(400));
  EXPECT_EQ(*Want("hello"), old);
  EXPECT_THAT(changes, SizeIs(1));
}

TEST_F(CatalogTest, WhatIsRemovedIsGoneAndWhoRunsItKeepsIt) {
  Put("hello.wasm", ModuleOf(1));
  Put("cold.wasm", ModuleOf(2));
  Open();
  const ReadyPtr old = *Want("hello");
  Remove("hello.wasm");
  Remove("cold.wasm");
  EXPECT_TRUE(RunUntil([&] { return catalog->List().empty(); }));
  EXPECT_THAT(changes, Contains("hello removed"));
  EXPECT_THAT(changes, Contains("cold removed"));
  EXPECT_EQ(CodeOf("hello"), Code::kNotFound);
  EXPECT_EQ(AnswerOf(*old), "1");
  Put("hello.wasm", ModuleOf(1));
  EXPECT_EQ(Ask("hello"), "1");
  EXPECT_GT((*Want("hello"))->generation, old->generation);
}

TEST_F(CatalogTest, WhatIsGoneFromTheDiskIsNotLoadedAnyMore) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  Remove("hello.wasm");
  EXPECT_EQ(Ask("hello"), "no function 'hello'");
  EXPECT_THAT(catalog->List(), IsEmpty());
}

TEST_F(CatalogTest, TenantsComeAndGo) {
  Open();
  std::filesystem::create_directories(scratch / "acme");
  test::WriteFile(scratch / "acme/one.wasm", ModuleOf(1));
  test::WriteFile(scratch / "acme/two.wasm", ModuleOf(2));
  std::filesystem::rename(scratch / "acme", functions / "acme");
  EXPECT_TRUE(RunUntil([&] { return catalog->List().size() == 2; }));
  EXPECT_EQ(Ask("acme/one"), "1");
  Put("acme/three.wasm", ModuleOf(3));
  EXPECT_TRUE(RunUntil([&] { return catalog->List().size() == 3; }));
  std::filesystem::rename(functions / "acme", functions / "umbrella");
  EXPECT_TRUE(RunUntil([&] {
    return Info("umbrella/three").function == "umbrella/three" &&
           Info("acme/one").function == "none";
  }));
  EXPECT_EQ(Ask("umbrella/one"), "1");
  EXPECT_EQ(Ask("acme/one"), "no function 'acme/one'");
  Remove("umbrella");
  EXPECT_TRUE(RunUntil([&] { return catalog->List().empty(); }));
  EXPECT_THAT(changes, Contains("umbrella/one removed"));
}

TEST_F(CatalogTest, AManifestComesChangesAndGoes) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  const auto said = [&] {
    return latest["hello"] ? latest["hello"]->manifest->arguments.size() : 9;
  };
  EXPECT_EQ(Ask("hello"), "1");
  EXPECT_EQ(said(), 0u);
  Put("hello.toml", "run.arguments = [\"a\"]");
  EXPECT_TRUE(RunUntil([&] { return said() == 1; }));
  Overwrite("hello.toml", "run.arguments = [\"a\", \"b\"]");
  EXPECT_TRUE(RunUntil([&] { return said() == 2; }));
  const uint64_t generation = latest["hello"]->generation;
  Remove("hello.toml");
  EXPECT_TRUE(RunUntil([&] { return said() == 0; }));
  EXPECT_GT(latest["hello"]->generation, generation);
}

TEST_F(CatalogTest, WhatAManifestAsksForIsOpenedIfItIsGranted) {
  std::filesystem::create_directories(scratch / "data/acme");
  scratch.Write("data/acme/token", "hush\n");
  const std::string manifest = fmt::format(
      "secrets.TOKEN = \"{0}/token\"\n[[directories]]\nhost = \"{0}\"\nguest = \"/data\"\n",
      (scratch / "data/acme").native());
  Put("acme/hello.wasm", ModuleOf(1));
  Put("acme/hello.toml", manifest);
  Put("umbrella/hello.wasm", ModuleOf(1));
  Put("umbrella/hello.toml", manifest);
  options.granting.directories = {{.path = (scratch / "data/{tenant}").native()}};
  options.granting.secrets = {(scratch / "data/{tenant}").native()};
  Open();
  const ReadyPtr ready = *Want("acme/hello");
  ASSERT_THAT(ready->granted->preopens, SizeIs(1));
  EXPECT_TRUE(ready->granted->preopens.front().directory.valid());
  EXPECT_THAT(ready->granted->environment, ElementsAre(testing::Pair("TOKEN", "hush")));
  EXPECT_EQ(CodeOf("umbrella/hello"), Code::kPermissionDenied);
  EXPECT_THAT(Ask("umbrella/hello"), AllOf(HasSubstr("umbrella/hello.toml"), HasSubstr("grant.")));
}

TEST_F(CatalogTest, ALargeModuleRunsOnBaselineCodeUntilTheOptimizedIsThere) {
  Put("large.wasm", LargeModuleOf(1));
  Open();
  const ReadyPtr first = *Want("large");
  EXPECT_EQ(first->tier, wasm::Tier::kBaseline);
  EXPECT_TRUE(RunUntil([&] { return latest["large"]->tier == wasm::Tier::kOptimized; }));
  EXPECT_THAT(changes, ElementsAre("large 1 baseline", "large 1"));
  EXPECT_EQ(latest["large"]->generation, first->generation);
  EXPECT_EQ(*Want("large"), latest["large"]);
  EXPECT_EQ(AnswerOf(*first), "1");
  EXPECT_EQ(Info("large").tier, wasm::Tier::kOptimized);
}

TEST_F(CatalogTest, FunctionsOfTheSameBytesShareOneModule) {
  const std::string bytes = LargeModuleOf(1);
  for (const char* file : {"a.wasm", "b.wasm", "acme/c.wasm"}) Put(file, bytes);
  Open();
  std::vector<ReadyPtr> all;
  for (const char* function : {"a", "b", "acme/c"})
    catalog->Want(function, [&](const Result<ReadyPtr>& ready) { all.push_back(*ready); });
  EXPECT_TRUE(RunUntil([&] { return all.size() == 3; }));
  EXPECT_EQ(all[0]->module, all[1]->module);
  EXPECT_EQ(all[0]->module, all[2]->module);
  EXPECT_TRUE(RunUntil([&] {
    return latest["a"]->tier == wasm::Tier::kOptimized &&
           latest["acme/c"]->tier == wasm::Tier::kOptimized;
  }));
  EXPECT_EQ(latest["a"]->module, latest["acme/c"]->module);
}

TEST_F(CatalogTest, OnlySoManyStayInMemory) {
  for (int i = 0; i < 4; ++i) Put(fmt::format("f{}.wasm", i), ModuleOf(i));
  options.max_loaded = 2;
  Open();
  EXPECT_EQ(Ask("f0"), "0");
  const ReadyPtr held = latest["f0"];
  EXPECT_EQ(Ask("f1"), "1");
  held->MarkUse(Ready::Clock::now());
  EXPECT_EQ(Ask("f2"), "2");
  EXPECT_THAT(changes, ElementsAre("f0 0", "f1 1", "f2 2", "f1 unloaded"));
  EXPECT_EQ(catalog->counts().loaded, 2u);
  EXPECT_EQ(Info("f1").state, State::kReady);
  EXPECT_FALSE(Info("f1").loaded);
  const uint64_t generation = Info("f1").generation;
  EXPECT_EQ(Ask("f1"), "1");
  EXPECT_EQ(latest["f1"]->generation, generation);
  EXPECT_EQ(AnswerOf(*held), "0");
}

TEST_F(CatalogTest, WhatHasLeftTheCacheIsCompiledAgain) {
  Put("f0.wasm", ModuleOf(0));
  Put("f1.wasm", ModuleOf(1));
  options.max_loaded = 1;
  Open();
  EXPECT_EQ(Ask("f0"), "0");
  EXPECT_EQ(Ask("f1"), "1");
  for (const auto& file : test::FilesIn(cache_directory, "-")) std::filesystem::remove(file);
  EXPECT_EQ(Ask("f0"), "0");
  EXPECT_THAT(problems, IsEmpty());
}

TEST_F(CatalogTest, WhatIsNotInMemoryIsTheNewestWhenItIsAskedFor) {
  Put("f0.wasm", ModuleOf(0));
  Put("f1.wasm", ModuleOf(1));
  options.max_loaded = 1;
  options.poll = std::chrono::hours(1);
  options.inotify = false;
  Open();
  EXPECT_EQ(Ask("f0"), "0");
  EXPECT_EQ(Ask("f1"), "1");
  // Nobody tells of it, and nobody looks: but who asks does, and gets what was there until it is
  // compiled.
  Put("f0.wasm", ModuleOf(7));
  EXPECT_EQ(Ask("f0"), "0");
  EXPECT_TRUE(ComesToSay("f0", "7"));
}

TEST_F(CatalogTest, WhoWaitsAndAsksAgainIsAnsweredOnceEach) {
  Put("large.wasm", LargeModuleOf(1));
  Open();
  int answers = 0;
  for (int i = 0; i < 100; ++i)
    catalog->Want("large", [&](const Result<ReadyPtr>& ready) { answers += ready ? 1 : 0; });
  EXPECT_EQ(catalog->counts().compiling, 1u);
  EXPECT_EQ(Info("large").state, State::kCompiling);
  EXPECT_TRUE(RunUntil([&] { return answers > 0; }));
  EXPECT_EQ(answers, 100);
}

TEST_F(CatalogTest, WhoIsAnsweredMayAskAgain) {
  Put("a.wasm", ModuleOf(1));
  Put("b.wasm", ModuleOf(2));
  Open();
  std::string heard;
  catalog->Want("a", [&](const Result<ReadyPtr>& a) {
    heard += AnswerOf(**a);
    catalog->Want("b", [&](const Result<ReadyPtr>& b) { heard += AnswerOf(**b); });
    catalog->Want("a", [&](const Result<ReadyPtr>& again) { heard += AnswerOf(**again); });
  });
  EXPECT_TRUE(RunUntil([&] { return heard.size() == 3; }));
  EXPECT_EQ(heard, "112");
}

// While no function is wanted, one compiler of two makes what nobody waits for.
TEST_F(CatalogTest, WhatIsWantedIsCompiledBeforeWhatIsNot) {
  for (const uint32_t compilers : {1u, 2u}) {
    const std::string slow = fmt::format("slow{}", compilers),
                      quick = fmt::format("quick{}", compilers);
    Put(slow + ".wasm", LargeModuleOf(static_cast<int>(compilers), 60'000));
    options.compilers = compilers;
    options.compile_all = true;
    Open();
    EXPECT_TRUE(ComesToBe(slow, State::kCompiling));
    Put(quick + ".wasm", ModuleOf(10 + static_cast<int>(compilers)));
    EXPECT_EQ(Ask(quick), fmt::format("{}", 10 + compilers));
    EXPECT_EQ(Info(slow).state, State::kCompiling);
    EXPECT_TRUE(ComesToBe(slow, State::kReady));
    Close();
  }
}

TEST_F(CatalogTest, ItsCompilersEndWithIt) {
  Put("large.wasm", LargeModuleOf(1, 60'000));
  Open();
  bool answered = false;
  catalog->Want("large", [&](const Result<ReadyPtr>&) { answered = true; });
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0);
  Close();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_FALSE(answered);
}

TEST_F(CatalogTest, ACompilerEndsWhenItsFunctionIsRemoved) {
  Put("large.wasm", LargeModuleOf(1, 60'000));
  Open();
  std::string answer;
  catalog->Want("large", [&](const Result<ReadyPtr>& ready) { answer = ready.error().message(); });
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0);
  Remove("large.wasm");
  EXPECT_TRUE(RunUntil([&] { return !answer.empty(); }));
  EXPECT_EQ(answer, "no function 'large'");
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST_F(CatalogTest, KindsAreToldApart) {
  const auto put = [this](const std::string& file, std::string_view text) {
    const auto bytes = test::Must(
        wasm::WasmtimeBinaryFromText({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
    Put(file, std::string(bytes.begin(), bytes.end()));
  };
  put("library.wasm", R"((module (func (export "answer") (result i32) i32.const 3)))");
  put("server.wasm", R"((component (instance $i)
    (export "wasi:http/incoming-handler@0.2.0" (instance $i))))");
  put("command.wasm", R"((component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i))))");
  Open();
  EXPECT_EQ((*Want("library"))->kind, Kind::kLibrary);
  EXPECT_EQ((*Want("server"))->kind, Kind::kHttp);
  EXPECT_EQ((*Want("command"))->kind, Kind::kCommand);
}

}  // namespace
}  // namespace wasmoor::function

// The compiler of CatalogOptions is this program under another name.
int main(int argc, char** argv) {
  const std::span<char*> words(argv, static_cast<size_t>(argc));
  if (argc > 1 && words[1] == wasmoor::function::kCompilerVerb)
    return wasmoor::program::RunCompiler(wasmoor::wasm::WasmtimeFactory(), words.subspan(2));
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
