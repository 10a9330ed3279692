#include "function/reply.h"

#include <gmock/gmock.h>

namespace wasmoor::function {
namespace {

using testing::ElementsAre;
using testing::Pair;

std::optional<ReplyHead> Read(Reply form, std::string_view output, bool ended = true) {
  auto head = ReadReplyHead(form, output, ended);
  EXPECT_TRUE(head) << (head ? "" : head.error().message());
  return head ? *std::move(head) : std::nullopt;
}

TEST(ReplyTest, TakesFieldsBeforeAnEmptyLine) {
  const std::string output = "Content-Type: image/png\nX-A:  b \r\n\r\nbytes";
  const auto head = Read(Reply::kAuto, output);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200U);
  EXPECT_THAT(head->fields, ElementsAre(Pair("Content-Type", "image/png"), Pair("X-A", "b")));
  EXPECT_EQ(output.substr(head->body_at), "bytes");
}

TEST(ReplyTest, TakesAStatusAndALocation) {
  EXPECT_EQ(Read(Reply::kAuto, "Status: 404 Not Found\n\n")->status, 404U);
  EXPECT_EQ(Read(Reply::kAuto, "Location: /there\n\n")->status, 302U);
  EXPECT_EQ(Read(Reply::kAuto, "Location: /there\nStatus: 201\n\n")->status, 201U);
}

TEST(ReplyTest, IsPlainWhereTheFieldsAreNone) {
  for (const std::string_view output :
       {"hello", "Note: this is text\n\nwith a colon", "Content-Type: text/html\nno field\n\n",
        "Content-Type: text/html", "Status: 99\n\n", "Status: many\n\n", "", "\n\n",
        "Content-Type: a\x01b\n\n"}) {
    const auto head = Read(Reply::kAuto, output);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->status, 200U) << output;
    EXPECT_EQ(head->body_at, 0U) << output;
    EXPECT_THAT(head->fields, ElementsAre(Pair("content-type", "text/plain; charset=utf-8")));
  }
}

TEST(ReplyTest, WaitsForTheRestOfWhatMayBeFields) {
  EXPECT_FALSE(Read(Reply::kAuto, "Content-Ty", /*ended=*/false));
  EXPECT_FALSE(Read(Reply::kAuto, "Content-Type: text/html\nX", /*ended=*/false));
  EXPECT_TRUE(Read(Reply::kAuto, "Hello, wor", /*ended=*/false));
}

TEST(ReplyTest, LeavesOutWhatIsTheConnectionsOwn) {
  const auto head =
      Read(Reply::kCgi, "Content-Type: a/b\nConnection: close\nContent-Length: 5\nUpgrade: x\n\n");
  EXPECT_THAT(head->fields, ElementsAre(Pair("Content-Type", "a/b")));
}

TEST(ReplyTest, IsRefusedIfItMustHaveFieldsAndHasNone) {
  EXPECT_FALSE(ReadReplyHead(Reply::kCgi, "hello", true));
}

TEST(ReplyTest, IsTakenAsItIsIfThatIsAskedFor) {
  EXPECT_EQ(Read(Reply::kPlain, "Status: 404\n\n")->body_at, 0U);
  EXPECT_EQ(Read(Reply::kWasmbox, "Status: 404\n\n")->status, 200U);
}

}  // namespace
}  // namespace wasmoor::function
