#include <sys/wait.h>

#include "container/support.h"
#include "e2e/suite.h"
#include "wasmoor/container/kept_modules.h"

// Modules are compiled by a process of its own and kept in a cache.
namespace wasmoor::container {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CompileTest : public ContainerTest {
 protected:
  ~CompileTest() override { EndCompilers(); }

  // Those in the background too.
  static void EndCompilers() {
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
  static int Threads() { return static_cast<int>(test::FilesIn("/proc/self/task").size()); }
  std::string Complaint(const WasmOptions& options) const {
    const auto prepared = Prepare(options);
    return prepared ? "" : prepared.error().message();
  }
};

TEST_F(CompileTest, TheFirstStartCompilesAndTheNextFindsIt) {
  Put("hello", "/app.wasm");
  const int before = Threads();
  WasmOptions options = Options();
  EXPECT_EQ(Complaint(options), "");
  EXPECT_EQ(Threads(), before);
  EXPECT_THAT(CacheEntries(), SizeIs(1));
  // Nobody compiles where there is nobody who could.
  options.compiler = {"container-test", "--gtest_filter=Nothing"};
  EXPECT_EQ(Complaint(options), "");
  EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(CompileTest, ALargeModuleIsOptimizedInTheBackground) {
  PutText("/app.wasm", e2e::LargeModule(600));
  EXPECT_EQ(Complaint(Options()), "");
  const auto baseline = CacheEntries();
  EXPECT_THAT(baseline, SizeIs(1));
  EndCompilers();
  const auto optimized = CacheEntries();
  EXPECT_THAT(optimized, SizeIs(1));
  EXPECT_NE(optimized, baseline);
}

TEST_F(CompileTest, WhatIsNoValidModuleIsExplained) {
  const std::string magic("\0asm\1\0\0\0", 8);
  PutText("/app.wasm", magic + "garbage");
  const auto prepared = Prepare();
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(prepared.error().message(), AllOf(HasSubstr("/app.wasm"), HasSubstr("offset")));
  EXPECT_THAT(CacheEntries(), IsEmpty());
  PutText("/app.wat", "(module (func");
  process.args = {"/app.wat"};
  EXPECT_THAT(Complaint(Options()), HasSubstr("/app.wat"));
}

TEST_F(CompileTest, WhatImportsTheUnknownIsRefusedBeforeThereIsAContainer) {
  Put("missing_import", "/app.wasm");
  const auto prepared = Prepare();
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(prepared.error().message(), HasSubstr("env.open_the_door"));
}

TEST_F(CompileTest, ACompilerThatTakesTooMuchMemoryIsEnded) {
  PutText("/app.wasm", e2e::LargeModule(20000));
  WasmOptions options = Options();
  options.compiler_bytes = 48 << 20;
  const auto prepared = Prepare(options);
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message(), HasSubstr("/app.wasm"));
  EXPECT_THAT(CacheEntries(), IsEmpty());
}

TEST_F(CompileTest, ACompilerThatSaysNothingIsAnError) {
  Put("hello", "/app.wasm");
  WasmOptions options = Options();
  options.compiler = {"container-test", "--gtest_filter=Nothing"};
  EXPECT_THAT(Complaint(options), HasSubstr("its compiler"));
}

TEST_F(CompileTest, TheNextCacheServesWhereTheFirstCannotKeepAnything) {
  Put("hello", "/app.wasm");
  WasmOptions options = Options();
  options.caches = {"/proc/nothing/is/made/here", cache};
  EXPECT_EQ(Complaint(options), "");
  EXPECT_THAT(CacheEntries(), SizeIs(1));
  // Others could put code into this one.
  const std::filesystem::path unsafe = scratch / "unsafe";
  std::filesystem::create_directory(unsafe);
  std::filesystem::permissions(unsafe, std::filesystem::perms(0777));
  options.caches = {unsafe, cache};
  EXPECT_EQ(Complaint(options), "");
  EXPECT_THAT(test::FilesIn(unsafe), IsEmpty());
}

TEST_F(CompileTest, WithoutAnyCacheNothingIsTrusted) {
  Put("hello", "/app.wasm");
  WasmOptions options = Options();
  options.caches = {"/proc/nothing/is/made/here"};
  const auto prepared = Prepare(options);
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(prepared.error().message(),
              AllOf(HasSubstr("/proc/nothing"), HasSubstr("WASMOOR_CACHE_DIR")));
}

TEST_F(CompileTest, WhatIsKeptIsLoadedOnceUntilItIsForgotten) {
  Put("hello", "/app.wasm");
  Put("hello", "/same.wasm");
  Put("sleep", "/other.wasm");
  KeptModules kept;
  WasmOptions options = Options();
  options.kept = &kept;
  EXPECT_EQ(Complaint(options), "");
  // Neither code nor a compiler.
  for (const auto& entry : CacheEntries()) std::filesystem::remove(entry);
  options.compiler = {"container-test", "--gtest_filter=Nothing"};
  EXPECT_EQ(Complaint(options), "");
  process.args = {"/same.wasm"};
  EXPECT_EQ(Complaint(options), "");
  process.args = {"/other.wasm"};
  EXPECT_THAT(Complaint(options), HasSubstr("/other.wasm"));
  process.args = {"/app.wasm"};
  kept.Forget();
  EXPECT_THAT(Complaint(options), HasSubstr("/app.wasm"));
}

TEST_F(CompileTest, BaselineCodeIsNotKept) {
  PutText("/app.wasm", e2e::LargeModule(600));
  KeptModules kept;
  WasmOptions options = Options();
  options.kept = &kept;
  EXPECT_EQ(Complaint(options), "");
  EndCompilers();
  for (const auto& entry : CacheEntries()) std::filesystem::remove(entry);
  options.compiler = {"container-test", "--gtest_filter=Nothing"};
  EXPECT_THAT(Complaint(options), HasSubstr("its compiler"));
}

TEST_F(CompileTest, TheStateDirectoryIsTheLastPlaceForCode) {
  EXPECT_EQ(CacheDirectories("/run/wasmoor").back(), "/run/wasmoor/.modules");
}

}  // namespace
}  // namespace wasmoor::container
