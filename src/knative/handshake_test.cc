#include "knative/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "knative/address.h"

namespace wasmoor::knative {
namespace {

using ::testing::HasSubstr;

// RFC 6455, section 1.3.
constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

std::string Head(std::string_view status, std::string_view fields) {
  return fmt::format("HTTP/1.1 {}\r\n{}\r\n", status, fields);
}
std::string Fields(std::string_view accept) {
  return fmt::format("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
                     accept);
}
std::string WhatIsWrong(const std::string& head) {
  const Status status = CheckHandshake(head, kKey);
  return status ? "" : status.error().message();
}

TEST(HandshakeTest, TheKeyIsTheNonceAndTheServerAnswersIt) {
  constexpr std::string_view kNonce = "the sample nonce";
  Nonce nonce;
  std::copy(kNonce.begin(), kNonce.end(), nonce.begin());
  EXPECT_EQ(KeyOf(nonce), kKey);
  EXPECT_EQ(AcceptFor(kKey), kAccept);
}

TEST(HandshakeTest, TheRequestHasAllThatAServerNeeds) {
  const std::string request = HandshakeRequest("127.0.0.1:9096", "/", kKey);
  EXPECT_TRUE(request.starts_with("GET / HTTP/1.1\r\nHost: 127.0.0.1:9096\r\n"));
  for (const char* line :
       {"Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"})
    EXPECT_THAT(request, HasSubstr(line));
  EXPECT_TRUE(request.ends_with("\r\n\r\n"));
}

TEST(HandshakeTest, TheRightAnswerIsOneInWhateverCaseItsWordsAre) {
  EXPECT_EQ(WhatIsWrong(Head("101 Switching Protocols", Fields(kAccept))), "");
  EXPECT_EQ(
      WhatIsWrong(Head("101 Yes", fmt::format("UPGRADE: WebSocket\r\nconnection: keep-alive, "
                                              "upgrade\r\nsec-websocket-accept:{} \r\nServer: "
                                              "x\r\n",
                                              kAccept))),
      "");
}

TEST(HandshakeTest, AnotherStatusIsSaid) {
  EXPECT_THAT(WhatIsWrong(Head("404 Not Found", "")), HasSubstr("404"));
  EXPECT_THAT(WhatIsWrong(Head("200 OK", Fields(kAccept))), HasSubstr("200"));
  EXPECT_THAT(WhatIsWrong(Head("426 Upgrade Required", "Content-Length: 5\r\n")), HasSubstr("426"));
}

TEST(HandshakeTest, AWrongAcceptIsRefused) {
  EXPECT_THAT(WhatIsWrong(Head("101 x", Fields(""))), HasSubstr("Accept"));
  EXPECT_THAT(WhatIsWrong(Head("101 x", Fields(kKey))), HasSubstr("Accept"));
  EXPECT_THAT(WhatIsWrong(Head("101 x", Fields("S3PPLMBITXAQ9KYGZZHZRBK+XOO="))),
              HasSubstr("Accept"));
  EXPECT_THAT(WhatIsWrong(Head("101 x", "Upgrade: websocket\r\nConnection: Upgrade\r\n")),
              HasSubstr("Accept"));
  EXPECT_THAT(WhatIsWrong(Head("101 x", Fields(kAccept) + "Sec-WebSocket-Accept: " +
                                            std::string(kAccept) + "\r\n")),
              HasSubstr("Accept"));
}

TEST(HandshakeTest, WithoutUpgradeOrConnectionItIsNone) {
  const std::string accept = fmt::format("Sec-WebSocket-Accept: {}\r\n", kAccept);
  EXPECT_THAT(WhatIsWrong(Head("101 x", accept)), HasSubstr("something else"));
  EXPECT_THAT(WhatIsWrong(Head("101 x", accept + "Connection: Upgrade\r\n")),
              HasSubstr("something else"));
  EXPECT_THAT(WhatIsWrong(Head("101 x", accept + "Upgrade: h2c\r\nConnection: Upgrade\r\n")),
              HasSubstr("something else"));
  EXPECT_THAT(WhatIsWrong(Head("101 x", accept + "Upgrade: websocket\r\nConnection: close\r\n")),
              HasSubstr("something else"));
}

TEST(HandshakeTest, WhatNobodyAskedForIsRefused) {
  EXPECT_THAT(WhatIsWrong(Head(
                  "101 x", Fields(kAccept) + "Sec-WebSocket-Extensions: permessage-deflate\r\n")),
              HasSubstr("extension"));
  EXPECT_THAT(WhatIsWrong(Head("101 x", Fields(kAccept) + "Sec-WebSocket-Protocol: chat\r\n")),
              HasSubstr("protocol"));
}

TEST(HandshakeTest, WhatIsNoHttpIsSaid) {
  for (const char* head :
       {"+OK\r\n\r\n", "\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "HTTP/1.1 101 x\r\nno field\r\n\r\n", "HTTP/1.1 101\r\nUpgrade : websocket\r\n\r\n"})
    EXPECT_NE(WhatIsWrong(head), "") << head;
}

TEST(AddressTest, AnIpAddressOrLocalhostIsOneWithTheSchemeOrWithout) {
  const auto authority = [](std::string_view host) {
    const auto address = ParseAddress(host, 9096);
    return address ? address->authority : address.error().message();
  };
  EXPECT_EQ(authority("127.0.0.1"), "127.0.0.1:9096");
  EXPECT_EQ(authority("ws://127.0.0.1"), "127.0.0.1:9096");
  EXPECT_EQ(authority("ws://127.0.0.1/"), "127.0.0.1:9096");
  EXPECT_EQ(authority("localhost"), "127.0.0.1:9096");
  EXPECT_EQ(authority("::1"), "[::1]:9096");
  EXPECT_EQ(authority("ws://[::1]"), "[::1]:9096");
}

TEST(AddressTest, EverythingElseIsNone) {
  for (const char* host : {"", "ws://", "queue-proxy", "127.0.0.1:9096", "http://127.0.0.1",
                           "wss://127.0.0.1", "127.0.0.1\n", "[127.0.0.1", "1.2.3"}) {
    const auto address = ParseAddress(host, 9096);
    ASSERT_FALSE(address) << host;
    EXPECT_EQ(address.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(address.error().message().find('\n'), std::string::npos);
  }
  EXPECT_FALSE(ParseAddress("127.0.0.1", 0));
}

}  // namespace
}  // namespace wasmoor::knative
