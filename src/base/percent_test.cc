#include "wasmoor/base/percent.h"

#include <gtest/gtest.h>

namespace wasmoor {
namespace {

TEST(PercentTest, DecodesBytesAndLeavesTheRestAlone) {
  EXPECT_EQ(DecodePercents(""), "");
  EXPECT_EQ(DecodePercents("a%20b%2F%2f%c3%A4"), "a b//\xc3\xa4");
  EXPECT_EQ(DecodePercents("%00"), std::string(1, '\0'));
  EXPECT_EQ(DecodePercents("100% %zz%4%+1%-1%"), "100% %zz%4%+1%-1%");
}

}  // namespace
}  // namespace wasmoor
