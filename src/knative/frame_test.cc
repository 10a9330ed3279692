#include "knative/frame.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace wasmoor::knative {
namespace {

using namespace std::string_literals;

constexpr uint64_t kMostMessage = 1000;

// What a reader makes of `bytes`, given in parts of `size`.
struct Read {
  std::vector<Control> controls;
  std::optional<FrameReader::Violation> violation;
};
Read ReadInParts(std::string_view bytes, size_t size) {
  FrameReader reader(kMostMessage);
  Read read;
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, size);
    bytes.remove_prefix(part.size());
    while (auto control = reader.Next(&part)) read.controls.push_back(std::move(*control));
    EXPECT_TRUE(part.empty());
  }
  read.violation = reader.violation();
  return read;
}

std::optional<CloseCode> ViolationOf(const std::string& bytes) {
  std::optional<CloseCode> code;
  for (const size_t size : {bytes.size(), size_t{1}, size_t{3}}) {
    const Read read = ReadInParts(bytes, size);
    code = read.violation ? std::optional(read.violation->code) : std::nullopt;
  }
  return code;
}

TEST(FrameTest, AClientsFrameIsMasked) {
  // RFC 6455, section 5.7: a single-frame masked text message.
  EXPECT_EQ(ClientFrame(Opcode::kText, "Hello", {0x37, 0xfa, 0x21, 0x3d}),
            "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

TEST(FrameTest, AnEmptyMessageIsAHeadAlone) {
  EXPECT_EQ(ClientFrame(Opcode::kBinary, "", {1, 2, 3, 4}), "\x82\x80\x01\x02\x03\x04");
}

TEST(FrameTest, ControlFramesAreReadInWhateverPartsTheyCome) {
  const std::string bytes = "\x89\x05Hello\x8a\x00\x88\x06\x03\xe9gone"s;
  for (const size_t size : {1, 2, 3, 5, 100}) {
    const Read read = ReadInParts(bytes, size);
    ASSERT_EQ(read.controls.size(), 3);
    EXPECT_EQ(read.controls[0].opcode, Opcode::kPing);
    EXPECT_EQ(read.controls[0].payload, "Hello");
    EXPECT_EQ(read.controls[1].opcode, Opcode::kPong);
    EXPECT_EQ(read.controls[1].payload, "");
    EXPECT_EQ(read.controls[2].opcode, Opcode::kClose);
    EXPECT_EQ(read.controls[2].payload, "\x03\xe9gone");
    EXPECT_FALSE(read.violation);
  }
}

TEST(FrameTest, MessagesAreLetPassInFragmentsWithControlFramesBetween) {
  std::string bytes = "\x01\x03Hel\x89\x01!\x80\x02lo"s;  // In two fragments.
  bytes += "\x82\x7e\x01\x00"s + std::string(256, 'x');   // A length in two bytes.
  bytes += "\x02\x00\x00\x00\x80\x00\x89\x00"s;           // Nothing, in three.
  for (const size_t size : {1, 7, 1000}) {
    const Read read = ReadInParts(bytes, size);
    EXPECT_FALSE(read.violation);
    ASSERT_EQ(read.controls.size(), 2);
    EXPECT_EQ(read.controls[0].payload, "!");
  }
}

TEST(FrameTest, ALongMessageIsRefusedByItsHead) {
  EXPECT_EQ(ViolationOf("\x82\x7e\x03\xe8"s), std::nullopt);  // 1000
  EXPECT_EQ(ViolationOf("\x82\x7e\x03\xe9"s), CloseCode::kTooBig);
  EXPECT_EQ(ViolationOf("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"s), CloseCode::kTooBig);
}

TEST(FrameTest, FragmentsTogetherAreNotLongerThanAMessage) {
  const std::string part = "\x00\x7e\x01\xf4"s + std::string(500, 'x');
  const std::string first = "\x02\x7e\x01\xf4"s + std::string(500, 'x');
  EXPECT_EQ(ViolationOf(first + part), std::nullopt);
  EXPECT_EQ(ViolationOf(first + part + "\x80\x01"s), CloseCode::kTooBig);
  // Each message anew.
  EXPECT_EQ(ViolationOf(first + part + "\x80\x00"s + first), std::nullopt);
}

TEST(FrameTest, WhatIsNoFrameOfAServersIsRefused) {
  EXPECT_EQ(ViolationOf("\x82\x80"s), CloseCode::kProtocolError) << "masked";
  EXPECT_EQ(ViolationOf("\xc2\x00"s), CloseCode::kProtocolError) << "RSV1";
  EXPECT_EQ(ViolationOf("\xa2\x00"s), CloseCode::kProtocolError) << "RSV2";
  EXPECT_EQ(ViolationOf("\x92\x00"s), CloseCode::kProtocolError) << "RSV3";
  for (const uint8_t opcode : {3, 7, 11, 15}) {
    EXPECT_EQ(ViolationOf({static_cast<char>(0x80 | opcode), '\0'}), CloseCode::kProtocolError);
  }
  EXPECT_EQ(ViolationOf("\x09\x00"s), CloseCode::kProtocolError) << "a ping in parts";
  EXPECT_EQ(ViolationOf("\x89\x7e\x00\x7e"s), CloseCode::kProtocolError) << "a long ping";
  EXPECT_EQ(ViolationOf("\x80\x00"s), CloseCode::kProtocolError) << "nothing goes on";
  EXPECT_EQ(ViolationOf("\x02\x00\x82\x00"s), CloseCode::kProtocolError) << "one within another";
  EXPECT_EQ(ViolationOf("\x82\x7e\x00\x7d"s), CloseCode::kProtocolError) << "125 in two bytes";
  EXPECT_EQ(ViolationOf("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"s), CloseCode::kProtocolError);
  EXPECT_EQ(ViolationOf("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"s), CloseCode::kProtocolError);
}

TEST(FrameTest, AfterAViolationNothingIsReadAnyMore) {
  const Read read = ReadInParts("\x89\x00\xff\x00\x89\x00"s, 1);
  EXPECT_EQ(read.controls.size(), 1);
  EXPECT_TRUE(read.violation);
}

TEST(FrameTest, GarbageInAnyPartsComesToTheSameAndKeepsNothing) {
  std::mt19937 random(11);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % (i % 2 == 0 ? 256 : 3));
    const Read whole = ReadInParts(bytes, 1000), single = ReadInParts(bytes, 1);
    EXPECT_EQ(whole.violation.has_value(), single.violation.has_value());
    ASSERT_EQ(whole.controls.size(), single.controls.size());
    for (const Control& control : whole.controls) EXPECT_LE(control.payload.size(), kMostControl);
  }
}

}  // namespace
}  // namespace wasmoor::knative
