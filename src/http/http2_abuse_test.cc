// What clients of HTTP/2 do that mean it ill: each is bounded, and the server serves others.
#include <random>

#include "http/http2_peer_for_test.h"

namespace wasmoor::http {
namespace {

using test::Block;
using test::Data;
using test::Frame;
using test::Get;
using test::Http2Test;
using test::kEndStream;
using test::kNone;
using test::kPadded;
using test::kPreface;
using test::kWhole;
using test::Literal;
using test::OpenWindow;
using test::Pairs;
using test::Ping;
using test::Post;
using test::RequestFields;
using test::Reset;
using test::Settings;
using ::testing::StartsWith;
using namespace std::chrono_literals;

class Http2AbuseTest : public Http2Test {
 protected:
  // The server is in order: another client is served, and nothing is left of this one.
  void TearDown() override {
    peer_->HangUp();
    Settle();
    EXPECT_EQ(told_.begun, told_.gone);
    EXPECT_EQ(server_->connections(), 0U);
    Begin();
    EXPECT_EQ(Ask(1, Get(1, "/still")), "200: GET /still");
  }

  // How often `bytes` can be said before the server hangs up on the client, by telling it to be
  // calm.
  int HowOften(const std::function<std::string()>& bytes, int most = 20'000) {
    int often = 0;
    while (often < most && Say(bytes())) ++often;
    if (often < most) {
      EXPECT_EQ(CodeOfEnd(), NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return often;
  }
  int HowOften(const std::string& bytes) {
    return HowOften([&] { return bytes; });
  }
};

// CVE-2023-44487.
TEST_F(Http2AbuseTest, RequestsThatAreTakenBackAtOnce) {
  Begin();
  uint32_t stream = static_cast<uint32_t>(-1);
  EXPECT_LT(HowOften([&] {
              stream += 2;
              return Get(stream, "/never") + Reset(stream);
            }),
            1000);
  EXPECT_LT(told_.begun, 1000);
}

TEST_F(Http2AbuseTest, RequestsThatAreTakenBackAtOnceAndTogether) {
  Begin();
  std::string all;
  for (uint32_t stream = 1; stream < 10'000; stream += 2)
    all += Get(stream, "/never") + Reset(stream);
  EXPECT_FALSE(Say(all));
  EXPECT_LT(told_.begun, 1000);
}

// Of CVE-2025-8671: the server is made to take them back.
TEST_F(Http2AbuseTest, RequestsThatTheServerMustTakeBack) {
  Begin();
  uint32_t stream = static_cast<uint32_t>(-1);
  EXPECT_LT(HowOften([&] {
              stream += 2;
              return Get(stream, "/never") + OpenWindow(stream, 0x7fffffff);
            }),
            1000);
  Begin();
  stream = static_cast<uint32_t>(-1);
  EXPECT_LT(HowOften([&] {
              stream += 2;
              return Post(stream, "/never", {{"content-length", "1"}}) + Data(stream, "ab");
            }),
            2000);
}

TEST_F(Http2AbuseTest, RequestsThatAreNone) {
  Begin();
  uint32_t stream = static_cast<uint32_t>(-1);
  EXPECT_LT(HowOften([&] { return Get(stream += 2, "/", {{"connection", "x"}}); }), 2000);
  EXPECT_EQ(told_.begun, 0);
}

TEST_F(Http2AbuseTest, RequestsBeyondTheLimit) {
  limits_.streams = 4;
  Begin();  // It never says that it has heard of the limit.
  uint32_t stream = static_cast<uint32_t>(-1);
  EXPECT_LT(HowOften([&] { return Get(stream += 2, "/never"); }), 2000);
  EXPECT_EQ(told_.begun, 4);
}

TEST_F(Http2AbuseTest, ARequestThatIsTakenBackAfterAWhileIsNone) {
  Begin();
  for (uint32_t stream = 1; stream < 12'000; stream += 2 * 200) {
    std::string asks, resets;
    for (uint32_t one = stream; one < stream + 2 * 200; one += 2) {
      asks += Get(one, "/never");
      resets += Reset(one);
    }
    ASSERT_TRUE(Say(asks));
    RunUntilFor(1s, [begun = std::chrono::steady_clock::now()] {
      return std::chrono::steady_clock::now() > begun + 110ms;
    });
    ASSERT_TRUE(Say(resets)) << stream;
  }
}

TEST_F(Http2AbuseTest, FramesThatAreForNothing) {
  const std::string empty = Data(1, "", kNone),
                    padding = Frame(NGHTTP2_DATA, kPadded, 1, '\xff' + std::string(255, '\0'));
  for (const std::string& frame :
       {Ping(), Settings(), Settings({{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0}}),
        Frame(NGHTTP2_PING, 1, 0, "12345678"),
        Frame(NGHTTP2_PRIORITY, 0, 9, std::string("\0\0\0\1\1", 5)), Frame(0xaa, 0, 0, "x"),
        Frame(0x10, 0, 0, std::string("\0\0\0\1u=1", 7)), empty, padding, OpenWindow(1, 1),
        Reset(3), Data(3, "x", kNone)}) {
    Begin();
    // Of the last two the stream is past.
    Say(Post(1, "/never") + Get(3, "/"));
    EXPECT_LT(HowOften(frame), 2000) << testing::PrintToString(frame.substr(0, 20));
  }
}

// What comes in one piece cannot make the server queue answers without end.
TEST_F(Http2AbuseTest, FramesThatAreForNothingInOnePiece) {
  for (const std::string& frame : {Ping(), Settings(), Data(1, "", kNone)}) {
    Begin();
    Say(Post(1, "/never"));
    std::string all;
    while (all.size() < 1 << 20) all += frame;
    EXPECT_FALSE(Say(all));
  }
}

TEST_F(Http2AbuseTest, WhoWorksMuchMayAlsoPingMuch) {
  Begin();
  for (uint32_t stream = 1; stream < 10'000; stream += 2)
    ASSERT_EQ(Ask(stream, Get(stream, "/") + Ping()), "200: GET /");
}

TEST_F(Http2AbuseTest, AnswersThatNobodyTakes) {
  Begin({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30}});
  Say(OpenWindow(0, 1 << 30));
  // The server reads on only as far as the socket takes what it says to that.
  uint32_t stream = static_cast<uint32_t>(-1);
  std::string left;
  size_t taken = 0;
  for (int i = 0; i < 5000; ++i) {
    if (left.size() < 30'000) {
      for (int each = 0; each < 100; ++each) left += Get(stream += 2, "/" + std::string(900, 'x'));
    }
    const size_t now = peer_->Offer(left);
    left.erase(0, now);
    taken += now;
    loop_->RunOnce(0ms);
  }
  EXPECT_LT(taken, 10u << 20);
  EXPECT_EQ(server_->connections(), 1U);
}

// CVE-2024-28182 and its like.
TEST_F(Http2AbuseTest, AHeadWithoutEnd) {
  Begin();
  std::string frames = Frame(NGHTTP2_HEADERS, kEndStream, 1, Block(RequestFields("GET", "/")));
  for (int i = 0; i < 1000; ++i)
    frames += Frame(NGHTTP2_CONTINUATION, kNone, 1, Literal("a", std::string(1000, 'b')));
  EXPECT_FALSE(Say(frames));
  Begin();
  frames = Frame(NGHTTP2_HEADERS, kEndStream, 1, Block(RequestFields("GET", "/")));
  for (int i = 0; i < 100'000; ++i) frames += Frame(NGHTTP2_CONTINUATION, kNone, 1);
  EXPECT_FALSE(Say(frames));
  EXPECT_EQ(told_.begun, 0);
}

// A byte each, for a field of 4 KB that is in the table.
TEST_F(Http2AbuseTest, AHeadThatUnpacksToMuch) {
  Begin();
  const std::string add =
      std::string("\x40") + test::HpackText("a") + test::HpackText(std::string(4000, 'b'));
  const std::string bomb = Block(RequestFields("GET", "/")) + add + std::string(10'000, '\xbe');
  EXPECT_THAT(Ask(1, Frame(NGHTTP2_HEADERS, kWhole, 1, bomb)), StartsWith("431: "));
  EXPECT_EQ(told_.begun, 0);
  EXPECT_EQ(Ask(3, Get(3, "/")), "200: GET /");
}

TEST_F(Http2AbuseTest, ATableOfGigabytes) {
  Begin({{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0xffffffff}});
  for (uint32_t stream = 1; stream < 99; stream += 2)
    EXPECT_EQ(Ask(stream, Get(stream, "/")), "200: GET /");
  EXPECT_LE(peer_->largest_table, 4096U);
  EXPECT_EQ(peer_->settings.count(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE), 0U);
}

TEST_F(Http2AbuseTest, AnswersThatNoWindowLetsOut) {
  limits_.stall_time = 100ms;
  Begin({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}});
  std::string asks;
  for (uint32_t stream = 1; stream < 400; stream += 2) asks += Get(stream, "/big");
  Say(asks);
  EXPECT_EQ(told_.begun, 200);
  EXPECT_TRUE(RunUntil([&] { return peer_->Read() && told_.gone == 200; }));
  EXPECT_EQ(peer_->said[399].reset, NGHTTP2_CANCEL);
  EXPECT_EQ(Ask(401, Get(401, "/empty")), "204: ");
}

TEST_F(Http2AbuseTest, AnAnswerThatIsTakenByTheByte) {
  Begin({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}});
  Say(Get(1, "/big"));
  EXPECT_LT(HowOften(OpenWindow(1, 1)), 2000);
}

TEST_F(Http2AbuseTest, WindowsThatGrowAndShrinkWithoutEnd) {
  Begin();
  Say(Get(1, "/big"));
  const std::string less = Settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}}),
                    more = Settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}});
  EXPECT_LT(HowOften(less + more), 2000);
}

TEST_F(Http2AbuseTest, FramesThatStopInTheMiddle) {
  limits_.head_time = limits_.idle_time = limits_.stall_time = 100ms;
  for (const std::string& bytes : {Get(1, "/"), Frame(NGHTTP2_SETTINGS, 0, 0, "123456"), Ping(),
                                   Post(1, "/want") + Data(1, "abc")}) {
    Begin();
    Say(std::string_view(bytes).substr(0, bytes.size() - 1));
    EXPECT_TRUE(RunUntil([&] { return !peer_->Read(); }));
    peer_->HangUp();
  }
  Settle();
}

TEST_F(Http2AbuseTest, AClientThatGoesInTheMiddle) {
  const std::string bytes = std::string(kPreface) + Settings() + Post(1, "/echo") +
                            Data(1, "abc", kNone) + Data(1, "de") + Get(3, "/big");
  for (size_t size = 0; size < bytes.size(); ++size) {
    peer_ = NewPeer();
    peer_->Offer(std::string_view(bytes).substr(0, size));
    loop_->RunOnce(0ms);
    peer_->HangUp();
    ASSERT_TRUE(RunUntil([&] { return server_->connections() == 0; })) << size;
    ASSERT_EQ(told_.begun, told_.gone);
  }
}

TEST_F(Http2AbuseTest, NoiseInEveryPlace) {
  const std::string bytes = std::string(kPreface) + Settings() + Post(1, "/echo") + Data(1, "abc") +
                            Ping() + Get(3, "/never") + Reset(3) + Get(5, "/big") +
                            OpenWindow(5, 9) + Get(7, "/trailers");
  std::minstd_rand random(2);
  for (int round = 0; round < 5000; ++round) {
    std::string wrong = bytes;
    for (size_t changes = 1 + random() % 3; changes > 0; --changes)
      wrong[kPreface.size() + random() % (wrong.size() - kPreface.size())] =
          static_cast<char>(random());
    peer_ = NewPeer();
    peer_->Offer(wrong);
    Settle();
    peer_->HangUp();
    Settle();
    ASSERT_EQ(told_.begun, told_.gone);
  }
}

}  // namespace
}  // namespace wasmoor::http
