#include "wasmoor/http/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <utility>

namespace wasmoor::http {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Answers by the target: "/echo" with the body, "/never" not at all, "/chunks" in two parts of
// which the first is sent before the second is there, "/big" with a megabyte as it is taken, and
// anything else with the method and the target.
class Answer : public Work {
 public:
  Answer(const Head& head, Exchange& exchange, int& gone)
      : method_(head.method), target_(head.target), exchange_(exchange), gone_(gone) {}
  ~Answer() override { ++gone_; }

  void Run() override {
    if (target_ == "/never") return;
    if (target_ == "/echo") {
      exchange_.Respond(200, {});
      exchange_.ReadBody();
    } else if (target_ == "/big") {
      exchange_.Respond(200, {});
      OnWritable();
    } else if (target_ == "/length") {
      const std::array fields = {Field{"Content-Length", "10"}};
      exchange_.Respond(200, fields);
      exchange_.Write("abc");
      exchange_.Finish({});
    } else if (target_ == "/trailers") {
      exchange_.Respond(200, {});
      exchange_.Write("body");
      const std::array trailers = {Field{"x-sum", "1"}};
      exchange_.Finish(trailers);
    } else {
      const std::array fields = {Field{"x-kept", "yes"}, Field{"Connection", "upgrade"}};
      exchange_.Respond(target_ == "/empty" ? 204 : 200, fields);
      if (target_ != "/empty") exchange_.Write(method_ + " " + target_);
      exchange_.Finish({});
    }
  }
  void OnBody(std::string_view part) override {
    exchange_.Write(part);
    exchange_.ReadBody();
  }
  void OnBodyEnd(Fields trailers) override {
    for (const Field& one : trailers) exchange_.Write(std::string(one.name) + "!");
    exchange_.Finish({});
  }
  void OnBodyBroken() override { exchange_.Abort(); }
  void OnWritable() override {
    while (exchange_.CanWrite() && written_ < kBig) {
      exchange_.Write(std::string(4096, 'x'));
      written_ += 4096;
    }
    if (written_ == kBig) exchange_.Finish({});
  }

  static constexpr size_t kBig = 1 << 20;

 private:
  const std::string method_, target_;
  Exchange& exchange_;
  int& gone_;
  size_t written_ = 0;
};

class ServerTest : public testing::Test, public Handler {
 protected:
  std::unique_ptr<Work> Begin(const Head& head, Exchange& exchange) override {
    ++begun_;
    return std::make_unique<Answer>(head, exchange, gone_);
  }

  // A client's end; the server has the other.
  os::Fd Connect() {
    if (server_ == nullptr) server_ = std::make_unique<Server>(*loop_, *this, limits_);
    std::array<int, 2> ends;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    server_->Serve(os::Fd(ends[0]));
    return os::Fd(ends[1]);
  }

  void Send(const os::Fd& client, std::string_view text) {
    ASSERT_EQ(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  // What comes until nothing does for a moment, or the server ends the connection, which is said by
  // "(end)".
  std::string Read(const os::Fd& client, std::chrono::milliseconds patience = 100ms) {
    std::string read;
    std::array<char, 65536> buffer;
    for (;;) {
      while (loop_->RunOnce(1ms)) {
      }
      const ssize_t size = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      if (size == 0) return read + "(end)";
      if (size > 0) {
        read.append(buffer.data(), size);
      } else if (errno != EAGAIN) {
        return read + "(end)";
      } else if (!loop_->RunOnce(patience)) {
        return read;
      }
    }
  }

  std::string Ask(std::string_view request) {
    const os::Fd client = Connect();
    Send(client, request);
    return Read(client);
  }

  Limits limits_;
  std::unique_ptr<loop::Loop> loop_ = std::move(*loop::Loop::Create());
  std::unique_ptr<Server> server_;
  int begun_ = 0, gone_ = 0;
};

TEST_F(ServerTest, AnswersARequestAndKeepsTheConnection) {
  const std::string reply = Ask("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\nx-kept: yes\r\n"));
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
  EXPECT_EQ(begun_, 3);
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
  EXPECT_THAT(
      Ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 204 "), Not(HasSubstr("content-length")), EndsWith("\r\n\r\n")));
}

TEST_F(ServerTest, SpeaksHttp10) {
  const std::string reply = Ask("GET / HTTP/1.0\r\n\r\n");
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
              EndsWith("4\r\nbody\r\n0\r\nx-sum: 1\r\n\r\n"));
}

TEST_F(ServerTest, AResponseThatIsShorterThanItPromisedEndsTheConnection) {
  EXPECT_THAT(Ask("GET /length HTTP/1.1\r\nHost: x\r\n\r\n"), EndsWith("abc(end)"));
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
  EXPECT_EQ(begun_, 0);
}

TEST_F(ServerTest, RefusesBadChunks) {
  for (const char* bad : {"x\r\nabc\r\n", "3\r\nabcd\r\n", "-1\r\n", "3 \r\nabc\r\n",
                          "ffffffffffffffffff\r\n", "3\nabc\r\n"}) {
    const std::string reply =
        Ask(std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") +
            bad + "0\r\n\r\n");
    EXPECT_THAT(reply, EndsWith("(end)")) << bad;
    EXPECT_THAT(reply, Not(HasSubstr("0\r\n\r\n"))) << bad;
  }
}

TEST_F(ServerTest, RefusesAHeadThatIsTooLargeWithoutReadingAllOfIt) {
  limits_.head_bytes = 1024;
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(2000, 'a')),
              AllOf(StartsWith("HTTP/1.1 431 "), EndsWith("(end)")));
  EXPECT_EQ(begun_, 0);
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
  EXPECT_EQ(gone_, 0);
  client.Close();
  loop_->RunOnce(100ms);
  EXPECT_EQ(gone_, 1);
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(ServerTest, AClientThatDoesNotReadHoldsTheAnswerBack) {
  const os::Fd client = Connect();
  Send(client, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  while (loop_->RunOnce(10ms)) {
  }
  EXPECT_EQ(gone_, 0);  // It waits.
  EXPECT_GT(Read(client).size(), Answer::kBig);
  EXPECT_EQ(gone_, 1);
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
