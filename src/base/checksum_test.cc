#include "base/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace wasmoor {
namespace {

TEST(ChecksumTest, OfPiecesIsThatOfTheWhole) {
  std::vector<uint8_t> bytes(10'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i);
  for (const size_t piece : {1, 7, 64, 4096, 9999}) {
    Checksummer sum;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      sum.Update(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    }
    EXPECT_EQ(sum.Finish(), ChecksumOf(bytes)) << piece;
  }
}

TEST(ChecksumTest, HexHasTwoDigitsAByte) {
  const std::vector<uint8_t> bytes = {0x00, 0x0f, 0xa5, 0xff};
  EXPECT_EQ(ToHex(bytes), "000fa5ff");
}

}  // namespace
}  // namespace wasmoor
