#include "settings/toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "settings/toml_text.h"
#include "support/scratch.h"

namespace wasmoor::settings {
namespace {

using std::string_literals::operator""s;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;
using testing::StartsWith;

std::string TextOf(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return fmt::format("{}", *integer);
  if (const auto* text = std::get_if<std::string>(&value)) return fmt::format("'{}'", *text);
  std::string all;
  for (const std::string& one : std::get<std::vector<std::string>>(value))
    all += fmt::format("[{}]", one);
  return all;
}

std::map<std::string, std::string> Read(std::string_view document) {
  std::map<std::string, std::string> found;
  const Status read =
      ReadToml(document, "x.toml", [&](const std::string& key, const Value& value) -> Status {
        EXPECT_FALSE(found.contains(key)) << key;
        found[key] = TextOf(value);
        return {};
      });
  EXPECT_TRUE(read) << read.error().message();
  return found;
}

// Why not; "" if it can be read.
std::string WhyNot(std::string_view document) {
  const Status read = ReadToml(document, "x.toml",
                               [](const std::string&, const Value&) -> Status { return Status(); });
  if (read) return "";
  EXPECT_EQ(read.error().code(), Code::kInvalidArgument);
  return read.error().message();
}

// The value of "a".
std::string ValueOf(std::string_view text) { return Read(fmt::format("a = {}", text))["a"]; }

TEST(TomlTest, ValuesComeWithTheKeysOfTheirTables) {
  EXPECT_THAT(
      Read("a = 1\nb = true\n[c]\nd = \"x\"\ne.f = [\"y\", \"z\"]\ng = []\n[c.h.i]\nj=false"),
      ElementsAre(Pair("a", "1"), Pair("b", "true"), Pair("c.d", "'x'"), Pair("c.e.f", "[y][z]"),
                  Pair("c.g", ""), Pair("c.h.i.j", "false")));
  EXPECT_THAT(Read("[c.h]\na=1\n[c]\nb=2\n"), ElementsAre(Pair("c.b", "2"), Pair("c.h.a", "1")));
  EXPECT_THAT(
      Read(" [ a . \"b c\" . 'd' ] \r\n\t1-_ = { e = 1 , f.g = {} , h = { i = 'x' } } # y\r\n"),
      ElementsAre(Pair("a.b c.d.1-_.e", "1"), Pair("a.b c.d.1-_.h.i", "'x'")));
  EXPECT_THAT(Read(""), IsEmpty());
  EXPECT_THAT(Read("\xef\xbb\xbf# x\n\n  # y"), IsEmpty());
}

TEST(TomlTest, TablesInAListAreNumbered) {
  EXPECT_THAT(
      Read("[[d]]\nhost = \"/a\"\n[d.e]\nf=1\n[[d]]\nhost = \"/b\"\n[d.e]\nf=2\n[[d.g]]\nh=3\n"),
      ElementsAre(Pair("d[0].e.f", "1"), Pair("d[0].host", "'/a'"), Pair("d[1].e.f", "2"),
                  Pair("d[1].g[0].h", "3"), Pair("d[1].host", "'/b'")));
  EXPECT_THAT(Read("d = [{host = \"/a\"}, # x\n\n  {host = '/b'},\n]\n"),
              ElementsAre(Pair("d[0].host", "'/a'"), Pair("d[1].host", "'/b'")));
  EXPECT_THAT(WhyNot("d = [{host = \"/a\"}, 3]\n"), HasSubstr("list of tables"));
  EXPECT_THAT(WhyNot("d = [3, {host = \"/a\"}]\n"), HasSubstr("list of strings"));
}

TEST(TomlTest, WhatTheSetterSaysComesWithPlaceAndKey) {
  std::string heard;
  const Status read = ReadToml("a = 1\n\n[b]\nc = 2\nd = 3\n", "x.toml",
                               [&](const std::string& key, const Value&) -> Status {
                                 heard += key + " ";
                                 if (key == "b.c") return Fail(Code::kInvalidArgument, "no");
                                 return {};
                               });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message(), "x.toml:4: b.c: no");
  EXPECT_EQ(heard, "a b.c ");
}

TEST(TomlTest, NothingIsSetOfWhatCannotBeReadToItsEnd) {
  const Status read =
      ReadToml("a = 1\nb = \n", "x.toml", [](const std::string&, const Value&) -> Status {
        ADD_FAILURE();
        return {};
      });
  EXPECT_FALSE(read);
}

TEST(TomlTest, StringsAreReadInAllTheirForms) {
  EXPECT_EQ(ValueOf(R"("a\b\t\n\f\r\"\\é\u00e9\U0001F600")"), "'a\b\t\n\f\r\"\\éé😀'");
  EXPECT_EQ(ValueOf(R"('C:\n "x"')"), R"('C:\n "x"')");
  EXPECT_EQ(ValueOf("\"\""), "''");
  EXPECT_EQ(ValueOf("\"\"\"\n\"é\" \"\"x\n\\\"\"\"\"\"\""), "'\"é\" \"\"x\n\"\"\"'");
  EXPECT_EQ(ValueOf("\"\"\"a \\  \n\n   é\\\r\n b\"\"\""), "'a éb'");
  EXPECT_EQ(ValueOf("'''\r\na\\\r\n''b'''''"), "'a\\\n''b'''");
  EXPECT_EQ(ValueOf("\"\"\"\"\"\"\""), "'\"'");
  EXPECT_EQ(ValueOf(R"("\u0000")"), "'\0'"s);
}

TEST(TomlTest, StringsThatDoNotEndOrMeanNothingAreErrors) {
  for (const std::string& bad : {"\""s,
                                 "\"x"s,
                                 "\"x\n\""s,
                                 "'x"s,
                                 "'x\n'"s,
                                 "\"\"\"x"s,
                                 "'''x''"s,
                                 "\"\\"s,
                                 "\"\\\n\""s,
                                 "\"\\q\""s,
                                 "\"\\u12\""s,
                                 "\"\\u12g4\""s,
                                 "\"\\ud800\""s,
                                 "\"\\U00110000\""s,
                                 "\"\\u-001\""s,
                                 "\"\\u+001\""s,
                                 "\"\0\""s,
                                 "\"\x1b[2J\""s,
                                 "'\x7f'"s,
                                 "\"\"\"\r\"\"\""s,
                                 "\"\"\"\\ x\"\"\""s,
                                 "\"\"\"\\"s,
                                 "\"\"\"\"\"\"\"\"\"\""s,
                                 "\"x\" \"y\""s,
                                 "\"x\"y"s,
                                 "x"s,
                                 "'x''y'"s})
    EXPECT_THAT(WhyNot("a = " + bad), StartsWith("x.toml:")) << bad;
  EXPECT_EQ(WhyNot("a = \"\xff\""), "x.toml:1: is not UTF-8");
}

TEST(TomlTest, LettersThatAreNotAsciiStandInStringsAndCommentsOnly) {
  EXPECT_THAT(Read("a = \"é\" # ö\n\"ü\" = 'ü'\n"),
              ElementsAre(Pair("a", "'é'"), Pair("ü", "'ü'")));
  for (const char* bad : {"é = 2", "a = é", "a = \"\" é", "[é]", "a = 1é", "a.é = 1"})
    EXPECT_THAT(WhyNot(fmt::format("x = 1\n{}\n", bad)),
                StartsWith("x.toml:2: only strings and comments"))
        << bad;
}

TEST(TomlTest, NumbersAreWholeAndFit) {
  for (const auto& [text, number] :
       std::map<std::string_view, int64_t>{{"0", 0},
                                           {"+0", 0},
                                           {"-0", 0},
                                           {"42", 42},
                                           {"-17", -17},
                                           {"+1_000", 1000},
                                           {"0xDEAD_beef", 0xdeadbeef},
                                           {"0o755", 0755},
                                           {"0b101", 5},
                                           {"0x00", 0},
                                           {"0x0b10", 0xb10},
                                           {"9223372036854775807", INT64_MAX},
                                           {"-9223372036854775808", INT64_MIN}})
    EXPECT_THAT(ParseTomlInteger(text), Optional(number)) << text;
  for (const char* bad :
       {"",     "-",    "+",    "_1",  "1_",  "1__0", "01",  "-01", "0x",
        "0x_1", "-0x1", "0xg",  "0o8", "0b2", "0X1",  "--1", "+-1", "9223372036854775808",
        "1.5",  "1e3",  "0x-1", "inf"})
    EXPECT_EQ(ParseTomlInteger(bad), std::nullopt) << bad;
  for (const char* bad : {"1.5", "inf", "-nan", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z"})
    EXPECT_THAT(WhyNot(fmt::format("a = {}", bad)),
                HasSubstr("x.toml:1: a: no setting is a number with a point"))
        << bad;
  EXPECT_THAT(WhyNot("a = 1e9"), HasSubstr("a: '1e9' is no whole number"));
}

TEST(TomlTest, WhatIsThereTwiceIsAnError) {
  for (const char* bad : {"a = 1\na = 2",
                          "a = 1\na.b = 2",
                          "a.b = 1\na = 2",
                          "a = 1\n[a]",
                          "a = 1\n[a.b]",
                          "[a]\n[a]",
                          "[a.b]\n[a.b]",
                          "[a]\nb = 1\n[a.b]",
                          "a.b = 1\n[a]",
                          "[a]\nb.c = 1\n[a.b]",
                          "a = {b = 1}\na.c = 2",
                          "a = {b = 1}\n[a]",
                          "a = {b = 1}\n[a.c]",
                          "a = [{b = 1}]\n[[a]]",
                          "a = []\n[[a]]",
                          "[[a]]\n[a]",
                          "[a]\n[[a]]",
                          "[a.b]\n[[a]]",
                          "[[a]]\nb = 1\nb = 2",
                          "a = {b = 1, b = 2}",
                          "a = {b = 1, b.c = 2}",
                          "[a.b]\n[a]\nb.c = 1",
                          "[[a.b]]\n[a]\nb.c = 1",
                          "\"a\" = 1\n'a' = 2"})
    EXPECT_THAT(WhyNot(bad), StartsWith("x.toml:")) << bad;
  EXPECT_EQ(WhyNot("[[a]]\nb = 1\n[[a]]\nb = 1\n[a.c]\n[[a]]\n[a.c]\n"), "");
}

TEST(TomlTest, DepthHasABound) {
  std::string key = "a", quoted = "\"a\"", nested, lists, tables = "x = ", brackets = "x = ";
  for (int part = 0; part < 100'000; ++part) {
    key += ".a";
    quoted += ".\"a\"";
    nested += "{a=";
    lists += "[{a.a.a.a=";
    brackets += "[";
  }
  EXPECT_THAT(WhyNot("x = 1\n" + key + " = 1\n"),
              AllOf(StartsWith("x.toml:2:"), HasSubstr("parts")));
  EXPECT_THAT(WhyNot("[" + key + "]\n"), HasSubstr("parts"));
  EXPECT_THAT(WhyNot(quoted + " = 1\n"), HasSubstr("parts"));
  EXPECT_THAT(WhyNot("x = " + nested), HasSubstr("so deep"));
  EXPECT_THAT(WhyNot("x = " + lists), HasSubstr("so deep"));
  EXPECT_THAT(WhyNot(brackets), HasSubstr("list of strings"));
}

TEST(TomlTest, WhatIsNoTomlIsAnErrorWithItsLine) {
  for (const char* bad : {"[[$x]]",
                          "[$x]",
                          "[[=]]",
                          "[[.a]]",
                          "[[,",
                          "[{",
                          "[[",
                          "[",
                          "[]",
                          "[a",
                          "[a]]",
                          "[a]b",
                          "[[a]",
                          "[ [a]]",
                          "[[a] ]",
                          "[a.]",
                          "[.a]",
                          "[a]\x01",
                          "= 1",
                          "a",
                          "a =",
                          "a = [",
                          "a = {",
                          "a = [\"x\"",
                          "a = [\"x\",,]",
                          "a = [,]",
                          "a = [\"x\" \"y\"]",
                          "a = {b = 1,}",
                          "a = {b}",
                          "a = {b = 1",
                          "a = {,}",
                          "a = {b = 1 c = 2}",
                          "a = }",
                          "a = ]",
                          "a.= 1",
                          ".a = 1",
                          "a..b = 1",
                          "a b = 1",
                          "a = 1 b = 2",
                          "a = truely",
                          "a = True",
                          "$ = 1",
                          "a = $",
                          "a\r= 1",
                          "[\x15run]",
                          "a = 1 # \x01",
                          "'''a''' = 1",
                          "a == 1",
                          "a = 1,",
                          "a: 1",
                          "# x\n\x0c"})
    EXPECT_THAT(WhyNot(fmt::format("x = 1\n{}\n", bad)), StartsWith("x.toml:")) << bad;
  EXPECT_THAT(WhyNot("a = 1\nb = {c = 1\n}\n"), StartsWith("x.toml:2: '}' is missing"));
  EXPECT_THAT(WhyNot("a = true false\n"), StartsWith("x.toml:1: the end of the line is missing"));
  EXPECT_THAT(WhyNot("a = hello\n"), HasSubstr("texts stand in quotes"));
}

TEST(TomlTest, AFileIsReadIfItIsOne) {
  const test::ScratchDirectory scratch;
  scratch.Write("a.toml", "a = 1");
  ASSERT_EQ(::mkfifo((scratch / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadSettingsFile((scratch / "a.toml").native()).value_or(""), "a = 1");
  EXPECT_EQ(ReadSettingsFile((scratch / "none").native()).error().code(), Code::kNotFound);
  EXPECT_THAT(ReadSettingsFile((scratch / "fifo").native()).error().message(),
              HasSubstr("not a regular file"));
  EXPECT_FALSE(ReadSettingsFile(scratch.path().native()));
}

}  // namespace
}  // namespace wasmoor::settings
