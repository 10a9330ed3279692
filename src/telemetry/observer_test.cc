#include "wasmoor/telemetry/observer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/os/socket.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::telemetry {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ObserverTest : public testing::Test {
 protected:
  ObserverTest() {
    registry_.Counters("wasmoor_test_calls_total", "Calls.").With().Add(5);
    observer_.emplace(
        ObserverOptions{.loop = *loop_, .registry = registry_, .ready = [this] { return ready_; }});
    auto listening = test::Must(os::ListenTcp("127.0.0.1:0"));
    socklen_t size = sizeof(address_);
    EXPECT_EQ(::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address_), &size), 0);
    test::Must(observer_->Listen(std::move(listening)));
  }

  os::Fd Connect() {
    os::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    ::fcntl(client.get(), F_SETFL, O_NONBLOCK);
    return client;
  }
  void Turn() {
    while (loop_->RunOnce(1ms)) {
    }
  }
  void Send(const os::Fd& client, std::string_view text) {
    (void)::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
    Turn();
  }
  // What comes until nothing does for a moment; "(end)" says that the observer hung up.
  std::string Read(const os::Fd& client) {
    std::string read;
    std::array<char, 65536> part;
    for (int idle = 0; idle < 5;) {
      const ssize_t size = ::recv(client.get(), part.data(), part.size(), 0);
      if (size == 0 || (size < 0 && errno != EAGAIN)) return read + "(end)";
      if (size > 0) {
        read.append(part.data(), size);
        idle = 0;
      } else if (!loop_->RunOnce(20ms)) {
        ++idle;
      }
    }
    return read;
  }
  std::string Ask(std::string_view request) {
    const os::Fd client = Connect();
    Send(client, request);
    return Read(client);
  }

  std::unique_ptr<loop::Loop> loop_ = test::Must(loop::Loop::Create());
  Registry registry_;
  Status ready_;
  std::optional<Observer> observer_;
  sockaddr_in address_ = {};
};

TEST_F(ObserverTest, ScrapesAreAnsweredOnOneConnection) {
  const os::Fd client = Connect();
  for (int i = 0; i < 3; ++i) {
    Send(client, "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(Read(client), AllOf(StartsWith("HTTP/1.1 200"),
                                    HasSubstr("text/plain; version=0.0.4; charset=utf-8"),
                                    HasSubstr("wasmoor_test_calls_total 5\n")));
  }
  EXPECT_EQ(observer_->connections(), 1U);
}

TEST_F(ObserverTest, HealthIsThatItAnswersAndReadinessSaysWhyNot) {
  EXPECT_THAT(Ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  ready_ = Fail(Code::kUnavailable, "the host of guests\nis starting");
  EXPECT_THAT(Ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("the host of guests\\x0ais starting\n")));
}

TEST_F(ObserverTest, WhatIsNotThereIsNotFoundAndNothingCanBeWritten) {
  for (const char* path : {"/", "/metric", "/metrics/", "/../metrics", "//metrics", "*",
                           "/healthz/x", "http://a/metrics", "/%6detrics"}) {
    EXPECT_THAT(Ask(fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path)),
                StartsWith("HTTP/1.1 404"))
        << path;
  }
  EXPECT_THAT(Ask("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("allow: GET, HEAD")));
  EXPECT_THAT(Ask("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200"), EndsWith("\r\n\r\n")));
}

TEST_F(ObserverTest, WhoSpeaksNoHttpIsHungUpOnAndOthersAreServed) {
  for (const std::string& garbage :
       {std::string("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10), std::string(100'000, 'A'),
        std::string("GET /metrics HTTP/1.1\r\n\r\n"),
        std::string("GET /metrics HTTP/9.9\r\nHost: a\r\n\r\n"),
        "GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n",
        std::string("GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n")}) {
    EXPECT_THAT(Ask(garbage), AllOf(testing::Not(StartsWith("HTTP/1.1 200")), EndsWith("(end)")))
        << garbage.substr(0, 60);
  }
  EXPECT_THAT(Ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_LE(observer_->connections(), 1U);
}

TEST_F(ObserverTest, ThoseBeyondTheMostConnectionsAreTurnedAwayUntilOthersLeave) {
  constexpr size_t kMost = 32;
  std::vector<os::Fd> idle;
  for (size_t i = 0; i < kMost; ++i) {
    idle.push_back(Connect());
    Send(idle.back(), "GET /met");
  }
  EXPECT_EQ(observer_->connections(), kMost);
  EXPECT_THAT(Ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 503"));
  idle.pop_back();
  Turn();
  EXPECT_THAT(Ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ObserverTest, AClientThatReadsNothingHoldsUpNobody) {
  auto& many = registry_.Gauges("wasmoor_test_many", "Many.", {"name"});
  for (int i = 0; i < 1000; ++i) many.With({std::to_string(i) + std::string(100, 'x')}).Set(i);
  const os::Fd slow = Connect();
  for (int i = 0; i < 100; ++i) Send(slow, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(Ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ObserverTest, WhoAsksManyTimesAtOnceIsToldWhatOneScrapeFound) {
  int scrapes = 0;
  registry_.Collect([&scrapes](Page&) { ++scrapes; });
  constexpr int kMany = 50;
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
  std::string requests;
  for (int i = 0; i < kMany; ++i) requests += request;
  const os::Fd client = Connect();
  Send(client, requests);
  const std::string answers = Read(client);
  int told = 0;
  for (size_t at = 0; (at = answers.find("wasmoor_test_calls_total 5", at)) != std::string::npos;
       ++at)
    ++told;
  EXPECT_EQ(told, kMany);
  EXPECT_GT(scrapes, 0);
  EXPECT_LT(scrapes, kMany / 2);
  scrapes = 0;
  Send(client, request);
  Read(client);
  EXPECT_EQ(scrapes, 1);
}

TEST_F(ObserverTest, AUnixSocketIsServedBesideAnAddress) {
  const test::ScratchDirectory scratch;
  const std::string path = scratch.path() / "metrics.sock";
  test::Must(observer_->Listen(test::Must(os::ListenUnix(path))));
  const os::Fd client = test::Must(os::ConnectUnixAtOnce(path));
  Send(client, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(Read(client), HasSubstr("wasmoor_test_calls_total 5\n"));
  EXPECT_THAT(Ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ObserverTest, DestroyingItHangsUp) {
  const os::Fd client = Connect();
  Send(client, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  Read(client);
  observer_.reset();
  EXPECT_EQ(Read(client), "(end)");
  const os::Fd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(::connect(late.get(), reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
}

}  // namespace
}  // namespace wasmoor::telemetry
