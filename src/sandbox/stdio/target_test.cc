#include "sandbox/stdio/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/result.h"

namespace wasmoor::sandbox {
namespace {

using test::Must;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(TargetTest, KnowsPathsAndFiles) {
  EXPECT_EQ(Must(ParseTarget("")).kind, Target::Kind::kNowhere);
  const Target path = Must(ParseTarget("/run/x/a%20b:c?d"));
  EXPECT_EQ(path.kind, Target::Kind::kPath);
  EXPECT_EQ(path.path, "/run/x/a%20b:c?d");
  EXPECT_EQ(Must(ParseTarget("fifo:///run/a%20b")).path, "/run/a b");
  const Target file = Must(ParseTarget("file:///var/log/a%2fb.log"));
  EXPECT_EQ(file.kind, Target::Kind::kFile);
  EXPECT_EQ(file.path, "/var/log/a/b.log");
}

TEST(TargetTest, GivesALoggerEachKeyWithItsFirstValue) {
  const Target target =
      Must(ParseTarget("binary:///usr/bin/log?--to=a+b%3D&debug&--to=other&-v=#x"));
  EXPECT_EQ(target.kind, Target::Kind::kLogger);
  EXPECT_EQ(target.path, "/usr/bin/log");
  EXPECT_FALSE(target.must_say_ready);
  EXPECT_THAT(target.arguments, ElementsAre("--to", "a b=", "debug", "", "-v", ""));
  EXPECT_THAT(Must(ParseTarget("binary-v2:///l?")).arguments, IsEmpty());
  EXPECT_TRUE(Must(ParseTarget("binary-v2:///l")).must_say_ready);
}

TEST(TargetTest, RefusesWhatItDoesNotKnow) {
  for (const char* name : {"npipe:////./pipe/x", "relative", "binary:x", "://",
                           "file:", "binary://", "file:///a%00b", ":", "http:///x"}) {
    const auto target = ParseTarget(name);
    ASSERT_FALSE(target.has_value()) << name;
    EXPECT_EQ(target.error().code(), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(
      ParseTarget("npipe:///x").error().message(),
      "stream 'npipe:///x': unknown scheme 'npipe'; it can be fifo, file, binary or binary-v2");
}

}  // namespace
}  // namespace wasmoor::sandbox
