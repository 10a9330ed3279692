#include "function/catalog/names.h"

#include <gtest/gtest.h>

namespace wasmoor::function {
namespace {

using std::string_literals::operator""s;

TEST(NamesTest, AFunctionIsCalledByItsNameOrByItsTenantsToo) {
  EXPECT_EQ(SplitName("hello").name, "hello");
  EXPECT_EQ(SplitName("hello").tenant, "");
  EXPECT_EQ(SplitName("acme/he-l_lo.v2").name, "he-l_lo.v2");
  EXPECT_EQ(SplitName("acme/hello").tenant, "acme");
  EXPECT_EQ(JoinName("acme", "hello"), "acme/hello");
  EXPECT_EQ(JoinName("", "hello"), "hello");
}

TEST(NamesTest, WhatCouldLeadElsewhereIsNoName) {
  for (const std::string& bad : {""s,
                                 "."s,
                                 ".."s,
                                 "../hello"s,
                                 "acme/../hello"s,
                                 "acme/.."s,
                                 "/hello"s,
                                 "acme/"s,
                                 "/"s,
                                 "//"s,
                                 "a/b/c"s,
                                 ".hello"s,
                                 "acme/.hello"s,
                                 ".acme/hello"s,
                                 "%2e%2e"s,
                                 "he%2ello"s,
                                 "he llo"s,
                                 "hello\0"s,
                                 "he\0llo"s,
                                 "hello\n"s,
                                 "h\xc3\xa9llo"s,
                                 "he\\llo"s,
                                 "a.wasm/hello"s,
                                 "~"s,
                                 "a:b"s,
                                 std::string(129, 'a'),
                                 std::string(129, 'a') + "/hello"})
    EXPECT_EQ(SplitName(bad).name, "") << bad;
  EXPECT_EQ(SplitName(std::string(128, 'a')).name.size(), 128u);
}

TEST(NamesTest, FilesAreOfAFunctionBySuffix) {
  EXPECT_EQ(FunctionOf("hello.wasm", kModuleSuffix), "hello");
  EXPECT_EQ(FunctionOf("hello.v2.wasm", kModuleSuffix), "hello.v2");
  EXPECT_EQ(FunctionOf("hello.toml", kManifestSuffix), "hello");
  for (const char* other :
       {"hello.wat", "hello.WASM", ".wasm", ".hello.wasm", "hello.wasm~", "he llo.wasm"})
    EXPECT_EQ(FunctionOf(other, kModuleSuffix), "") << other;
}

}  // namespace
}  // namespace wasmoor::function
