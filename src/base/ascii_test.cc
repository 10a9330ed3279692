#include "wasmoor/base/ascii.h"

#include <gtest/gtest.h>

namespace wasmoor {
namespace {

TEST(IsSameNameTest, LettersAreTheSameInBothCases) {
  EXPECT_TRUE(IsSameName("Content-Length", "content-lengTH"));
  EXPECT_TRUE(IsSameName("", ""));
  EXPECT_FALSE(IsSameName("host", "hosts"));
  EXPECT_FALSE(IsSameName("host", "ghost"));
}

TEST(IsSameNameTest, NothingElseIs) {
  EXPECT_FALSE(IsSameName("[", "{"));
  EXPECT_FALSE(IsSameName("@", "`"));
  EXPECT_FALSE(IsSameName("\xc4", "\xe4"));
}

}  // namespace
}  // namespace wasmoor
