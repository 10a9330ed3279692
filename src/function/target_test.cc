#include "function/target.h"

#include <gmock/gmock.h>

namespace wasmoor::function {
namespace {

using testing::ElementsAre;

TEST(TargetTest, IsAPathOfSegmentsAndAQuery) {
  const auto target = ParseTarget("/team/a%20b/rest/?x=1&y");
  ASSERT_TRUE(target);
  EXPECT_THAT(target->segments, ElementsAre("team", "a b", "rest", ""));
  EXPECT_EQ(target->query, "x=1&y");
  EXPECT_EQ(target->Rest(2), "/rest/");
  EXPECT_EQ(target->Below(2), "/rest/?x=1&y");
  EXPECT_EQ(target->path.substr(0, target->PrefixSize(2)), "/team/a%20b");
}

TEST(TargetTest, HasNothingBelowItsLastSegmentButARoot) {
  const auto target = ParseTarget("/hello?x");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->Rest(1), "");
  EXPECT_EQ(target->Below(1), "/?x");
}

TEST(TargetTest, MayNameASchemeAndAHost) {
  const auto target = ParseTarget("http://example.com/hello");
  ASSERT_TRUE(target);
  EXPECT_THAT(target->segments, ElementsAre("hello"));
}

TEST(TargetTest, LeadsNowhereElse) {
  for (const std::string_view text :
       {"/../etc", "/a/..", "/.", "/%2e%2e/etc", "/%2E/a", "/a%2fb", "/a%00", "/%", "/%2", "/%zz",
        "*", "", "hello", "http://example.com"})
    EXPECT_FALSE(ParseTarget(text)) << text;
}

TEST(QueryArgumentsTest, AreThePartsOfTheQueryDecoded) {
  EXPECT_THAT(QueryArguments("a=1&b+c&&d%20e%"), ElementsAre("a=1", "b c", "d e%"));
  EXPECT_THAT(QueryArguments("%00a"), ElementsAre("a"));
  EXPECT_THAT(QueryArguments(""), ElementsAre());
}

TEST(TargetTest, ValuesOfAQueryHaveNoNames) {
  EXPECT_THAT(QueryValues("a=1&2&c=x=y&d="), ElementsAre("1", "2", "x=y", ""));
  EXPECT_THAT(QueryValues(""), ElementsAre());
}

}  // namespace
}  // namespace wasmoor::function
