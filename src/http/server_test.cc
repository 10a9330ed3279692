#include "http/server_for_test.h"

namespace wasmoor::http {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::ServerTest;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(ServerTest, AnswersARequestAndKeepsTheConnection) {
  const std::string reply = Ask("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\nX-Kept: yes\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\ncontent-length: 10\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\ndate: "));
  EXPECT_THAT(reply, Not(HasSubstr("upgrade")));
  EXPECT_THAT(reply, EndsWith("\r\n\r\nGET /a?b=c"));
}

TEST_F(ServerTest, AnswersPipelinedRequestsInTheirOrder) {
  const std::string reply =
      Ask("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: "
          "3\r\n\r\nabc"
          "GET /3 HTTP/1.1\r\nHost: x\r\n\r\nGET /4 HTTP/1.1\r\nHo");
  const size_t second = reply.find("POST /2");
  EXPECT_LT(reply.find("GET /1"), second);
  EXPECT_LT(second, reply.find("GET /3"));
  EXPECT_EQ(told_.begun, 3);
}

TEST_F(ServerTest, TakesARequestThatComesByteByByte) {
  const os::Fd client = Connect();
  std::string reply;
  for (const char one :
       std::string("\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
                   "\r\n\r\n3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nx-t: 1\r\n\r\n")) {
    Send(client, std::string(1, one));
    reply += Read(client, 0ms);
  }
  EXPECT_THAT(reply, HasSubstr("transfer-encoding: chunked"));
  EXPECT_THAT(reply, EndsWith("4\r\nx-t!\r\n0\r\n\r\n"));
}

TEST_F(ServerTest, SaysNothingOfABodyToHeadAndNone) {
  EXPECT_THAT(Ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(HasSubstr("content-length: 6\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_EQ(told_.protocol, "HTTP/1.1");
  EXPECT_THAT(
      Ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 204 "), Not(HasSubstr("content-length")), EndsWith("\r\n\r\n")));
}

TEST_F(ServerTest, SpeaksHttp10) {
  const std::string reply = Ask("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(told_.protocol, "HTTP/1.0");
  EXPECT_THAT(reply, AllOf(HasSubstr("connection: close\r\n"), EndsWith("GET /(end)")));
  EXPECT_THAT(Ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              AllOf(HasSubstr("connection: keep-alive\r\n"), EndsWith("GET /")));
  // It has no chunks: the end of the body is the connection's.
  EXPECT_THAT(Ask("GET /big HTTP/1.0\r\n\r\n"),
              AllOf(Not(HasSubstr("chunked")), EndsWith("xxx(end)")));
}

TEST_F(ServerTest, ClosesWhenAsked) {
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /2"),
              AllOf(HasSubstr("connection: close"), EndsWith("GET /(end)")));
}

TEST_F(ServerTest, TellsAWaitingClientToSendTheBodyWhenItIsWanted) {
  const os::Fd client = Connect();
  Send(client,
       "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(Read(client), StartsWith("HTTP/1.1 "));
  Send(client, "hi");
  EXPECT_THAT(Read(client), HasSubstr("hi"));
}

TEST_F(ServerTest, AnAnswerWithoutTheBodyThatTheClientHoldsBackEndsTheConnection) {
  EXPECT_THAT(
      Ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 200"), EndsWith("POST /(end)")));
}

TEST_F(ServerTest, SendsTrailers) {
  EXPECT_THAT(Ask("GET /trailers HTTP/1.1\r\nHost: x\r\n\r\n"),
              EndsWith("4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n"));
}

TEST_F(ServerTest, AResponseThatIsShorterThanItPromisedEndsTheConnection) {
  EXPECT_THAT(Ask("GET /short HTTP/1.1\r\nHost: x\r\n\r\n"), EndsWith("abc(end)"));
}

TEST_F(ServerTest, RefusesWhatTwoReadersCouldReadDifferently) {
  const std::string host = "Host: x\r\n";
  for (const std::string& bad : {
           "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
           "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
           "POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\nabc",
           "POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, gzip\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n",
           "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n",
           "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n",
           "GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n",
           "GET / HTTP/1.1\r\n" + host + "A: b\nC: d\r\n\r\n",
           "GET / HTTP/1.1\r\n" + host + host + "\r\n",
           std::string("GET / HTTP/1.1\r\n\r\n"),
           "GET /a b HTTP/1.1\r\n" + host + "\r\n",
           "GET / HTTP/2.0\r\n" + host + "\r\n",
           "GET  / HTTP/1.1\r\n" + host + "\r\n",
           "GET / HTTP/1.1\r\nA\r\n" + host + "\r\n",
       }) {
    EXPECT_THAT(Ask(bad), AllOf(::testing::ContainsRegex("^HTTP/1.1 [45]"), EndsWith("(end)")))
        << bad;
  }
  EXPECT_EQ(told_.begun, 0);
}

TEST_F(ServerTest, RefusesBadChunks) {
  for (const char* bad : {"x\r\nabc\r\n", "3\r\nabcd\r\n", "-1\r\n", "3 \r\nabc\r\n",
                          "ffffffffffffffffff\r\n", "3\nabc\r\n"}) {
    const std::string reply = Ask(fmt::format(
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", bad));
    EXPECT_THAT(reply, EndsWith("(end)")) << bad;
    EXPECT_THAT(reply, Not(HasSubstr("0\r\n\r\n"))) << bad;
  }
}

TEST_F(ServerTest, RefusesAHeadThatIsTooLargeWithoutReadingAllOfIt) {
  limits_.head_bytes = 1024;
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(2000, 'a')),
              AllOf(StartsWith("HTTP/1.1 431 "), EndsWith("(end)")));
  EXPECT_EQ(told_.begun, 0);
}

TEST_F(ServerTest, RefusesABodyThatIsTooLarge) {
  limits_.body_bytes = 4;
  EXPECT_THAT(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"),
              AllOf(StartsWith("HTTP/1.1 413 "), EndsWith("(end)")));
  EXPECT_THAT(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde"),
              EndsWith("(end)"));
}

TEST_F(ServerTest, AWorkEndsWithItsClient) {
  os::Fd client = Connect();
  Send(client, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(Read(client), "");
  EXPECT_EQ(told_.gone, 0);
  client.Close();
  loop_->RunOnce(100ms);
  EXPECT_EQ(told_.gone, 1);
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(ServerTest, AWorkEndsWithItsClientAlsoWhenNothingMoreIsRead) {
  os::Fd client = Connect();
  Send(client, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string more(100 << 10, 'x');  // Half of it stays in the socket.
  Send(client, more);
  EXPECT_EQ(Read(client), "");
  client.Close();
  EXPECT_TRUE(RunUntil([&] { return told_.gone == 1; }));
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(ServerTest, AnswersThatAreReadyTogetherAreSentAfterAllOfThem) {
  const os::Fd one = Connect(), other = Connect();
  for (const os::Fd* client : {&one, &other}) Send(*client, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(loop_->ServeOne());
  EXPECT_TRUE(loop_->ServeOne());
  EXPECT_EQ(told_.begun, 2);
  char byte = 0;
  EXPECT_EQ(::recv(one.get(), &byte, 1, 0), -1);
  EXPECT_TRUE(loop_->ServeOne());
  for (const os::Fd* client : {&one, &other}) EXPECT_THAT(Read(*client), HasSubstr("GET /a"));
}

TEST_F(ServerTest, AClientThatDoesNotReadHoldsTheAnswerBack) {
  const os::Fd client = Connect();
  Send(client, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  while (loop_->RunOnce(10ms)) {
  }
  EXPECT_EQ(told_.gone, 0);  // It waits.
  EXPECT_GT(Read(client).size(), Answer::kBig);
  EXPECT_EQ(told_.gone, 1);
}

TEST_F(ServerTest, WhoIsTooSlowIsToldAndClosed) {
  limits_.head_time = 100ms;
  limits_.idle_time = 100ms;
  const os::Fd slow = Connect(), silent = Connect();
  Send(slow, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
  const auto until = std::chrono::steady_clock::now() + 3s;
  std::string said;
  while (!said.ends_with("(end)") && std::chrono::steady_clock::now() < until) said += Read(slow);
  EXPECT_THAT(said, AllOf(StartsWith("HTTP/1.1 408 "), EndsWith("(end)")));
  EXPECT_EQ(Read(silent, 1s), "(end)");
}

TEST_F(ServerTest, WhoAnswersMayTakeItsTime) {
  limits_.head_time = limits_.idle_time = limits_.stall_time = 100ms;
  const os::Fd client = Connect();
  Send(client, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_FALSE(RunUntilFor(2s, [&] { return server_->connections() == 0; }));
  told_.kept.at(0)->Respond(200, {});
  told_.kept.at(0)->Finish({});
  told_.kept.at(0)->Flush();
  EXPECT_THAT(Read(client), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, ABodyThatDoesNotComeEndsTheConnection) {
  limits_.stall_time = 100ms;
  const os::Fd client = Connect();
  Send(client, "POST /want HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab");
  EXPECT_TRUE(RunUntil([&] { return server_->connections() == 0; }));
  EXPECT_EQ(told_.gone, 1);
}

TEST_F(ServerTest, LeavesOutWhatCannotBeAField) {
  EXPECT_THAT(Ask("GET /split HTTP/1.1\r\nHost: x\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), Not(HasSubstr("cookie"))));
}

TEST_F(ServerTest, ARefusalReachesAClientThatStillSends) {
  limits_.body_bytes = 4;
  const os::Fd client = Connect();
  Send(client, "POST /want HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  Settle();
  for (int i = 0; i < 10; ++i) Send(client, std::string(10'000, 'x'));
  EXPECT_THAT(Read(client), AllOf(StartsWith("HTTP/1.1 413 "), EndsWith("(end)")));
}

TEST_F(ServerTest, WhoComesBeyondTheLimitIsTurnedAway) {
  limits_.connections = 1;
  const os::Fd first = Connect(), second = Connect();
  EXPECT_THAT(Read(second), AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("(end)")));
  Send(first, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(Read(first), HasSubstr("GET /"));
}

TEST_F(ServerTest, DrainingEndsIdleConnectionsAndFinishesTheOthers) {
  const os::Fd idle = Connect(), busy = Connect();
  Send(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  Read(idle);
  Send(busy, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
  Read(busy);
  bool drained = false;
  server_->Drain([&] { drained = true; });
  EXPECT_EQ(Read(idle), "(end)");
  EXPECT_FALSE(drained);
  Send(busy, "cd");
  EXPECT_THAT(Read(busy), EndsWith("(end)"));
  loop_->RunOnce(10ms);
  EXPECT_TRUE(drained);
}

}  // namespace
}  // namespace wasmoor::http
