#include "cmd/line/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wasmoor::cmd {
namespace {

TEST(PrintableTest, WhatCouldCommandATerminalIsWrittenOut) {
  EXPECT_EQ(Printable("plain, ünïcödé, 漢字"), "plain, ünïcödé, 漢字");
  EXPECT_EQ(Printable("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m");
  EXPECT_EQ(Printable("a\nb\tc\r"), "a\\x0ab\\x09c\\x0d");
  EXPECT_EQ(Printable("a\nb\tc\r", Lines::kMany), "a\nb\tc\\x0d");
  EXPECT_EQ(Printable(std::string_view("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");  // CSI in one code point.
}

TEST(PrintableTest, WhatIsNotUtf8IsWrittenOut) {
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");           // Overlong.
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // A surrogate.
  EXPECT_EQ(Printable("\xe2\x82"), "\\xe2\\x82");           // Cut off.
}

TEST(PrintableTest, WhatTurnsTheDirectionOfTextIsWrittenOut) {
  EXPECT_EQ(Printable("a\u202Eb\u2066c"), "a\\u{202e}b\\u{2066}c");
}

TEST(WrapTest, LinesBreakAtSpacesAndAreIndented) {
  EXPECT_EQ(Wrap("one two three four", 9, 2), "one two\n  three\n  four");
  EXPECT_EQ(Wrap("a-word-too-long x", 5, 0), "a-word-too-long\nx");
  EXPECT_EQ(Wrap("kept\nlines", 80, 1), "kept\n lines");
}

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table(1);
  table.Add({{"a"}, {"b"}});
  table.Add({{"long"}, {"c"}});
  EXPECT_EQ(table.Text(Table::kUnlimited, false), " a     b\n long  c\n");
  EXPECT_EQ(table.TabSeparated(), "a\tb\nlong\tc\n");
}

TEST(TableTest, ColourIsLeftOutWhereItIsNotWanted) {
  Table table;
  table.Add({{"ok", Style::kGreen}, {"x"}});
  EXPECT_EQ(table.Text(Table::kUnlimited, false), "ok  x\n");
  EXPECT_EQ(table.Text(Table::kUnlimited, true), "\x1b[32mok\x1b[0m  x\n");
}

}  // namespace
}  // namespace wasmoor::cmd
