#include "wasmoor/wasm/binary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace wasmoor::wasm {
namespace {

using ::testing::HasSubstr;

// LEB128.
std::string Number(uint64_t value) {
  std::string bytes;
  for (; value > 0x7f; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}

std::string Sized(const std::string& content) { return Number(content.size()) + content; }
std::string Section(char id, const std::string& content) { return id + Sized(content); }

// A literal with its zero bytes.
template <size_t kSize>
std::string Raw(const char (&text)[kSize]) {
  return {text, kSize - 1};
}

const std::string kModule = Raw("\0asm\x01\0\0\0");
const std::string kComponent = Raw("\0asm\x0d\0\x01\0");

Result<Outline> Read(const std::string& binary) {
  return ReadOutline({reinterpret_cast<const uint8_t*>(binary.data()), binary.size()});
}

// The sentence that refuses it.
std::string Refusal(const std::string& binary) {
  const auto outline = Read(binary);
  return outline ? "" : outline.error().message();
}

// A module with one function () -> () of this body.
std::string WithCode(const std::string& code) {
  return kModule + Section(1, Raw("\x01\x60\0\0")) + Section(3, Raw("\x01\0")) +
         Section(10, Number(1) + Sized(Raw("\0") + code + "\x0b"));
}

std::string NamesOf(const Features& features) {
  std::string names;
  for (const FeatureInfo& feature : AllFeatures()) {
    if (features.*feature.member) names += (names.empty() ? "" : " ") + std::string(feature.name);
  }
  return names;
}

std::string FeaturesOfCode(const std::string& code) {
  const auto outline = Read(WithCode(code));
  return outline ? NamesOf(outline->features) + outline->unread : outline.error().message();
}

TEST(OutlineTest, AnEmptyModuleHasNothing) {
  const auto outline = Read(kModule);
  ASSERT_TRUE(outline);
  EXPECT_EQ(outline->kind, ModuleKind::kCore);
  EXPECT_TRUE(outline->imports.empty() && outline->exports.empty() && outline->memories.empty());
  EXPECT_FALSE(outline->start || outline->has_names || outline->has_debug_info);
  EXPECT_EQ(NamesOf(outline->features), "");
}

TEST(OutlineTest, ImportsAndExportsHaveTheirTypes) {
  const auto outline = Read(kModule + Section(1, Raw("\x02\x60\x02\x7f\x7e\x01\x7f\x60\0\0")) +
                            Section(2, Raw("\x04") +
                                           "\x03"
                                           "env\x04"
                                           "open" +
                                           Raw("\0\0") +
                                           "\x03"
                                           "env\x03"
                                           "mem" +
                                           Raw("\x02\x01\x01\x0a") +
                                           "\x03"
                                           "env\x03"
                                           "tab" +
                                           Raw("\x01\x70\0\x05") +
                                           "\x03"
                                           "env\x03"
                                           "num" +
                                           Raw("\x03\x7e\x01")) +
                            Section(3, Raw("\x01\x01")) +
                            Section(7, Raw("\x02\x06") + "_start" + Raw("\0\x01\x01m\x02\0")) +
                            Section(8, Raw("\x01")));
  ASSERT_TRUE(outline) << Refusal("");
  ASSERT_EQ(outline->imports.size(), 4U);
  EXPECT_EQ(outline->imports[0].module, "env");
  EXPECT_EQ(outline->imports[0].type, "(i32, i64) -> i32");
  EXPECT_EQ(outline->imports[1].type, "memory 1..10 pages");
  EXPECT_EQ(outline->imports[2].type, "table 5.. funcref");
  EXPECT_EQ(outline->imports[3].type, "global mut i64");
  ASSERT_EQ(outline->exports.size(), 2U);
  EXPECT_EQ(outline->exports[0].name, "_start");
  EXPECT_EQ(outline->exports[0].type, "()");
  EXPECT_EQ(outline->exports[1].type, "memory 1..10 pages");
  EXPECT_EQ(outline->start, 1U);
  EXPECT_EQ(outline->functions, 1U);
}

TEST(OutlineTest, AMemoryTellsItsSizeSharingAndWidth) {
  const auto outline =
      Read(kModule + Section(5, Raw("\x03\x00\x02\x03\x01\x04\x05\x80\x80\x80\x80\x20"
                                    "\x80\x80\x80\x80\x40")));
  ASSERT_TRUE(outline);
  ASSERT_EQ(outline->memories.size(), 3U);
  EXPECT_EQ(ToString(outline->memories[0].pages), "2..");
  EXPECT_TRUE(outline->memories[1].shared);
  EXPECT_TRUE(outline->memories[2].pages.is_64_bit);
  EXPECT_EQ(outline->memories[2].pages.minimum, uint64_t{1} << 33);
  EXPECT_EQ(NamesOf(outline->features), "multi-memory memory64 threads");
}

TEST(OutlineTest, CodeTellsWhichFeaturesItUses) {
  EXPECT_EQ(FeaturesOfCode("\x41\x7f\x1a"), "");
  EXPECT_EQ(FeaturesOfCode(Raw("\xfd\x0c") + std::string(16, '\xff') + "\x1a"), "simd");
  EXPECT_EQ(FeaturesOfCode("\xfd\x80\x02"), "relaxed-simd");
  EXPECT_EQ(FeaturesOfCode(Raw("\xfc\x0b\0")), "bulk-memory");
  EXPECT_EQ(FeaturesOfCode(Raw("\x12\0")), "tail-call");
  EXPECT_EQ(FeaturesOfCode(Raw("\xfe\x03\0")), "threads");
  EXPECT_EQ(FeaturesOfCode(Raw("\xfc\x13")), "wide-arithmetic");
  EXPECT_EQ(FeaturesOfCode(Raw("\xd0\x70\x1a")), "reference-types");
  EXPECT_EQ(FeaturesOfCode(Raw("\x28\x42\x01\0\x1a")), "multi-memory");
  EXPECT_EQ(FeaturesOfCode(Raw("\x0e\x02\0\0\0")), "");
  EXPECT_EQ(FeaturesOfCode(Raw("\x1f\x40\x01\0\0\0\x0b")), "exceptions");
}

TEST(OutlineTest, CodeThatIsNotKnownIsSaidAndTheRestIsReadAllTheSame) {
  const auto outline = Read(WithCode("\xff") + Section(0, Raw("\x04") + "name"));
  ASSERT_TRUE(outline);
  EXPECT_THAT(outline->unread, HasSubstr("0xff, is not known"));
  EXPECT_TRUE(outline->has_names);
}

TEST(OutlineTest, ProducersNamesAndDebugInformationAreFound) {
  const std::string producers = Raw("\x01\x0c") + "processed-by" + Raw("\x01\x05") + "clang" +
                                "\x02"
                                "14";
  const auto outline = Read(kModule + Section(0, Sized("producers") + producers) +
                            Section(0, Sized(".debug_info") + "x"));
  ASSERT_TRUE(outline);
  ASSERT_EQ(outline->producers.size(), 1U);
  EXPECT_EQ(outline->producers[0].name, "clang");
  EXPECT_EQ(outline->producers[0].version, "14");
  EXPECT_TRUE(outline->has_debug_info);
  ASSERT_EQ(outline->custom.size(), 2U);
  EXPECT_EQ(outline->custom[1].bytes, 1U);
}

TEST(OutlineTest, ABrokenCustomSectionIsNoFaultOfTheModules) {
  EXPECT_EQ(Refusal(kModule + Section(0, Sized("producers") + "\xff\xff\xff\xff\x0f")), "");
}

TEST(OutlineTest, AComponentTellsItsImportsExportsAndWhatItIsMadeOf) {
  const std::string memory = kModule + Section(5, Raw("\x01\x03\x01\x02"));
  const auto outline =
      Read(kComponent + Section(1, memory) + Section(4, kComponent + Section(1, kModule)) +
           Section(10, Raw("\x02\0") + Sized("wasi:io/poll@0.2.0") + Raw("\x05\0\0") + Sized("t") +
                           Raw("\x03\x01")) +
           Section(11, Raw("\x01\0") + Sized("wasi:cli/run@0.2.0") + Raw("\x05\0\0")));
  ASSERT_TRUE(outline);
  EXPECT_EQ(outline->kind, ModuleKind::kComponent);
  ASSERT_EQ(outline->imports.size(), 2U);
  EXPECT_EQ(outline->imports[0].name, "wasi:io/poll@0.2.0");
  EXPECT_EQ(outline->imports[0].kind, ExternKind::kInstance);
  EXPECT_EQ(outline->imports[1].type, "type");
  ASSERT_EQ(outline->exports.size(), 1U);
  EXPECT_EQ(outline->exports[0].name, "wasi:cli/run@0.2.0");
  EXPECT_EQ(outline->modules, 2U);
  EXPECT_EQ(outline->components, 1U);
  EXPECT_EQ(outline->memories.size(), 1U);
  EXPECT_EQ(NamesOf(outline->features), "threads component-model");
}

TEST(OutlineTest, CountsThatNoFileCouldHoldAreRefusedWithoutMemoryForThem) {
  const std::string many = Number(1'000'000'000);
  for (const char id : {1, 2, 3, 4, 5, 7, 10})
    EXPECT_THAT(Refusal(kModule + Section(id, many)), HasSubstr("1000000000")) << int{id};
  for (const char id : {10, 11})
    EXPECT_THAT(Refusal(kComponent + Section(id, many)), HasSubstr("1000000000")) << int{id};
  EXPECT_THAT(Refusal(kModule + Section(3, Number(2'000'000) + std::string(2'000'000, '\0'))),
              HasSubstr("at most 1000000 are read"));
}

TEST(OutlineTest, AMistakeIsToldWithItsOffset) {
  EXPECT_THAT(Refusal(""), HasSubstr("at offset 0x0"));
  EXPECT_THAT(Refusal(kModule + Raw("\x01\x7f\x01")),
              HasSubstr("at offset 0xa: 127 bytes are announced"));
  EXPECT_THAT(Refusal(kModule + "\x63" + Raw("\0")), HasSubstr("no section 99"));
  EXPECT_THAT(Refusal(kModule + Raw("\x01\xff\xff\xff\xff\xff\xff")),
              HasSubstr("does not fit into 32 bits"));
  EXPECT_THAT(Refusal(kModule + Section(1, Raw("\x01\x11"))),
              HasSubstr("0x11 is not a kind of type"));
  EXPECT_THAT(Refusal(kModule + Section(1, Raw("\0")) + Section(1, Raw("\0"))), HasSubstr("twice"));
}

TEST(OutlineTest, ComponentsWithinOneAnotherEndSomewhere) {
  std::string nested = kComponent;
  for (int depth = 0; depth < 100; ++depth) nested = kComponent + Section(4, nested);
  EXPECT_THAT(Refusal(nested), HasSubstr("deep"));
}

TEST(OutlineTest, NoPrefixOfAModuleAndNoFlippedByteDoesHarm) {
  const std::string whole = WithCode(Raw("\xfd\x0c") + std::string(16, '\x07') + "\x1a") +
                            Section(0, Sized("producers") + Raw("\x01\x01x\x01\x01y\x01z"));
  const std::string component = kComponent + Section(1, whole) +
                                Section(11, Raw("\x01\0\x01"
                                                "e\x05\0\0"));
  std::mt19937 random(1);  // NOLINT: the same on every run.
  for (const std::string& file : {whole, component}) {
    for (size_t size = 0; size <= file.size(); ++size)
      static_cast<void>(Read(file.substr(0, size)));
    for (int i = 0; i < 20'000; ++i) {
      std::string broken = file;
      for (int flips = 0; flips < 3; ++flips)
        broken[random() % broken.size()] = static_cast<char>(random());
      const auto outline = Read(broken);
      if (!outline) {
        ASSERT_THAT(outline.error().message(), HasSubstr("at offset 0x"));
      }
    }
  }
}

}  // namespace
}  // namespace wasmoor::wasm
