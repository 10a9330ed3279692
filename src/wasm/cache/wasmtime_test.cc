// The cache with a real engine behind it: what comes out of it runs.

#include "wasmoor/wasm/wasmtime.h"

#include "cache/support.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::milliseconds;
using test::BytesOf;
using test::Child;
using test::Must;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Policy = Cache::Policy;
using Source = Cache::Found::Source;

constexpr std::string_view kModule = R"((module
  (memory 1)
  (data (i32.const 8) "\2a\00\00\00")
  (func (export "answer") (result i32) i32.const 8 i32.load)))";

constexpr std::string_view kComponent = R"((component
  (core module $m (func (export "f") (result i32) i32.const 42))
  (core instance $i (instantiate $m))
  (func (export "answer") (result u32) (canon lift (core func $i "f")))))";

// Text of a module of many functions, the last of which answers.
std::string ManyFunctions(int count) {
  std::string text = "(module\n";
  for (int i = 0; i < count; ++i) {
    text += fmt::format(
        "(func (param i32) (result i32) local.get 0 i32.const {} i32.mul "
        "local.get 0 i32.add i32.const {} i32.xor)\n",
        i + 3, i * 7);
  }
  return text + "(func (export \"answer\") (result i32) i32.const 42))";
}

// The tests fork: the engine must have no thread of its own.
std::unique_ptr<Engine> MakeEngine(Features features = {}) {
  return Must(WasmtimeFactory().create({.features = features, .parallel_compile = false}));
}

void ExpectAnswer(const Module& module) {
  const auto instance = Must(module.NewInstance({}));
  const bool component = module.kind() == ModuleKind::kComponent;
  const Exit exit = Must(instance->Run({.function = component ? "answer()" : "answer"}));
  EXPECT_EQ(exit.results, "42") << exit.trap.message;
}

class WasmtimeCacheTest : public ::testing::Test {
 protected:
  Cache Open() const { return Must(Cache::Open({.directory = directory})); }
  Cache::Found Load(const Engine& engine, std::string_view text,
                    Policy policy = Policy::kOptimized) const {
    auto found = Must(Open().Load(engine, BytesOf(text), policy));
    ExpectAnswer(*found.module);
    return found;
  }

  test::ScratchDirectory scratch;
  const std::filesystem::path directory = scratch / "modules";
};

TEST_F(WasmtimeCacheTest, RunsAModuleThatItCompiledAndOneThatItFound) {
  const auto engine = MakeEngine();
  EXPECT_EQ(Load(*engine, kModule).source, Source::kCompiled);
  EXPECT_EQ(Load(*engine, kModule).source, Source::kHit);
  EXPECT_EQ(Load(*MakeEngine(), kModule).source, Source::kHit);
  EXPECT_EQ(Must(Open().Verify()).front().fingerprint, engine->Fingerprint(Tier::kOptimized));
}

TEST_F(WasmtimeCacheTest, RunsAComponentThatItFound) {
  const auto engine = MakeEngine();
  EXPECT_EQ(Load(*engine, kComponent).source, Source::kCompiled);
  const auto found = Load(*engine, kComponent);
  EXPECT_EQ(found.source, Source::kHit);
  EXPECT_EQ(found.warning, "");
  EXPECT_EQ(found.module->kind(), ModuleKind::kComponent);
  EXPECT_TRUE(Must(Open().List()).front().is_component);
}

TEST_F(WasmtimeCacheTest, GoesFromBaselineToOptimizedCode) {
  const auto engine = MakeEngine();
  const std::string big = ManyFunctions(3000);
  EXPECT_EQ(Load(*engine, big, Policy::kFastest).tier, Tier::kBaseline);
  EXPECT_EQ(Load(*engine, big, Policy::kFastest).source, Source::kHit);
  EXPECT_TRUE(Must(Open().Optimize(*engine, BytesOf(big))));
  const auto found = Load(*engine, big, Policy::kFastest);
  EXPECT_EQ(found.tier, Tier::kOptimized);
  EXPECT_EQ(found.source, Source::kHit);
  EXPECT_THAT(test::EntriesIn(directory), SizeIs(1));
}

TEST_F(WasmtimeCacheTest, EnginesOfOtherSettingsDoNotShareCode) {
  Load(*MakeEngine(), kModule);
  Features fewer;
  fewer.relaxed_simd = false;
  const auto engine = MakeEngine(fewer);
  EXPECT_EQ(Load(*engine, kModule).source, Source::kCompiled);
  EXPECT_EQ(Load(*engine, kModule).source, Source::kHit);
  EXPECT_THAT(test::EntriesIn(directory), SizeIs(2));
}

TEST_F(WasmtimeCacheTest, AFlippedBitDoesNotReachTheEngine) {
  const auto engine = MakeEngine();
  Load(*engine, kModule);
  const auto entry = test::EntriesIn(directory).front();
  const std::string good = test::ReadFile(entry);
  for (size_t place = 0; place < good.size(); place += good.size() / 13) {
    std::string bad = good;
    bad[place] ^= 1;
    std::filesystem::remove(entry);
    test::WriteFile(entry, bad);
    std::filesystem::permissions(entry, std::filesystem::perms(0600));
    const auto found = Load(*engine, kModule);
    EXPECT_EQ(found.source, Source::kCompiled) << place;
    EXPECT_THAT(found.warning, HasSubstr("checksum")) << place;
  }
}

TEST_F(WasmtimeCacheTest, AnInvalidModuleIsToldByTheCompiler) {
  const auto engine = MakeEngine();
  std::vector<uint8_t> truncated = {0x00, 'a', 's', 'm', 1, 0, 0, 0, 1, 200};
  for (const Policy policy : {Policy::kOptimized, Policy::kFastest}) {
    const auto found = Open().Load(*engine, truncated, policy);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Code::kInvalidArgument);
  }
  truncated.resize(300'000);
  EXPECT_EQ(Open().Load(*engine, truncated, Policy::kFastest).error().code(),
            Code::kInvalidArgument);
  EXPECT_THAT(test::FilesIn(directory), ::testing::IsEmpty());
}

TEST_F(WasmtimeCacheTest, TenProcessesCompileAModuleOnce) {
  const std::string text = ManyFunctions(300);
  std::vector<Child> children;
  for (int i = 0; i < 10; ++i) {
    children.emplace_back([&] {
      const auto found = Load(*MakeEngine(), text);
      if (found.source == Source::kCompiled) test::WriteFile(scratch / std::to_string(i), "");
    });
  }
  for (Child& child : children) EXPECT_EQ(child.Wait(), "exit 0");
  EXPECT_THAT(test::FilesIn(scratch.path()), SizeIs(2)) << "the cache, and one who compiled";
}

TEST_F(WasmtimeCacheTest, AKillWhileItCompilesLeavesNothingThatDoesNotRun) {
  const auto engine = MakeEngine();
  const Cache cache = Open();
  for (int round = 0; round < 20; ++round) {
    const std::string text = ManyFunctions(200 + round);
    {
      const Child child([&] { Load(*MakeEngine(), text); });
      std::this_thread::sleep_for(milliseconds(5 * round));
    }
    EXPECT_EQ(Load(*engine, text).warning, "");
    static_cast<void>(Must(cache.Prune(0, std::nullopt)));
    EXPECT_THAT(test::FilesIn(directory), ::testing::IsEmpty());
  }
}

TEST_F(WasmtimeCacheTest, AnEvictedModuleRunsOn) {
  const auto engine = MakeEngine();
  const auto found = Load(*engine, kModule);
  EXPECT_EQ(Must(Open().Prune(0, std::nullopt)).entries, 1u);
  ExpectAnswer(*found.module);
}

TEST_F(WasmtimeCacheTest, KeepsNoDescriptorOnceTheModuleIsGone) {
  const auto engine = MakeEngine();
  Load(*engine, kModule);
  Load(*engine, kComponent);
  const size_t before = test::OpenDescriptors();
  for (int i = 0; i < 5; ++i) {
    Load(*engine, kModule);
    Load(*engine, kComponent);
  }
  EXPECT_EQ(test::OpenDescriptors(), before);
}

}  // namespace
}  // namespace wasmoor::wasm
