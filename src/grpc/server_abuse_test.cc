// What clients do to the server that are mistaken, or mean it ill.
#include <random>

#include "grpc/service_for_test.h"

namespace wasmoor::grpc {
namespace {

using test::Block;
using test::CallFields;
using test::Data;
using test::Frame;
using test::Headers;
using test::kPreface;
using test::Reset;
using test::Settings;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

constexpr uint8_t kNoFlags = 0;

class GrpcServerAbuseTest : public test::ServerTest {
 protected:
  // The server is in order: another client is served.
  void TearDown() override { EXPECT_EQ(Ask("Echo", "still there"), "ok: still there"); }
};

class GrpcServerBoundsTest : public test::ServerTest {
 protected:
  GrpcServerBoundsTest() : ServerTest({.most_bytes = 1000}) {}
};

TEST_F(GrpcServerAbuseTest, RefusesWhatIsCompressed) {
  std::string body = WithPrefix("x");
  body[0] = 1;
  EXPECT_THAT(Say(Headers(1, CallFields("Echo", {{"grpc-encoding", "gzip"}})) + Data(1, body)),
              AllOf(StartsWith("12: /test.Service/Echo: "), HasSubstr("compressed")));
  EXPECT_EQ(peer->answers[1].Find("grpc-accept-encoding"), "identity");
  EXPECT_EQ(service.calls, 0);
}

TEST_F(GrpcServerBoundsTest, RefusesWhatIsTooBigAndLivesOn) {
  EXPECT_EQ(Say(test::Call(1, "Echo", std::string(1000, 'x'))), "ok: " + std::string(1000, 'x'));
  EXPECT_THAT(Say(test::Call(3, "Echo", std::string(1001, 'x')), 3), StartsWith("8: "));
  // Only claimed: nothing of it is waited for, and what comes of it nevertheless is not read.
  const std::string claim("\0\xff\xff\xff\xff", 5);
  EXPECT_THAT(Say(Headers(5, CallFields("Echo")) + Data(5, claim, kNoFlags), 5), StartsWith("8: "));
  EXPECT_EQ(peer->answers[5].reset, NGHTTP2_NO_ERROR);
  EXPECT_EQ(Say(Data(5, std::string(10'000, 'x'), kNoFlags) + test::Call(7, "Echo", "a"), 7),
            "ok: a");
  EXPECT_EQ(service.calls, 2);
}

TEST_F(GrpcServerBoundsTest, RefusesMoreThanItHoldsOfRequestsThatHaveNotComeWhole) {
  const std::string most = WithPrefix(std::string(1000, 'x'));
  const std::string_view part = std::string_view(most).substr(0, most.size() - 1);
  uint32_t stream = 1;
  for (; stream < 9; stream += 2)
    EXPECT_EQ(Say(Headers(stream, CallFields("Echo")) + Data(stream, part, kNoFlags), stream),
              "open");
  EXPECT_THAT(Say(Headers(stream, CallFields("Echo")) + Data(stream, part, kNoFlags), stream),
              AllOf(StartsWith("8: "), HasSubstr("too many")));
  // Those before are not the worse for it, and make room when they end.
  EXPECT_THAT(Say(Data(1, "x"), 1), StartsWith("ok: x"));
  peer->Write(Reset(3));
  EXPECT_THAT(Say(test::Call(11, "Echo", std::string(900, 'y')), 11), StartsWith("ok: y"));
}

TEST_F(GrpcServerAbuseTest, RefusesWhatIsNotExactlyOneMessage) {
  EXPECT_THAT(Say(Headers(1, CallFields("Echo")) + Data(1, "")),
              AllOf(StartsWith("12: "), HasSubstr("got none")));
  EXPECT_THAT(
      Say(Headers(3, CallFields("Echo"), NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM), 3),
      StartsWith("12: "));
  EXPECT_THAT(Say(Headers(5, CallFields("Echo")) + Data(5, WithPrefix("a") + WithPrefix("b")), 5),
              AllOf(StartsWith("12: "), HasSubstr("no stream")));
  EXPECT_THAT(Say(Headers(7, CallFields("Echo")) + Data(7, WithPrefix("abc").substr(0, 7)), 7),
              AllOf(StartsWith("3: "), HasSubstr("within a message")));
  EXPECT_EQ(service.calls, 0);
}

TEST_F(GrpcServerAbuseTest, AnswersOtherKindsOfHttpInTheirWay) {
  test::Fields fields = CallFields("Echo");
  fields[0].second = "GET";
  EXPECT_EQ(Say(Headers(1, fields) + Data(1, WithPrefix("x"))), "http 405");
  for (const char* type : {"text/html", "application/grpc-web", "application/grpcx", ""}) {
    peer = NewPeer();
    peer->Write(std::string(kPreface) + Settings());
    fields = CallFields("Echo");
    fields.back().second = type;
    EXPECT_EQ(Say(Headers(1, fields) + Data(1, WithPrefix("x"))), "http 415") << type;
  }
  EXPECT_EQ(service.calls, 0);
  for (const char* type : {"application/grpc+proto", "application/grpc;v=1"}) {
    peer = NewPeer();
    peer->Write(std::string(kPreface) + Settings());
    fields.back().second = type;
    EXPECT_EQ(Say(Headers(1, fields) + Data(1, WithPrefix("x"))), "ok: x") << type;
  }
}

TEST_F(GrpcServerAbuseTest, TakesARequestHoweverItIsCut) {
  const std::string bytes = std::string(kPreface) + Settings() + test::Call(1, "Echo", "hello");
  peer = NewPeer();
  for (const char byte : bytes) {
    peer->Write(std::string_view(&byte, 1));
    loop->RunOnce(0ms);
  }
  EXPECT_EQ(Say(""), "ok: hello");
  // Data in frames of a byte, and with padding.
  std::string cut = Headers(3, CallFields("Echo"));
  for (const char byte : WithPrefix("again")) cut += Data(3, std::string(1, byte), kNoFlags);
  EXPECT_EQ(Say(cut + Frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_PADDED, 3,
                            std::string("\3\0\0\0", 4)),
                3),
            "ok: again");
}

TEST_F(GrpcServerAbuseTest, AClientMayGoInTheMiddleOfARequest) {
  const std::string bytes = std::string(kPreface) + Settings() + test::Call(1, "Keep", "hello");
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto other = NewPeer();
    other->Write(std::string_view(bytes).substr(0, size));
    loop->RunOnce(0ms);
    other->HangUp();
    ASSERT_TRUE(RunUntil([&] { return server->connections() == 1; })) << size;
  }
  EXPECT_EQ(service.calls, 0);
}

TEST_F(GrpcServerAbuseTest, HangsUpOnWhoDoesNotSpeakHttp2) {
  std::minstd_rand random(1);
  std::string noise(5000, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        std::string("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 11), noise,
        std::string(kPreface) + noise, std::string(kPreface) + Headers(1, CallFields("Echo")),
        std::string(kPreface) + Settings() + Headers(2, CallFields("Echo")),
        std::string(kPreface) + Settings() + Data(1, "data of no stream"),
        std::string(kPreface) + Settings() + Frame(NGHTTP2_HEADERS, 4, 1, "\xff\xff\xff\xff\xff"),
        std::string(kPreface) + Settings() + Frame(NGHTTP2_PING, 0, 0, "short"),
        std::string(kPreface) + Settings() +
            Frame(NGHTTP2_SETTINGS, 0, 0, std::string(20000, 'x'))}) {
    peer = NewPeer();
    EXPECT_TRUE(IsHungUpOn(bytes)) << bytes.substr(0, 40);
  }
  EXPECT_EQ(service.calls, 0);
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(GrpcServerAbuseTest, LivesThroughNoiseInEveryPlace) {
  const std::string bytes = std::string(kPreface) + Settings() + test::Call(1, "Echo", "hello") +
                            Frame(NGHTTP2_PING, 0, 0, "12345678") + Reset(1) +
                            test::Call(3, "Keep", "hello", {{"grpc-timeout", "1S"}});
  std::minstd_rand random(2);
  for (int round = 0; round < 3000; ++round) {
    std::string wrong = bytes;
    for (size_t changes = 1 + random() % 3; changes > 0; --changes)
      wrong[kPreface.size() + random() % (wrong.size() - kPreface.size())] =
          static_cast<char>(random());
    auto other = NewPeer();
    other->Write(wrong);
    loop->RunOnce(0ms);
    loop->RunOnce(0ms);
    other->Read();
  }
  service.kept.clear();
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 1; }));
}

TEST_F(GrpcServerAbuseTest, RefusesHeadersWithoutEnd) {
  // As many as one frame holds, and the next ones.
  std::string block = Block(CallFields("Echo"));
  const std::string more = test::Literal("x-" + std::string(90, 'n'), std::string(100, 'v'));
  while (block.size() < 60'000) block += more;
  std::string frames;
  constexpr size_t kMostInFrame = 16384;
  for (size_t at = 0; at < block.size(); at += kMostInFrame) {
    const bool last = at + kMostInFrame >= block.size();
    frames +=
        Frame(at == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, last ? NGHTTP2_FLAG_END_HEADERS : 0,
              1, std::string_view(block).substr(at, kMostInFrame));
  }
  EXPECT_THAT(Say(frames + Data(1, WithPrefix("x"))),
              AllOf(StartsWith("8: "), HasSubstr("no end")));
  // And a block that is continued for ever.
  frames = Frame(NGHTTP2_HEADERS, 0, 3, Block(CallFields("Echo")));
  for (int i = 0; i < 1000; ++i) frames += Frame(NGHTTP2_CONTINUATION, 0, 3, more);
  EXPECT_TRUE(IsHungUpOn(frames));
  EXPECT_EQ(service.calls, 0);
}

TEST_F(GrpcServerAbuseTest, DoesNotReadFromWhoDoesNotTakeAnswers) {
  const std::string ping = Frame(NGHTTP2_PING, 0, 0, "12345678");
  const std::string settings = Settings(std::string("\0\3\0\0\0\1", 6));
  std::string many;
  for (int i = 0; i < 500; ++i) many += ping + settings;
  // The server reads on only as far as the socket takes what it says to that.
  size_t taken = 0;
  std::string left;
  for (int i = 0; i < 1000 && server->connections() == 1; ++i) {
    if (left.empty()) left = many;
    const size_t now = peer->Offer(left);
    left.erase(0, now);
    taken += now;
    loop->RunOnce(0ms);
  }
  EXPECT_LT(taken, 500 * many.size());
}

TEST_F(GrpcServerAbuseTest, HangsUpOnWhoLetsAnswersPileUp) {
  // INITIAL_WINDOW_SIZE 0: nothing of a body may be sent.
  std::string asks = Settings(std::string("\0\4\0\0\0\0", 6));
  for (uint32_t stream = 1; stream < 200; stream += 2) asks += test::Call(stream, "Keep", "");
  peer->Write(asks);
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 100; }));
  const std::string big(1 << 20, 'b');
  for (auto& [message, reply] : service.kept) reply(big);
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
  EXPECT_EQ(server->open_calls(), 0u);
}

TEST_F(GrpcServerAbuseTest, WaitsForAWindowWithAnAnswer) {
  EXPECT_EQ(Say(Settings(std::string("\0\4\0\0\0\0", 6)) + test::Call(1, "Echo", "slowly")),
            "open");
  EXPECT_EQ(server->open_calls(), 0u);
  for (int i = 0; i < 11; ++i) Say(Frame(NGHTTP2_WINDOW_UPDATE, 0, 1, std::string("\0\0\0\1", 4)));
  EXPECT_EQ(peer->answers[1].Say(), "ok: slowly");
  EXPECT_EQ(peer->frames[NGHTTP2_DATA], 11);
}

TEST_F(GrpcServerAbuseTest, HangsUpOnWhoBeginsAndEndsCallsWithoutEnd) {
  uint32_t stream = 1;
  const auto hung_up = [&] {
    std::string many;
    for (int i = 0; i < 100; ++i, stream += 2)
      many += test::Call(stream, "Keep", "") + Reset(stream);
    peer->Offer(many);
    service.kept.clear();
    return server->connections() == 0;
  };
  ASSERT_TRUE(RunUntil(hung_up));
  EXPECT_LT(service.calls, 5000);
}

TEST_F(GrpcServerAbuseTest, HasABoundOnOpenCalls) {
  constexpr uint32_t kMost = 65536;
  uint32_t stream = 1;
  std::string left;
  const auto ask = [&] {
    for (; left.size() < 30'000 && stream < 2 * kMost + 2; stream += 2)
      left += test::Call(stream, "Keep", "");
    left.erase(0, peer->Offer(left));
    return service.kept.size() == kMost && left.empty() && stream > 2 * kMost;
  };
  const auto end = Clock::now() + 60s;
  while (!ask() && Clock::now() < end) loop->RunOnce(1ms);
  Settle();
  EXPECT_EQ(service.kept.size(), kMost);
  // One more breaks the rule that the server's SETTINGS made.
  EXPECT_TRUE(RunUntil([&] { return !peer->Read() || peer->answers[2 * kMost + 1].reset >= 0; }));
}

}  // namespace
}  // namespace wasmoor::grpc
