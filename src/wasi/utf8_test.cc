#include "wasi/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace wasmoor::wasi {
namespace {

TEST(Utf8Test, TakesEveryWellFormedText) {
  for (const char* text :
       {"", "a", "plain ascii, longer than a word", "\x7f", "ä", "€", "😀", "\xdf\xbf",
        "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf", "12345678ä", "1234567ä", "ääääää😀"})
    EXPECT_TRUE(IsUtf8(text)) << text;
  EXPECT_TRUE(IsUtf8(std::string(1, '\0')));
}

TEST(Utf8Test, RefusesEveryIllFormedText) {
  for (const char* text : {"\x80",
                           "\xbf",
                           "\xc0\x80",
                           "\xc1\xbf",
                           "\xc2",
                           "\xc2\x20",
                           "\xc2\xc2",
                           "\xe0\x80\x80",
                           "\xe0\x9f\xbf",
                           "\xe2\x82",
                           "\xe2\x28\xa1",
                           "\xed\xa0\x80",
                           "\xed\xbf\xbf",
                           "\xf0\x80\x80\x80",
                           "\xf0\x8f\xbf\xbf",
                           "\xf0\x90\x80",
                           "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80",
                           "\xff",
                           "\xfe",
                           "12345678\xff",
                           "abcdefg\xc3",
                           "ok\x80ok"})
    EXPECT_FALSE(IsUtf8(text)) << testing::PrintToString(text);
}

}  // namespace
}  // namespace wasmoor::wasi
