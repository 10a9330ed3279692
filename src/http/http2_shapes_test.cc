// Requests of HTTP/2 that are none, or that a reader of HTTP/1.1 behind us could take for others
// (RFC 9113, sections 8.1.1, 8.2, 8.3 and 10.3).
#include "http/http2_peer_for_test.h"

namespace wasmoor::http {
namespace {

using test::Data;
using test::Frame;
using test::Get;
using test::Headers;
using test::Http2Test;
using test::kEndHeaders;
using test::kNone;
using test::kWhole;
using test::Pairs;
using test::Post;
using test::RequestFields;
using test::Settings;
using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::StartsWith;

constexpr const char* kReset = "reset 1 after ";

class Http2ShapesTest : public Http2Test {
 protected:
  // No handler has heard of anything, and the connection goes on.
  void TearDown() override {
    EXPECT_EQ(told_.begun, 0);
    EXPECT_EQ(Http2Test::Ask(101, Get(101, "/still")), "200: GET /still");
  }
  void SetUp() override { Begin(); }
  std::string Ask(const Pairs& fields, uint8_t flags = kWhole) {
    stream_ += 2;
    return Http2Test::Ask(stream_, Headers(stream_, fields, flags));
  }
  std::string AskWith(const std::string& name, const std::string& value) {
    return Ask(RequestFields("GET", "/", {{name, value}}));
  }
  uint32_t stream_ = static_cast<uint32_t>(-1);
};

TEST_F(Http2ShapesTest, RefusesPseudoFieldsThatAreMissingDoubledOrUnknown) {
  const Pairs whole = RequestFields("GET", "/");
  for (size_t left_out = 0; left_out < whole.size(); ++left_out) {
    Pairs fields = whole;
    fields.erase(fields.begin() + static_cast<ptrdiff_t>(left_out));
    EXPECT_EQ(Ask(fields), kReset) << left_out;
    fields = whole;
    fields.push_back(whole[left_out]);
    EXPECT_EQ(Ask(fields), kReset) << left_out;
  }
  Pairs late = {{"a", "b"}};
  late.insert(late.end(), whole.begin(), whole.end());
  EXPECT_EQ(Ask(late), kReset);
  EXPECT_EQ(Ask({}), kReset);
  EXPECT_EQ(AskWith(":status", "200"), kReset);
  EXPECT_EQ(AskWith(":protocol", "websocket"), kReset);
  EXPECT_EQ(AskWith(":other", "x"), kReset);
  EXPECT_EQ(Ask({{":method", "CONNECT"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}),
            kReset);
}

TEST_F(Http2ShapesTest, RefusesTargetsThatAreNone) {
  for (const char* path : {"", "a", "*", "/a b", "/a\tb", "/a\r\nx: y", "http://x/", "/\x7f"}) {
    EXPECT_THAT(Ask(RequestFields("GET", path)), AnyOf(Eq(kReset), StartsWith("400: "))) << path;
  }
  EXPECT_EQ(Ask(RequestFields("GET", std::string("/a\0b", 4))), kReset);
  for (const char* method : {"", "G T", "GET /x HTTP/1.1\r\n", "GET\t", "G:T"})
    EXPECT_THAT(Ask(RequestFields(method, "/")), AnyOf(Eq(kReset), StartsWith("400: "))) << method;
  for (const char* scheme : {"", "ftp", "h ttp", "http://x/?"})
    EXPECT_THAT(Ask({{":method", "GET"}, {":scheme", scheme}, {":path", "/"}, {":authority", "x"}}),
                AnyOf(Eq(kReset), StartsWith("400: ")))
        << scheme;
}

TEST_F(Http2ShapesTest, RefusesHostsThatAreNoneOrTwo) {
  for (const char* authority : {"a@b", "a b", "a\r\n", "x/y"})
    EXPECT_THAT(
        Ask({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", authority}}),
        AnyOf(Eq(kReset), StartsWith("400: ")))
        << authority;
  EXPECT_THAT(AskWith("host", "y"), StartsWith("400: "));
  EXPECT_THAT(AskWith("host", "x:80"), StartsWith("400: "));
  EXPECT_THAT(AskWith("host", ""), AnyOf(Eq(kReset), StartsWith("400: ")));
  EXPECT_EQ(Ask(RequestFields("GET", "/", {{"host", "x"}, {"host", "x"}})), kReset);
  EXPECT_EQ(Ask({{":method", "CONNECT"}}), kReset);
}

TEST_F(Http2ShapesTest, RefusesFieldsOfTheConnection) {
  for (const char* name :
       {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
    EXPECT_EQ(AskWith(name, "x"), kReset) << name;
  EXPECT_EQ(AskWith("transfer-encoding", "chunked"), kReset);
  EXPECT_EQ(AskWith("te", "gzip"), kReset);
  EXPECT_EQ(AskWith("te", "trailers, gzip"), kReset);
}

TEST_F(Http2ShapesTest, RefusesNamesThatAreNone) {
  for (const char* name :
       {"", "A", "x-A", "a b", "a:", "a\r\nb", "a\n", "\x80", "a(", "Content-Length"})
    EXPECT_EQ(AskWith(name, "1"), kReset) << name;
  EXPECT_EQ(AskWith(std::string("a\0", 2), "1"), kReset);
}

TEST_F(Http2ShapesTest, RefusesValuesThatEndBeforeTheirEnd) {
  for (const char* value :
       {"a\rb", "a\nb", "a\r\nb: c", "\r\n", " a", "a ", "\ta", "a\x01", "\x7f"})
    EXPECT_EQ(AskWith("a", value), kReset) << value;
  EXPECT_EQ(AskWith("a", std::string("b\0c", 3)), kReset);
}

TEST_F(Http2ShapesTest, RefusesLengthsThatAreNone) {
  for (const char* length : {"", "-1", "+1", "1 1", "1, 1", "0x1", "a", "99999999999999999999"})
    EXPECT_EQ(Ask(RequestFields("POST", "/", {{"content-length", length}}), kEndHeaders), kReset)
        << length;
  EXPECT_EQ(Ask(RequestFields("POST", "/", {{"content-length", "1"}, {"content-length", "1"}}),
                kEndHeaders),
            kReset);
  // Nothing follows.
  EXPECT_EQ(AskWith("content-length", "1"), kReset);
}

TEST_F(Http2ShapesTest, TheirHeadsAreOverAndNotWaitedFor) {
  server_.reset();
  limits_.head_time = std::chrono::milliseconds(100);
  Begin();
  std::vector<std::unique_ptr<test::Http2Peer>> peers;
  for (const Pairs& fields :
       {Pairs{{":method", "GET"}}, RequestFields("GET", "/", {{"A", "b"}}),
        RequestFields("GET", "/", {{"content-length", "1"}}), RequestFields("GET", "/a b")}) {
    Begin();
    Ask(fields);
    stream_ = static_cast<uint32_t>(-1);
    peers.push_back(std::move(peer_));
  }
  const auto some_end = [&] {
    return std::any_of(peers.begin(), peers.end(), [](const auto& one) { return !one->Read(); });
  };
  EXPECT_FALSE(RunUntilFor(std::chrono::seconds(2), some_end));
  peer_ = std::move(peers[0]);
}

class Http2LengthsTest : public Http2Test {};

TEST_F(Http2LengthsTest, ABodyOfAnotherLengthThanWasSaidEndsItsWork) {
  Begin();
  const auto post = [](uint32_t stream) {
    return Post(stream, "/want", {{"content-length", "3"}});
  };
  EXPECT_EQ(Ask(1, post(1) + Data(1, "ab")), kReset);
  EXPECT_EQ(Ask(3, post(3) + Data(3, "abcd")), kReset);
  EXPECT_EQ(Ask(5, post(5) + Data(5, "ab", kNone) + Headers(5, {{"x", "y"}})), kReset);
  EXPECT_EQ(Ask(7, post(7) + Data(7, "ab", kNone) + Data(7, "cd", kNone)), kReset);
  EXPECT_EQ(told_.begun, 4);
  EXPECT_EQ(told_.gone, 4);
  EXPECT_EQ(told_.broken, 0);
  EXPECT_EQ(Ask(9, post(9) + Data(9, "ab", kNone) + Data(9, "c")), "200: 3");
}

TEST_F(Http2LengthsTest, TrailersThatAreNoneEndTheirWork) {
  Begin();
  EXPECT_EQ(Ask(1, Post(1, "/want") + Headers(1, {{":path", "/"}})), kReset);
  EXPECT_EQ(Ask(3, Post(3, "/want") + Headers(3, {{"A", "b"}})), kReset);
  EXPECT_EQ(Ask(5, Post(5, "/want") + Headers(5, {{"a", "b\r\n"}})), kReset);
  EXPECT_EQ(Ask(7, Post(7, "/want") + Headers(7, {{"connection", "close"}})), kReset);
  // Trailers that do not end the request.
  EXPECT_EQ(Ask(9, Post(9, "/want") + Headers(9, {{"a", "b"}}, kEndHeaders)), kReset);
  EXPECT_EQ(told_.gone, 5);
}

class Http2FramesTest : public Http2Test {};

// RFC 9113, sections 4.2, 5.1, 6 and 7540's 3.2.
TEST_F(Http2FramesTest, FramesThatBreakTheProtocolEndTheConnection) {
  const std::string block = test::Block(RequestFields("GET", "/"));
  struct {
    std::string bytes;
    int code;
  } const all[] = {
      {Headers(2, RequestFields("GET", "/")), NGHTTP2_PROTOCOL_ERROR},
      {Headers(0, RequestFields("GET", "/")), NGHTTP2_PROTOCOL_ERROR},
      {Get(1, "/never") + Data(1, "x"), NGHTTP2_STREAM_CLOSED},
      {Data(1, "x"), NGHTTP2_PROTOCOL_ERROR},
      {Data(0, "x"), NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_DATA, test::kPadded, 0, "\x09x"), NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_HEADERS, kNone, 1, block) + test::Ping(), NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_HEADERS, kNone, 1, block) + Frame(NGHTTP2_CONTINUATION, kEndHeaders, 3),
       NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, block), NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_HEADERS, kEndHeaders, 1, "\xff\xff\xff\xff\xff"), NGHTTP2_COMPRESSION_ERROR},
      // An index of nothing; a table larger than was offered.
      {Frame(NGHTTP2_HEADERS, kWhole, 1, "\xbe"), NGHTTP2_COMPRESSION_ERROR},
      {Frame(NGHTTP2_HEADERS, kWhole, 1, "\x3f\xff\xff\x03"), NGHTTP2_COMPRESSION_ERROR},
      {Frame(NGHTTP2_PUSH_PROMISE, kEndHeaders, 1, test::Number(2, 4) + block),
       NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_PING, 0, 0, "short"), NGHTTP2_FRAME_SIZE_ERROR},
      {Frame(NGHTTP2_PING, 0, 1, "12345678"), NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_SETTINGS, 0, 0, "12345"), NGHTTP2_FRAME_SIZE_ERROR},
      {Frame(NGHTTP2_SETTINGS, 0, 1), NGHTTP2_PROTOCOL_ERROR},
      {Settings({{NGHTTP2_SETTINGS_ENABLE_PUSH, 2}}), NGHTTP2_PROTOCOL_ERROR},
      {Settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000}}), NGHTTP2_FLOW_CONTROL_ERROR},
      {Settings({{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 1}}), NGHTTP2_PROTOCOL_ERROR},
      {test::OpenWindow(0, 0x7fffffff), NGHTTP2_FLOW_CONTROL_ERROR},
      {test::OpenWindow(0, 0), NGHTTP2_PROTOCOL_ERROR},
      {test::OpenWindow(1, 1), NGHTTP2_PROTOCOL_ERROR},
      {test::Reset(1), NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_RST_STREAM, 0, 0, "1234"), NGHTTP2_PROTOCOL_ERROR},
      {Frame(NGHTTP2_HEADERS, kWhole, 1, std::string(16385, 'x')), NGHTTP2_FRAME_SIZE_ERROR},
      {Post(1, "/never") + Data(1, std::string(16385, 'x')), NGHTTP2_FRAME_SIZE_ERROR},
  };
  for (size_t i = 0; i < std::size(all); ++i) {
    Begin();
    Say(all[i].bytes);
    EXPECT_EQ(CodeOfEnd(), all[i].code) << i;
    EXPECT_EQ(told_.begun, told_.gone) << i;
  }
  EXPECT_TRUE(RunUntil([&] { return server_->connections() == 0; }));
}

TEST_F(Http2FramesTest, MoreThanTheWindowsAllowIsAnError) {
  Begin();
  Say(Post(1, "/never") + Post(3, "/want"));
  const std::string part(16'000, 'x');
  for (int i = 0; i < 5; ++i) Say(Data(1, part, kNone));
  EXPECT_EQ(peer_->said[1].reset, NGHTTP2_FLOW_CONTROL_ERROR);
  EXPECT_EQ(told_.gone, 1);
  EXPECT_EQ(Ask(3, Data(3, "abc")), "200: 3");
}

TEST_F(Http2FramesTest, AStreamThatIsPastIsNone) {
  Begin();
  EXPECT_EQ(Ask(5, Get(5, "/") + Get(3, "/")), "200: GET /");
  EXPECT_EQ(Ask(3, Data(3, "abc") + test::Reset(3)), "");
  EXPECT_EQ(told_.begun, 1);
  EXPECT_EQ(Ask(7, Get(7, "/")), "200: GET /");
}

TEST_F(Http2FramesTest, WhatItDoesNotKnowItLetsPass) {
  Begin();
  EXPECT_EQ(
      Ask(1, Frame(0xaa, 0xff, 0, "grease") + Frame(0xaa, 0xff, 1, "grease") +
                 Settings({{0xaaaa, 1}}) +
                 Frame(NGHTTP2_PRIORITY, 0, 7, std::string("\0\0\0\1\1", 5)) +
                 Frame(NGHTTP2_HEADERS, kWhole | test::kPadded, 1,
                       '\x05' + test::Block(RequestFields("GET", "/")) + std::string(5, '\0'))),
      "200: GET /");
}

TEST_F(Http2FramesTest, HangsUpOnWhatIsNoPreface) {
  for (const std::string& bytes :
       {std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"),
        std::string("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), std::string(test::kPreface) + Get(1, "/"),
        std::string(test::kPreface) + "noise, and more"}) {
    peer_ = NewPeer();
    Say(bytes);
    CodeOfEnd();
    EXPECT_EQ(told_.begun, 0) << bytes;
  }
}

}  // namespace
}  // namespace wasmoor::http
