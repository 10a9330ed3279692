#include "dbus/message.h"

#include <gmock/gmock.h>

namespace wasmoor::dbus {
namespace {

using std::string_view_literals::operator""sv;

// A signal of systemd's, made apart from this code, in either byte order.
constexpr std::string_view kLittle =
    "l\004\0\001=\0\0\0c\0\0\0\215\0\0\0\001\001o\0\031\0\0\0/org/freedesktop/systemd1"
    "\0\0\0\0\0\0\0\002\001s\0 \0\0\0org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0\003"
    "\001s\0\012\0\0\0JobRemoved\0\0\0\0\0\0\010\001g\0\004uoss\0\0\0\0\0\0\0\007\001s"
    "\0\004\0\0\0:1.1\0\0\0\0\005\0\0\0\037\0\0\0/org/freedesktop/systemd1/job/5\0\007"
    "\0\0\0a.scope\0\004\0\0\0done\0"
    ""sv;
constexpr std::string_view kBig =
    "B\004\0\001\0\0\0=\0\0\0c\0\0\0\215\001\001o\0\0\0\0\031/org/freedesktop/systemd1"
    "\0\0\0\0\0\0\0\002\001s\0\0\0\0 org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0\003"
    "\001s\0\0\0\0\012JobRemoved\0\0\0\0\0\0\010\001g\0\004uoss\0\0\0\0\0\0\0\007\001s"
    "\0\0\0\0\004:1.1\0\0\0\0\0\0\0\005\0\0\0\037/org/freedesktop/systemd1/job/5\0\0\0"
    "\0\007a.scope\0\0\0\0\004done\0"
    ""sv;

TEST(MessageTest, ASignalOfEitherByteOrderIsRead) {
  for (const std::string_view bytes : {kLittle, kBig}) {
    EXPECT_EQ(MessageLength(bytes.substr(0, kMessageStartBytes)).value_or(0), bytes.size());
    const auto message = Decode(bytes);
    ASSERT_TRUE(message) << message.error().message();
    EXPECT_EQ(message->type, MessageType::kSignal);
    EXPECT_EQ(message->serial, 99u);
    EXPECT_EQ(message->path, "/org/freedesktop/systemd1");
    EXPECT_EQ(message->interface, "org.freedesktop.systemd1.Manager");
    EXPECT_EQ(message->member, "JobRemoved");
    ASSERT_EQ(message->signature, "uoss");
    Reader reader = message->ReadArguments();
    EXPECT_EQ(reader.Uint32().value_or(0), 5u);
    EXPECT_EQ(reader.String().value_or(""), "/org/freedesktop/systemd1/job/5");
    EXPECT_EQ(reader.String().value_or(""), "a.scope");
    EXPECT_EQ(reader.String().value_or(""), "done");
    EXPECT_TRUE(reader.AtEnd());
  }
}

TEST(MessageTest, APartOfAMessageIsNone) {
  for (size_t size = 0; size < kLittle.size(); ++size) {
    const auto part = Decode(kLittle.substr(0, size));
    ASSERT_FALSE(part) << size;
    EXPECT_EQ(part.error().code(), Code::kDataLoss);
  }
}

TEST(MessageTest, WhatNobodyMaySendIsRefused) {
  std::string bytes(kLittle);
  const auto refused = [&](size_t at, char value) {
    std::string changed = bytes;
    changed[at] = value;
    return !Decode(changed).has_value();
  };
  EXPECT_TRUE(refused(0, 'x'));    // The byte order.
  EXPECT_TRUE(refused(1, 0));      // The type.
  EXPECT_TRUE(refused(3, 2));      // The version.
  EXPECT_TRUE(refused(7, 0x7f));   // More than kMaxMessageBytes of arguments.
  EXPECT_TRUE(refused(15, 0x7f));  // As many of fields.
  EXPECT_TRUE(refused(20, 0x7f));  // A field's text that is longer than the message.
  EXPECT_FALSE(refused(2, 1));     // A flag.
}

TEST(MessageTest, ACallIsReadAsItIsWritten) {
  Writer arguments;
  arguments.String("a.scope");
  arguments.Array(8, [&] {
    arguments.Align(8);
    arguments.String("MemoryMax");
    arguments.Signature("t");
    arguments.Uint64(1 << 20);
  });
  arguments.Array(8, [] {});
  const auto message =
      Decode(Encode({"a.b", "/c", "d.e", "F", "sa(sv)a(sa(sv))", arguments.bytes()}, 3));
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message->member, "F");
  Reader reader = message->ReadArguments();
  const auto skipped = reader.Skip(message->signature);
  EXPECT_TRUE(skipped) << skipped.error().message();
  EXPECT_TRUE(reader.AtEnd());
}

TEST(MessageTest, ValuesOfEveryTypeArePassedOver) {
  const auto skips = [](std::string_view bytes, std::string_view signature) {
    Reader reader(bytes, false);
    return reader.Skip(signature).has_value() && reader.AtEnd();
  };
  EXPECT_TRUE(skips("\1\0\2\0\3\0\0\0"sv, "ynu"));
  EXPECT_TRUE(skips("\0\0\0\0\0\0\0\0"sv, "a(sv)"));
  EXPECT_TRUE(skips("\1s\0\0\1\0\0\0x\0"sv, "v"));
  EXPECT_FALSE(skips("\0\0\0\0\0\0\0\0"sv, "z"));
  EXPECT_FALSE(skips("\0\0\0\0\0\0\0\0"sv, "(y"));
  EXPECT_FALSE(skips("\1\0\0\0\0\0\0\0\0"sv, "a()"));
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested += "\1v\0"sv;
  EXPECT_FALSE(skips(nested, "v"));
}

}  // namespace
}  // namespace wasmoor::dbus
