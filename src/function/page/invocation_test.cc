#include "function/page/invocation.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace wasmoor::function::page {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(InvocationTest, IsALineOfJsonAndTheBody) {
  const auto call = ReadCall(
      "{\"method\":\"POST\",\"target\":\"/a/b?c=%20\",\"fields\":[[\"X-A\",\" b \"]]}\n"
      "body\nwith\0lines");
  ASSERT_TRUE(call) << call.error().message();
  EXPECT_EQ(call->method, "POST");
  EXPECT_EQ(call->target, "/a/b?c=%20");
  EXPECT_THAT(call->fields, ElementsAre(Pair("X-A", "b")));
  EXPECT_EQ(call->body, "body\nwith");
}

TEST(InvocationTest, KeepsABodyByteByByte) {
  const std::string body("\0\xff\r\n\n", 5);
  const auto call = ReadCall("{\"method\":\"PUT\",\"target\":\"/a\"}\n" + body);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->body, body);
}

TEST(InvocationTest, RefusesWhatIsNoCall) {
  for (const std::string_view text :
       {"", "\n", "{}", "{}\n", "[]\n", "null\n", "{\"method\":\"GET\"}\n",
        "{\"method\":1,\"target\":\"/\"}\n", "{\"method\":\"GET\",\"target\":\"/\"}",
        "{\"method\":\"GET\",\"target\":\"/\",\"fields\":{}}\n",
        "{\"method\":\"GET\",\"target\":\"/\",\"fields\":[1]}\n",
        "{\"method\":\"GET\",\"target\":\"/\",\"fields\":[[\"a\"]]}\n",
        "{\"method\":\"GET\",\"target\":\"/\",\"fields\":[[\"a\",1]]}\n"})
    EXPECT_FALSE(ReadCall(text)) << text;
  EXPECT_FALSE(ReadCall(std::string(30'000, '[') + "\n"));
}

// What the parser of HTTP keeps from getting to a function.
TEST(InvocationTest, RefusesWhatCouldNotStandInARequest) {
  const auto refused = [](std::string_view method, std::string_view target, std::string_view name,
                          std::string_view value) {
    nlohmann::json head = {{"method", method}, {"target", target}};
    head["fields"].push_back(nlohmann::json::array({name, value}));
    const auto call = ReadCall(head.dump() + "\n");
    return call ? std::string() : std::string(call.error().message());
  };
  EXPECT_EQ(refused("GET", "/a", "x", "y"), "");
  for (const std::string_view method : {"", "GET /", "G\r\n", "CONNECT", "G\xc3\xa9T"})
    EXPECT_THAT(refused(method, "/a", "x", "y"), HasSubstr("no method")) << method;
  EXPECT_THAT(refused(std::string(100, 'A'), "/a", "x", "y"), HasSubstr("no method"));
  for (const std::string_view target :
       {"", "a", "*", "http://x/", "/a b", "/a\r\nx: y", "/a\x01", "/a\x7f"})
    EXPECT_THAT(refused("GET", target, "x", "y"), HasSubstr("no path")) << target;
  for (const std::string_view name : {"", "a b", "a:", "a\r\nb", "\xc3\xa9"})
    EXPECT_THAT(refused("GET", "/a", name, "y"), HasSubstr("no name")) << name;
  for (const std::string_view value : {"a\r\nb: c", "a\nb", "a\x01"})
    EXPECT_THAT(refused("GET", "/a", "x", value), HasSubstr("cannot be sent")) << value;
  for (const std::string_view name :
       {"Content-Length", "transfer-encoding", "Connection", "upgrade", "Expect", "Keep-Alive"})
    EXPECT_THAT(refused("GET", "/a", name, "1"), HasSubstr("leave it out")) << name;
}

TEST(InvocationTest, RefusesTooMuch) {
  const std::string head = "{\"method\":\"PUT\",\"target\":\"/a\"}\n";
  EXPECT_TRUE(ReadCall(head + std::string(kMostCallBody, 'x')));
  EXPECT_FALSE(ReadCall(head + std::string(kMostCallBody + 1, 'x')));
  EXPECT_FALSE(ReadCall(std::string(kMostCallHead, ' ') + head));
}

TEST(InvocationTest, TellsAReplyThatAnybodyHasWritten) {
  const CallReply reply{.status = 200,
                        .fields = {{"x-a", "\"<script>\xff\n"}},
                        .body = "{\"no\": \"head\"}\n\xff",
                        .end = CallReply::End::kCut,
                        .took = std::chrono::milliseconds(2)};
  const std::string text = WriteReply(reply);
  const size_t end = text.find('\n');
  const auto head = nlohmann::json::parse(text.substr(0, end), nullptr, false);
  ASSERT_TRUE(head.is_object()) << text;
  EXPECT_EQ(head["status"], 200);
  EXPECT_EQ(head["end"], "cut");
  EXPECT_EQ(head["seconds"], 0.002);
  EXPECT_EQ(head["fields"][0][1], "\"<script>\\xff\\x0a");
  EXPECT_EQ(text.substr(end + 1), reply.body);
}

}  // namespace
}  // namespace wasmoor::function::page
