#include "wasmoor/grpc/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <optional>

#include "grpc/framing.h"
#include "grpc/server_for_test.h"
#include "grpc/session.h"
#include "support/result.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::grpc {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

class GrpcClientTest : public testing::Test {
 protected:
  Result<std::string> Ask(Request request = {}) {
    if (request.method.empty()) request.method = "/test.Service/Do";
    std::optional<Result<std::string>> result;
    client_.Ask(std::move(request), [&](const Result<std::string>& answer) {
      result = std::move(answer);
      loop_->Stop();
    });
    EXPECT_FALSE(result);  // Never from within.
    loop_->Run();
    return *std::move(result);
  }
  Error Refusal(Request request = {}) {
    const auto answer = Ask(std::move(request));
    return answer ? Error(Code::kOk, *answer) : answer.error();
  }

  const std::unique_ptr<loop::Loop> loop_ = test::Must(loop::Loop::Create());
  TestServer server_{*loop_};
  Client client_{*loop_, server_.path()};
};

TEST_F(GrpcClientTest, AsksAndIsAnswered) {
  server_.answer.body = WithPrefix("pong");
  const auto answer = Ask({.message = "ping", .metadata = {{"containerd-namespace", "k8s.io"}}});
  EXPECT_EQ(test::Must(answer), "pong");
  ASSERT_EQ(server_.heard.size(), 1u);
  EXPECT_EQ(server_.heard.front().body, WithPrefix("ping"));
  const Fields& heard = server_.heard.front().fields;
  EXPECT_THAT(heard, Contains(Pair(":path", "/test.Service/Do")));
  EXPECT_THAT(heard, Contains(Pair(":method", "POST")));
  EXPECT_THAT(heard, Contains(Pair("te", "trailers")));
  EXPECT_THAT(heard, Contains(Pair("content-type", "application/grpc")));
  EXPECT_THAT(heard, Contains(Pair("grpc-timeout", "10000m")));
  EXPECT_THAT(heard, Contains(Pair("containerd-namespace", "k8s.io")));
}

TEST_F(GrpcClientTest, HoldsNoConnectionWhenNoCallRuns) {
  server_.answer.body = WithPrefix("");
  EXPECT_EQ(test::Must(Ask()), "");
  EXPECT_FALSE(client_.connected());
  while (server_.closed == 0 && loop_->RunOnce(1s)) {
  }
  EXPECT_EQ(server_.connections, 1);
  EXPECT_EQ(server_.closed, 1);
  EXPECT_TRUE(Ask());
  EXPECT_EQ(server_.connections, 2);
}

TEST_F(GrpcClientTest, CallsShareAConnectionAlsoThoseThatOthersLeadTo) {
  server_.answer.body = WithPrefix("x");
  int answers = 0;
  client_.Ask({.method = "/a/b"}, [&](const Result<std::string>&) {
    client_.Ask({.method = "/c/d"}, [&](const Result<std::string>& answer) {
      EXPECT_TRUE(answer);
      if (++answers == 2) loop_->Stop();
    });
  });
  client_.Ask({.method = "/e/f"}, [&](const Result<std::string>&) {
    if (++answers == 2) loop_->Stop();
  });
  loop_->Run();
  EXPECT_EQ(server_.connections, 1);
  EXPECT_EQ(server_.heard.size(), 3u);
}

TEST_F(GrpcClientTest, ReadsAStreamOfMessagesLargerThanTheWindow) {
  std::string sent;
  constexpr size_t kPiece = 700'000;
  for (char c = 'a'; c < 'f'; ++c) {
    sent += std::string(kPiece, c);
    server_.answer.body += WithPrefix(std::string(kPiece, c));
  }
  std::string got;
  std::optional<Status> end;
  client_.Start(
      {.method = "/a/b", .message = std::string(300'000, 'q')},
      [&](std::string_view message) -> Status {
        EXPECT_EQ(message.size(), kPiece);
        got += message;
        return {};
      },
      [&](Status status) {
        end = std::move(status);
        loop_->Stop();
      });
  loop_->Run();
  EXPECT_TRUE(end->has_value());
  EXPECT_EQ(got, sent);
  EXPECT_EQ(server_.heard.front().body.size(), 300'000 + kPrefixBytes);
}

TEST_F(GrpcClientTest, AnErrorOfTheReceiverEndsTheStreamWithIt) {
  for (int i = 0; i < 100; ++i) server_.answer.body += WithPrefix("message");
  int messages = 0;
  std::optional<Status> end;
  client_.Start(
      {.method = "/a/b"},
      [&](std::string_view) -> Status {
        if (++messages < 3) return {};
        return Fail(Code::kDataLoss, "enough");
      },
      [&](Status status) {
        end = std::move(status);
        loop_->Stop();
      });
  loop_->Run();
  EXPECT_EQ(messages, 3);
  EXPECT_EQ(end->error().code(), Code::kDataLoss);
  EXPECT_FALSE(client_.connected());
}

TEST_F(GrpcClientTest, MayBeDestroyedByItsOwnCallbacks) {
  server_.answer.body = WithPrefix("1") + WithPrefix("2");
  auto client = std::make_unique<Client>(*loop_, server_.path());
  int messages = 0;
  client->Start(
      {.method = "/a/b"},
      [&](std::string_view) -> Status {
        ++messages;
        client.reset();
        loop_->Stop();
        return {};
      },
      [](const Status&) { FAIL(); });
  loop_->Run();
  EXPECT_EQ(messages, 1);

  client = std::make_unique<Client>(*loop_, "/nowhere/at/all");
  for (int i = 0; i < 2; ++i) client->Ask({.method = "/a/b"}, [&](const auto&) { client.reset(); });
  loop_->RunOnce(1s);
  EXPECT_EQ(client, nullptr);
}

TEST_F(GrpcClientTest, TellsWhatTheServerSaysWentWrong) {
  server_.answer.only_trailers = true;
  server_.answer.trailers = {{"grpc-status", "5"},
                             {"grpc-message", "image \"caf%C3%A9\": not found%0A%1b[2J"}};
  const Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr(server_.path() + ": image \"café\": not found"));
  EXPECT_THAT(error.message(), testing::Not(HasSubstr("\x1b")));

  server_.answer.only_trailers = false;
  server_.answer.trailers = {{"grpc-status", "99"}};
  EXPECT_EQ(Refusal().code(), Code::kUnknown);
}

TEST_F(GrpcClientTest, AnAnswerMustBeExactlyOneMessage) {
  EXPECT_THAT(Refusal().message(), HasSubstr("no answer"));
  server_.answer.body = WithPrefix("1") + WithPrefix("2");
  const Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kInternal);
  EXPECT_THAT(error.message(), HasSubstr("second answer"));
}

TEST_F(GrpcClientTest, RefusesAnAnswerThatIsCutOff) {
  server_.answer.body = WithPrefix("whole").substr(0, 7);
  EXPECT_THAT(Refusal().message(), HasSubstr("ended within a message"));
  server_.answer.body = std::string(2, '\0');
  EXPECT_FALSE(Ask());
}

TEST_F(GrpcClientTest, RefusesWhatIsTooBigOrCompressed) {
  server_.answer.body = WithPrefix(std::string(1001, 'x'));
  const Error big = Refusal({.most_bytes = 1000});
  EXPECT_EQ(big.code(), Code::kResourceExhausted);
  // Only claimed: nothing of it is waited for.
  server_.answer.body = std::string("\0\xff\xff\xff\xff", 5);
  EXPECT_EQ(Refusal().code(), Code::kResourceExhausted);
  server_.answer.body = WithPrefix("x");
  server_.answer.body[0] = 1;
  EXPECT_THAT(Refusal().message(), HasSubstr("compressed"));
}

TEST_F(GrpcClientTest, RefusesHeadersWithoutEnd) {
  for (int i = 0; i < 2000; ++i)
    server_.answer.trailers.emplace_back("x-" + std::to_string(i), "x");
  const Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kResourceExhausted) << error.message();
}

TEST_F(GrpcClientTest, SaysWhenAServerIsNoneOfGrpc) {
  server_.answer.headers = {{":status", "503"}, {"content-type", "text/html"}};
  server_.answer.body = "<html>try later</html>";
  server_.answer.trailers.clear();
  const Error busy = Refusal();
  EXPECT_EQ(busy.code(), Code::kUnavailable);
  EXPECT_THAT(busy.message(), HasSubstr("503"));
  server_.answer.headers[0].second = "200";
  EXPECT_THAT(Refusal().message(), HasSubstr("text/html"));
  server_.answer.headers[1].second = "application/grpc+proto";
  server_.answer.body = WithPrefix("x");
  EXPECT_THAT(Refusal().message(), HasSubstr("without a status"));
}

TEST_F(GrpcClientTest, GivesUpWhenItsTimeIsOver) {
  server_.answer.hangs = true;
  const Error error = Refusal({.timeout = 20ms});
  EXPECT_EQ(error.code(), Code::kDeadlineExceeded);
  EXPECT_THAT(error.message(), HasSubstr("20 ms"));
  // A listener that never accepts, with others waiting at it already.
  const os::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {.sun_family = AF_UNIX};
  const test::ScratchDirectory scratch;
  const std::string path = scratch / "s";
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);
  const auto first = Call(path, {.method = "/a/b", .timeout = 10ms});
  EXPECT_EQ(first.error().code(), Code::kDeadlineExceeded);
  std::vector<os::Fd> waiting;
  while (auto another = os::ConnectUnixAtOnce(path)) waiting.push_back(std::move(*another));
  EXPECT_EQ(Call(path, {.method = "/a/b", .timeout = 10ms}).error().code(),
            Code::kDeadlineExceeded);
}

TEST_F(GrpcClientTest, SaysWhereNobodyListens) {
  const auto answer = Call("/nowhere/at/all.sock", {.method = "/a/b"});
  EXPECT_EQ(answer.error().code(), Code::kNotFound);
  EXPECT_THAT(answer.error().message(), HasSubstr("/nowhere/at/all.sock"));
  const std::string path = TestServer(*loop_).path();
  EXPECT_FALSE(Call(path, {.method = "/a/b"}));
}

TEST_F(GrpcClientTest, HearsThatACallIsGivenUpOrRefused) {
  server_.answer.reset = NGHTTP2_ENHANCE_YOUR_CALM;
  EXPECT_EQ(Refusal().code(), Code::kResourceExhausted);
  server_.answer = {.goes_away = true};
  const Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_THAT(error.message(), HasSubstr("maintenance"));
  // The next has a connection of its own.
  server_.answer = {.body = WithPrefix("x")};
  EXPECT_TRUE(Ask());
}

TEST_F(GrpcClientTest, RefusesWhatIsNoHttp2) {
  server_.raw = "HTTP/1.1 400 Bad Request\r\n\r\nthis is another kind of server altogether";
  server_.raw_stays_open = true;
  const Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kInternal);
  EXPECT_THAT(error.message(), HasSubstr("not HTTP/2"));
  server_.raw_stays_open = false;
  // SETTINGS, and then the end.
  server_.raw = std::string("\0\0\0\4\0\0\0\0\0", 9);
  EXPECT_EQ(Refusal().code(), Code::kUnavailable);
}

TEST_F(GrpcClientTest, AFloodOfFramesDoesNotFillTheMemory) {
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  const std::string ping("\0\0\x08\6\0\0\0\0\0abcdefgh", 17);
  server_.raw = settings;
  for (int i = 0; i < 5000; ++i) server_.raw += ping;
  // HEADERS of stream 1 without END_HEADERS, and CONTINUATIONs that go on.
  server_.raw += std::string("\0\0\1\1\0\0\0\0\1\x88", 10);
  for (int i = 0; i < 1000; ++i) server_.raw += std::string("\0\0\1\x09\0\0\0\0\1\x88", 10);
  server_.raw_stays_open = true;
  EXPECT_EQ(Refusal().code(), Code::kInternal);
}

TEST(GrpcFramingTest, TakesMessagesApartHoweverTheyAreCut) {
  const std::string all = WithPrefix("one") + WithPrefix("") + WithPrefix(std::string(300, 'x'));
  for (size_t piece = 1; piece <= all.size(); ++piece) {
    MessageReader reader(Part::kAnswer, 300);
    std::vector<std::string> got;
    for (size_t at = 0; at < all.size(); at += piece) {
      const std::string part = all.substr(at, piece);
      ASSERT_TRUE(reader.Take({reinterpret_cast<const uint8_t*>(part.data()), part.size()},
                              [&](std::string message) { got.push_back(std::move(message)); }));
    }
    EXPECT_TRUE(reader.at_boundary());
    EXPECT_THAT(got, testing::ElementsAre("one", "", std::string(300, 'x')));
  }
}

TEST(GrpcFramingTest, ReadsAndWritesTheTextsOfHeaders) {
  EXPECT_EQ(TimeoutText(1500us), "2m");
  EXPECT_EQ(TimeoutText(0s), "1m");
  EXPECT_EQ(TimeoutText(std::chrono::hours(24 * 365)), "31536000S");
  EXPECT_EQ(TimeoutFromText("2m"), 2ms);
  EXPECT_EQ(TimeoutFromText("99999999H"), kLongestTimeout);
  EXPECT_EQ(TimeoutFromText("0n"), 0ns);
  for (const char* wrong : {"", "m", "5", "-1S", "+1S", "1.5S", "123456789n", "1s", " 1S"})
    EXPECT_EQ(TimeoutFromText(wrong), std::nullopt) << wrong;
  EXPECT_EQ(EncodePercents("50%: caf\xc3\xa9\n"), "50%25: caf%C3%A9%0A");
  EXPECT_EQ(CodeFromText("5"), Code::kNotFound);
  EXPECT_EQ(CodeFromText("17"), Code::kUnknown);
  EXPECT_EQ(CodeFromText("-1"), Code::kUnknown);
  EXPECT_EQ(CodeFromText(""), Code::kUnknown);
}

}  // namespace
}  // namespace wasmoor::grpc
