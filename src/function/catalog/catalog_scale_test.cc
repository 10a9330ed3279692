#include <malloc.h>

#include "function/catalog/catalog_for_test.h"

// Thousands of functions.
namespace wasmoor::function {
namespace {

using testing::SizeIs;

constexpr int kMany = 10'000;

class CatalogScaleTest : public CatalogTest {
 protected:
  CatalogScaleTest() : CatalogTest(test::MemoryDirectory()) {}

  static std::string NameOf(int number) { return fmt::format("function-{}", number); }
  // Each of its own bytes, without a compiler.
  static std::string TinyModule(int number) {
    return std::string("\0asm\1\0\0\0", 8) + std::string("\0\x05\x04", 3) +
           std::string(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void Fill() const {
    for (int i = 0; i < kMany; ++i)
      test::WriteFile(functions / (NameOf(i) + ".wasm"), TinyModule(i));
  }
};

TEST_F(CatalogScaleTest, AFunctionThatNobodyAsksForIsSomeHundredBytes) {
  Fill();
  const size_t before = ::mallinfo2().uordblks;
  Open();
  const size_t each = (::mallinfo2().uordblks - before) / kMany;
  RecordProperty("bytes_per_function", static_cast<int>(each));
  EXPECT_THAT(catalog->List(), SizeIs(kMany));
  EXPECT_LT(each, 1500u);
}

TEST_F(CatalogScaleTest, ThousandsComeAndGo) {
  Open();
  Fill();
  EXPECT_TRUE(RunUntil([&] { return catalog->counts().functions == kMany; }));
  // While thousands wait for a compiler, who asks is answered first.
  Put("wanted.wasm", ModuleOf(7));
  EXPECT_EQ(Ask("wanted"), "7");
  std::filesystem::remove_all(functions);
  std::filesystem::create_directory(functions);
  EXPECT_TRUE(RunUntil([&] { return catalog->counts().functions == 0; }));
  EXPECT_EQ(catalog->counts().compiling, 0u);
}

TEST_F(CatalogScaleTest, ThousandsAreSeenToChangeWithoutInotify) {
  options.inotify = false;
  Fill();
  Open();
  test::WriteFile(functions / (NameOf(4711) + ".wasm"), ModuleOf(1));
  EXPECT_TRUE(ComesToBe(NameOf(4711), State::kReady));
  std::filesystem::remove(functions / (NameOf(8150) + ".wasm"));
  EXPECT_TRUE(RunUntil([&] { return catalog->counts().functions == kMany - 1; }));
}

}  // namespace
}  // namespace wasmoor::function
