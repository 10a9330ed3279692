#include "ttrpc/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "ttrpc/raw_peer_for_test.h"
#include "wasmoor/ttrpc/call.h"

namespace wasmoor::ttrpc {
namespace {

using test::Bytes;
using testing::ElementsAre;

// What a reader finds in `bytes` when they come in pieces of `size`.
std::vector<std::string> FramesIn(std::string_view bytes, size_t size) {
  FrameReader reader;
  std::vector<std::string> found;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, size);
    bytes.remove_prefix(piece.size());
    for (Frame frame; reader.Next(&piece, &frame);)
      found.push_back(fmt::format("{}/{}/{} {}{}", frame.header.stream, frame.header.type,
                                  frame.header.flags, frame.payload,
                                  frame.oversized ? "oversized" : ""));
    EXPECT_TRUE(piece.empty());
  }
  return found;
}

TEST(FrameTest, AHeaderIsWrittenBigEndian) {
  EXPECT_EQ(Bytes(0x01020304, FrameType::kData, "x", 5), std::string("\0\0\0\1\1\2\3\4\3\5x", 11));
}

TEST(FrameTest, FramesAreFoundHoweverTheBytesCome) {
  std::string bytes = Bytes(1, FrameType::kRequest, "hello") + Bytes(3, FrameType::kRequest, "") +
                      Bytes(5, FrameType::kData, std::string(100, 'x'), 4) +
                      Bytes(7, FrameType::kResponse, "end");
  for (size_t size = 1; size <= bytes.size(); ++size)
    EXPECT_THAT(FramesIn(bytes, size),
                ElementsAre("1/1/0 hello", "3/1/0 ", "5/3/4 " + std::string(100, 'x'), "7/2/0 end"))
        << size;
}

TEST(FrameTest, WhatIsTooLongIsPassedOver) {
  const std::string bytes = Bytes(1, FrameType::kRequest, std::string(kMostInFrame + 1, 'x')) +
                            Bytes(3, FrameType::kRequest, "next");
  for (const size_t size : {size_t{7}, size_t{4096}, bytes.size()})
    EXPECT_THAT(FramesIn(bytes, size), ElementsAre("1/1/0 oversized", "3/1/0 next")) << size;
}

TEST(FrameTest, TheLongestFrameIsTaken) {
  const std::string bytes = Bytes(1, FrameType::kRequest, std::string(kMostInFrame, 'x'));
  const auto found = FramesIn(bytes, 32768);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].size(), std::string("1/1/0 ").size() + kMostInFrame);
}

TEST(FrameTest, APartOfAFrameIsNone) {
  const std::string bytes = Bytes(1, FrameType::kRequest, "hello");
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_TRUE(FramesIn(bytes.substr(0, size), 3).empty()) << size;
}

}  // namespace
}  // namespace wasmoor::ttrpc
