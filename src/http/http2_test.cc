#include "http/http2_peer_for_test.h"

namespace wasmoor::http {
namespace {

using test::Answer;
using test::Data;
using test::Frame;
using test::Get;
using test::Headers;
using test::Http2Test;
using test::kEndHeaders;
using test::kNone;
using test::kPreface;
using test::Number;
using test::OpenWindow;
using test::Pairs;
using test::Ping;
using test::Post;
using test::RequestFields;
using test::Reset;
using test::Settings;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

constexpr uint32_t kDefaultWindow = 65535;

TEST_F(Http2Test, AnswersARequest) {
  Begin();
  EXPECT_EQ(Ask(1, Get(1, "/a?b=c")), "200: GET /a?b=c");
  const auto& said = peer_->said[1];
  EXPECT_EQ(said.Find("x-kept"), "yes");
  EXPECT_EQ(said.Find("content-length"), "10");
  EXPECT_NE(said.Find("date"), "");
  EXPECT_EQ(said.Find("connection"), "");
  EXPECT_EQ(peer_->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 256U);
  EXPECT_EQ(peer_->settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], limits_.head_bytes);
}

TEST_F(Http2Test, TakesWhatComesByteByByte) {
  peer_ = NewPeer();
  for (const char one : std::string(kPreface) + Settings() + Post(1, "/echo") +
                            Data(1, "abc", kNone) + Data(1, "de"))
    Say(std::string(1, one));
  EXPECT_EQ(peer_->said[1].Say(), "200: abcde");
}

TEST_F(Http2Test, TheHandlerSeesWhatItWouldSeeOfHttp1) {
  Begin();
  Say(Get(1, "/",
          {{"cookie", "a=1"}, {"x-a", "b"}, {"cookie", "c=2"}, {"te", "trailers"}, {"x-a", ""}}));
  EXPECT_EQ(told_.fields, "host: x\nx-a: b\nte: trailers\nx-a: \ncookie: a=1; c=2\n");
  EXPECT_FALSE(told_.has_body);
  EXPECT_EQ(told_.protocol, "HTTP/2.0");
  Say(Headers(3, {{":method", "POST"}, {":scheme", "https"}, {":path", "/"}, {"host", "h"}},
              kEndHeaders));
  EXPECT_EQ(told_.fields, "host: h\n");
  EXPECT_TRUE(told_.has_body);
  EXPECT_EQ(Ask(5, Headers(5, {{":method", "CONNECT"}, {":authority", "a:1"}}, kEndHeaders)),
            "200: CONNECT a:1");
  EXPECT_EQ(Ask(7, Headers(7, {{":method", "OPTIONS"},
                               {":scheme", "http"},
                               {":path", "*"},
                               {":authority", "A"},
                               {"host", "a"}})),
            "200: OPTIONS *");
}

TEST_F(Http2Test, AnswersManyRequestsAtOnceInAnyOrder) {
  Begin();
  std::string all = Post(1, "/echo") + Get(3, "/never");
  for (uint32_t stream = 5; stream < 105; stream += 2)
    all += Get(stream, "/" + std::to_string(stream));
  Say(all + Data(1, "end"));
  EXPECT_EQ(peer_->said[1].Say(), "200: end");
  EXPECT_EQ(peer_->said[3].Say(), "");
  for (uint32_t stream = 5; stream < 105; stream += 2)
    EXPECT_EQ(peer_->said[stream].Say(), "200: GET /" + std::to_string(stream));
  EXPECT_EQ(told_.gone, 51);
}

TEST_F(Http2Test, CarriesTrailersBothWays) {
  Begin();
  EXPECT_EQ(Ask(1, Post(1, "/echo") + Data(1, "abc", kNone) + Headers(1, {{"x-t", "1"}})),
            "200: abcx-t!");
  EXPECT_EQ(Ask(3, Get(3, "/trailers")), "200: body");
  EXPECT_THAT(peer_->said[3].trailers, ElementsAre(std::pair("x-sum", "1")));
  EXPECT_EQ(Ask(5, Get(5, "/only-trailers")), "200: ");
  EXPECT_THAT(peer_->said[5].trailers, ElementsAre(std::pair("x-sum", "1")));
}

TEST_F(Http2Test, SaysNothingOfABodyToHeadAndNone) {
  Begin();
  EXPECT_EQ(Ask(1, Headers(1, RequestFields("HEAD", "/"))), "200: ");
  EXPECT_EQ(peer_->said[1].Find("content-length"), "6");
  EXPECT_EQ(Ask(3, Get(3, "/empty")), "204: ");
  EXPECT_EQ(peer_->said[3].Find("content-length"), "");
  EXPECT_EQ(Ask(5, Headers(5, RequestFields("HEAD", "/big"))), "200: ");
  EXPECT_EQ(told_.gone, 3);
}

TEST_F(Http2Test, AResponseOfAnotherLengthThanItPromisedIsSeenToBeBroken) {
  Begin();
  EXPECT_EQ(Ask(1, Get(1, "/short")), "reset 2 after 200: abc");
  EXPECT_EQ(Ask(3, Get(3, "/long")), "reset 2 after 200: ab");
  EXPECT_EQ(Ask(5, Get(5, "/abort")), "reset 2 after 200: abc");
  EXPECT_EQ(told_.gone, 3);
  EXPECT_EQ(Ask(7, Get(7, "/")), "200: GET /");
}

TEST_F(Http2Test, LeavesOutWhatCannotBeAField) {
  Begin();
  EXPECT_EQ(Ask(1, Get(1, "/split")), "200: ");
  EXPECT_EQ(peer_->said[1].Find("x"), "");
}

TEST_F(Http2Test, TellsAWaitingClientToSendTheBodyWhenItIsWanted) {
  Begin();
  EXPECT_EQ(Ask(1, Post(1, "/want", {{"expect", "100-continue"}})), "");
  EXPECT_EQ(peer_->said[1].Find(":status"), "100");
  EXPECT_EQ(Ask(1, Data(1, "hi")), "200: 2");
  EXPECT_EQ(Ask(3, Post(3, "/never", {{"expect", "100-continue"}})), "");
  EXPECT_EQ(peer_->said[3].Find(":status"), "");
}

TEST_F(Http2Test, AnAnswerWithoutTheBodyTellsTheClientToSendNoMore) {
  Begin();
  EXPECT_EQ(Ask(1, Post(1, "/")), "200: POST /");
  EXPECT_EQ(peer_->said[1].reset, NGHTTP2_NO_ERROR);
  // What is on its way is nobody's.
  EXPECT_EQ(Ask(3, Data(1, "abc") + Get(3, "/")), "200: GET /");
}

TEST_F(Http2Test, AWorkEndsWithItsStreamAndWithItsClient) {
  Begin();
  Say(Get(1, "/never") + Get(3, "/never") + Post(5, "/echo"));
  EXPECT_EQ(told_.gone, 0);
  Say(Reset(3));
  EXPECT_EQ(told_.gone, 1);
  peer_->HangUp();
  Settle();
  EXPECT_EQ(told_.gone, 3);
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(Http2Test, AClientThatGoesAwayIsAnsweredWhatItHasAsked) {
  Begin();
  Say(Post(1, "/echo") + Frame(NGHTTP2_GOAWAY, 0, 0, Number(0, 8)));
  EXPECT_EQ(Ask(1, Data(1, "abc")), "200: abc");
  EXPECT_TRUE(RunUntil([&] { return !peer_->Read(); }));
}

TEST_F(Http2Test, SendsAsMuchAsTheWindowsAllow) {
  Begin({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000}});
  EXPECT_EQ(Ask(1, Get(1, "/big")).size(), std::string("200: ...").size() + 1000);
  EXPECT_EQ(told_.gone, 0);  // It waits.
  EXPECT_EQ(Ask(3, Get(3, "/")), "200: GET /");
  Say(OpenWindow(1, 1'000'000'000));
  EXPECT_EQ(peer_->said[1].body.size(), kDefaultWindow - std::string("GET /").size());
  Say(OpenWindow(0, 1'000'000'000));
  EXPECT_TRUE(RunUntil([&] { return peer_->Read() && peer_->said[1].ended; }));
  EXPECT_EQ(peer_->said[1].body.size(), Answer::kBig);
  EXPECT_EQ(told_.gone, 2);
}

TEST_F(Http2Test, AClientThatDoesNotReadHoldsTheAnswersBack) {
  Begin({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30}});
  const std::string asks = OpenWindow(0, 1 << 30) + Get(1, "/big") + Get(3, "/big");
  ASSERT_EQ(peer_->Offer(asks), asks.size());
  Settle();
  EXPECT_EQ(told_.gone, 0);
  EXPECT_TRUE(RunUntil([&] { return peer_->Read() && peer_->said[3].ended && told_.gone == 2; }));
  EXPECT_EQ(peer_->said[1].body.size(), Answer::kBig);
}

TEST_F(Http2Test, ABodyComesAsFastAsItIsRead) {
  Begin();
  Say(Post(1, "/never") + Post(3, "/want"));
  const std::string part(10'000, 'x');
  for (size_t sent = 0; sent + part.size() <= kDefaultWindow; sent += part.size())
    Say(Data(1, part, kNone) + Data(3, part, kNone));
  EXPECT_EQ(peer_->said[1].opened, 0U);
  EXPECT_GT(peer_->said[3].opened, 30'000U);
  // The connection's window opens for those who are read.
  EXPECT_GT(peer_->said[0].opened, 0U);
}

TEST_F(Http2Test, BodiesThatNobodyReadsDoNotHoldUpOthers) {
  Begin();
  const std::string part(16'000, 'x');
  uint32_t stream = 1;
  for (; stream < 40; stream += 2) {
    Say(Post(stream, "/never"));
    for (int i = 0; i < 4; ++i) Say(Data(stream, part, kNone));
  }
  EXPECT_EQ(Ask(stream, Post(stream, "/want") + Data(stream, part)), "200: 16000");
}

TEST_F(Http2Test, AnswersTogetherWhatIsAnsweredTogether) {
  Begin();
  Say(Get(1, "/keep") + Get(3, "/keep"));
  ASSERT_EQ(told_.kept.size(), 2U);
  for (Exchange* one : std::vector(told_.kept)) {
    one->Respond(200, {});
    one->Finish({});
    one->Flush();
  }
  EXPECT_TRUE(peer_->Read());
  EXPECT_EQ(peer_->said[1].Say(), "");
  Settle();
  EXPECT_TRUE(peer_->Read());
  EXPECT_EQ(peer_->said[1].Say(), "200: ");
  EXPECT_EQ(peer_->said[3].Say(), "200: ");
  // One that is alone need not wait.
  Say(Get(5, "/keep"));
  Exchange* const one = told_.kept.at(0);
  one->Respond(200, {});
  one->Finish({});
  one->Flush();
  EXPECT_TRUE(peer_->Read());
  EXPECT_EQ(peer_->said[5].Say(), "200: ");
}

TEST_F(Http2Test, TheServerMayEndBeforeWhatItHasToSend) {
  Begin();
  Say(Get(1, "/keep") + Get(3, "/keep"));
  told_.kept.at(0)->Respond(200, {});
  told_.kept.at(0)->Flush();
  server_.reset();
  Settle();
  EXPECT_FALSE(peer_->Read());
  EXPECT_EQ(told_.gone, 2);
}

TEST_F(Http2Test, RefusesABodyThatIsTooLarge) {
  limits_.body_bytes = 4;
  Begin();
  EXPECT_THAT(Ask(1, Post(1, "/want", {{"content-length", "5"}}) + Data(1, "abcde")),
              StartsWith("413: "));
  EXPECT_EQ(told_.begun, 0);
  EXPECT_THAT(Ask(3, Post(3, "/want") + Data(3, "abcd", kNone)), "");
  EXPECT_THAT(Ask(3, Data(3, "e")), StartsWith("413: "));
  EXPECT_EQ(told_.gone, 1);
  // It has answered already.
  EXPECT_THAT(Ask(5, Post(5, "/echo") + Data(5, "abcde")), StartsWith("reset 2 after 200: "));
  EXPECT_EQ(told_.broken, 1);
  EXPECT_EQ(Ask(7, Post(7, "/want") + Data(7, "abcd")), "200: 4");
}

TEST_F(Http2Test, RefusesAHeadThatIsTooLarge) {
  limits_.head_bytes = 1024;
  Begin();
  EXPECT_THAT(Ask(1, Get(1, "/", {{"a", std::string(1000, 'a')}})), StartsWith("431: "));
  Pairs many(40, {"a", "b"});
  EXPECT_THAT(Ask(3, Get(3, "/", many)), StartsWith("431: "));
  EXPECT_EQ(told_.begun, 0);
  EXPECT_THAT(Ask(5, Post(5, "/want") + Headers(5, {{"t", std::string(1000, 'a')}})),
              StartsWith("431: "));
  EXPECT_EQ(Ask(7, Get(7, "/")), "200: GET /");
}

TEST_F(Http2Test, TakesNoMoreRequestsAtOnceThanItSays) {
  limits_.streams = 2;
  peer_ = NewPeer();
  // Before the client has heard of that, as REFUSED_STREAM.
  const std::string acknowledged = Frame(NGHTTP2_SETTINGS, 1, 0);
  EXPECT_EQ(Ask(5, std::string(kPreface) + Settings() + Get(1, "/never") + Get(3, "/never") +
                       Get(5, "/never")),
            "reset 7 after ");
  EXPECT_EQ(peer_->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 2U);
  Say(acknowledged + Reset(1));
  EXPECT_EQ(Ask(7, Get(7, "/")), "200: GET /");
  Say(Get(9, "/never") + Get(11, "/never"));
  EXPECT_EQ(told_.begun, 4);
  EXPECT_EQ(CodeOfEnd(), NGHTTP2_PROTOCOL_ERROR);
}

TEST_F(Http2Test, WhoIsTooSlowIsToldAndClosed) {
  limits_.head_time = limits_.idle_time = 100ms;
  const os::Fd in_preface = Connect();
  Send(in_preface, kPreface.substr(0, 10));
  Begin();
  EXPECT_EQ(CodeOfEnd(), NGHTTP2_NO_ERROR);
  Begin();
  Say(Headers(1, RequestFields("GET", "/"), kNone));
  EXPECT_EQ(CodeOfEnd(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_THAT(Read(in_preface), StartsWith("HTTP/1.1 408 "));
  // While there is a request, nobody is idle.
  Begin();
  Say(Get(1, "/never"));
  EXPECT_FALSE(RunUntilFor(1s, [&] { return !peer_->Read(); }));
}

TEST_F(Http2Test, WhoHasRestedIsServedAsBefore) {
  const os::Fd other = Connect();
  Send(other, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(Read(other), HasSubstr("xxx"));
  Begin();
  Say(Get(1, "/", {{"a", std::string(10'000, 'a')}}));
  // As long as it takes a connection to give back its memory.
  RunUntilFor(4s, [] { return false; });
  EXPECT_EQ(Ask(3, Get(3, "/", {{"a", std::string(10'000, 'a')}})), "200: GET /");
  Send(other, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(Read(other), HasSubstr("GET /"));
}

TEST_F(Http2Test, WhatDoesNotMoveEndsAlone) {
  limits_.stall_time = 100ms;
  Begin({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 5}});
  // A body that does not come, unanswered and answered, and an answer that is not taken.
  Say(Get(1, "/keep") + OpenWindow(1, 1000));
  Say(Post(3, "/want") + OpenWindow(3, 1000) + Post(5, "/echo") + Get(7, "/big"));
  EXPECT_TRUE(RunUntil([&] {
    return peer_->Read() && peer_->said[3].ended && peer_->said[5].reset > 0 &&
           peer_->said[7].reset > 0;
  }));
  EXPECT_THAT(peer_->said[3].Say(), StartsWith("408: "));
  EXPECT_THAT(peer_->said[5].Say(), "reset 8 after 200: ");
  EXPECT_THAT(peer_->said[7].Say(), "reset 8 after 200: xxxxx");
  EXPECT_EQ(told_.gone, 3);
  // Who has not answered yet keeps nobody waiting but its client.
  told_.kept.at(0)->Respond(200, {});
  told_.kept.at(0)->Finish({});
  told_.kept.at(0)->Flush();
  EXPECT_EQ(Ask(1, ""), "200: ");
}

class Http2DrainTest : public Http2Test {
 protected:
  void Drain() {
    server_->Drain([this] { drained_ = true; });
    Settle();
    peer_->Read();
  }
  bool drained_ = false;
  static constexpr uint32_t kAll = 0x7fffffff;
};

TEST_F(Http2DrainTest, DrainingTellsTheClientTwiceAndFinishesWhatItHasBegun) {
  Begin();
  Say(Post(1, "/echo"));
  Drain();
  EXPECT_THAT(peer_->goaways, ElementsAre(std::pair(kAll, 0U)));
  EXPECT_EQ(peer_->frames[NGHTTP2_PING], 1);
  // The client has not heard of it yet.
  EXPECT_EQ(Ask(3, Get(3, "/")), "200: GET /");
  Say(Post(5, "/echo") + Frame(NGHTTP2_PING, 1, 0, "all seen"));
  EXPECT_THAT(peer_->goaways, ElementsAre(std::pair(kAll, 0U), std::pair(5U, 0U)));
  EXPECT_EQ(Ask(7, Get(7, "/")), "");
  EXPECT_EQ(Ask(1, Data(1, "abc")), "200: abc");
  EXPECT_FALSE(drained_);
  EXPECT_EQ(Ask(5, Data(5, "de")), "200: de");
  EXPECT_EQ(CodeOfEnd(), NGHTTP2_NO_ERROR);
  EXPECT_TRUE(drained_);
  EXPECT_EQ(told_.begun, 3);
}

TEST_F(Http2DrainTest, AClientThatDoesNotAnswerThePingIsNotWaitedFor) {
  Begin();
  Drain();
  EXPECT_TRUE(RunUntil([&] { return !peer_->Read(); }));
  EXPECT_THAT(peer_->goaways, ElementsAre(std::pair(kAll, 0U), std::pair(0U, 0U)));
  // Nor one that does not close its side.
  EXPECT_TRUE(RunUntil([&] { return drained_; }));
}

TEST_F(Http2DrainTest, AWorkMayDrainTheServer) {
  Begin();
  Say(Get(1, "/keep") + Get(3, "/never"));
  told_.kept.at(0)->Respond(200, {});
  Drain();
  told_.kept.at(0)->Finish({});
  told_.kept.at(0)->Flush();
  EXPECT_EQ(Ask(1, Frame(NGHTTP2_PING, 1, 0, "all seen") + Reset(3)), "200: ");
  EXPECT_EQ(CodeOfEnd(), NGHTTP2_NO_ERROR);
  EXPECT_TRUE(drained_);
}

class Http2UpgradeTest : public Http2Test {
 protected:
  static std::string Request(const std::string& method, const std::string& more,
                             const std::string& body = "") {
    return method + " /up HTTP/1.1\r\nHost: x\r\nX-A: b\r\n" + more + "\r\n" + body;
  }
  // INITIAL_WINDOW_SIZE 1000.
  static std::string Fields(const std::string& settings = "AAQAAAPo") {
    return "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: " + settings +
           "\r\n";
  }
  void Upgrade(const std::string& request, const std::string& then = "") {
    peer_ = NewPeer();
    peer_->awaits_text = true;
    Say(request + then);
  }
};

TEST_F(Http2UpgradeTest, AClientMayAskForIt) {
  Upgrade(Request("GET", Fields()));
  EXPECT_THAT(peer_->text, AllOf(StartsWith("HTTP/1.1 101 "), HasSubstr("upgrade: h2c")));
  EXPECT_EQ(peer_->said[1].Say(), "200: GET /up");
  EXPECT_EQ(told_.fields, "Host: x\nX-A: b\n");
  EXPECT_EQ(Ask(3, std::string(kPreface) + Settings() + Get(3, "/")), "200: GET /");
  EXPECT_EQ(told_.gone, 2);
}

TEST_F(Http2UpgradeTest, ItsSettingsHold) {
  Upgrade("GET /big HTTP/1.1\r\nHost: x\r\n" + Fields() + "\r\n");
  EXPECT_EQ(peer_->said[1].body.size(), 1000U);
}

TEST_F(Http2UpgradeTest, SendsOnlyALittleUntilTheClientSpeaksIt) {
  // INITIAL_WINDOW_SIZE of a megabyte.
  Upgrade("GET /big HTTP/1.1\r\nHost: x\r\n" + Fields("AAQAEAAA") + "\r\n");
  EXPECT_LT(peer_->said[1].body.size(), 30'000U);
  Say(std::string(kPreface) + Settings());
  EXPECT_EQ(peer_->said[1].body.size(), kDefaultWindow);
}

TEST_F(Http2UpgradeTest, AHeadIsAnsweredWithoutABody) {
  Upgrade(Request("HEAD", Fields()), std::string(kPreface) + Settings() + Ping());
  EXPECT_EQ(peer_->said[1].Say(), "200: ");
  EXPECT_EQ(peer_->said[1].Find("content-length"), "8");
  EXPECT_EQ(peer_->frames[NGHTTP2_PING], 1);
}

TEST_F(Http2UpgradeTest, ALaterRequestMayAskForIt) {
  Upgrade(Request("GET", "") + "GET /keep HTTP/1.1\r\nHost: x\r\n" + Fields() + "\r\n",
          std::string(kPreface) + Settings() + Get(3, "/"));
  EXPECT_THAT(peer_->text, StartsWith("HTTP/1.1 200 "));
  ASSERT_EQ(told_.kept.size(), 1U);
  told_.kept[0]->Respond(200, {});
  told_.kept[0]->Finish({});
  told_.kept[0]->Flush();
  EXPECT_EQ(told_.gone, 3);
}

TEST_F(Http2UpgradeTest, WithoutAllThatItTakesTheAnswerIsHttp1) {
  const std::string upgrade = "Upgrade: h2c\r\n", settings = "HTTP2-Settings: AAQAAAPo\r\n",
                    both = "Connection: Upgrade, HTTP2-Settings\r\n";
  const std::array requests = {
      Request("GET", upgrade + settings),
      Request("GET", both + upgrade),
      Request("GET", both + settings),
      Request("GET", both + settings + "Upgrade: h2\r\n"),
      Request("GET", "Connection: Upgrade\r\n" + upgrade + settings),
      Request("GET", Fields() + settings),
      Request("GET", Fields("AAQAAAP")),
      Request("GET", Fields("A")),
      Request("GET", Fields("AAQAAAP+")),
      Request("GET", Fields("AAQAAAPoAA")),
      Request("POST", Fields() + "Content-Length: 2\r\n", "ab"),
      Request("POST", Fields() + "Transfer-Encoding: chunked\r\n", "0\r\n\r\n")};
  for (const std::string& request : requests)
    EXPECT_THAT(ServerTest::Ask(request), StartsWith("HTTP/1.1 200 ")) << request;
  EXPECT_THAT(ServerTest::Ask("GET / HTTP/1.0\r\n" + Fields() + "\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST_F(Http2UpgradeTest, SettingsThatAreWrongEndTheConnection) {
  Upgrade(Request("GET", Fields("AAT_____")));  // A window of more than there are.
  EXPECT_EQ(CodeOfEnd(), NGHTTP2_FLOW_CONTROL_ERROR);
  EXPECT_EQ(told_.gone, told_.begun);
}

TEST_F(Http2UpgradeTest, WhatFollowsMustBeHttp2) {
  Upgrade(Request("GET", Fields()), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(Http2UpgradeTest, CanBeTurnedOff) {
  limits_.h2c = H2c::kPriorKnowledge;
  EXPECT_THAT(ServerTest::Ask(Request("GET", Fields())), StartsWith("HTTP/1.1 200 "));
  Begin();
  EXPECT_EQ(Http2Test::Ask(1, Get(1, "/")), "200: GET /");
  server_.reset();
  limits_.h2c = H2c::kOff;
  EXPECT_THAT(ServerTest::Ask(Request("GET", Fields())), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ServerTest::Ask(std::string(kPreface) + Settings()), StartsWith("HTTP/1.1 505 "));
}

TEST_F(Http2UpgradeTest, APrefaceIsTheFirstOnItsConnection) {
  EXPECT_THAT(ServerTest::Ask(Request("GET", "") + std::string(kPreface) + Settings()),
              HasSubstr("HTTP/1.1 505 "));
}

}  // namespace
}  // namespace wasmoor::http
