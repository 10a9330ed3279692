#include "function/page/html.h"

#include <gtest/gtest.h>

namespace wasmoor::function::page {
namespace {

std::string Escaped(std::string_view text) { return Html().Text(text).Take(); }

TEST(HtmlTest, EscapesWhatCouldEndATextOrAnAttribute) {
  EXPECT_EQ(Escaped("<a href=\"x\" b='c'>&amp;"),
            "&lt;a href=&quot;x&quot; b=&#39;c&#39;&gt;&amp;amp;");
}

TEST(HtmlTest, WritesOutWhatIsNoTextAndWhatTurnsIt) {
  EXPECT_EQ(Escaped("a\nb\t\x1b[1m"), "a\\x0ab\\x09\\x1b[1m");
  EXPECT_EQ(Escaped("\xff<"), "\\xff&lt;");
  EXPECT_EQ(Escaped("a\u202eb"), "a\\u{202e}b");
  EXPECT_EQ(Escaped("moör"), "moör");
  EXPECT_EQ(Escaped(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(HtmlTest, KeepsTheLinesOfWhatHasSome) {
  EXPECT_EQ(Html().Lines("a\n\tb<\r").Take(), "a\n\tb&lt;\\x0d");
}

TEST(HtmlTest, EncodesWhatMeansSomethingInAQuery) {
  EXPECT_EQ(Encoded("acme/hello-1.x_~"), "acme/hello-1.x_~");
  EXPECT_EQ(Encoded("a&b=c #+%\"<ö"), "a%26b%3Dc%20%23%2B%25%22%3C%C3%B6");
}

}  // namespace
}  // namespace wasmoor::function::page
