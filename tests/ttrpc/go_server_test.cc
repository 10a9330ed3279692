// Our client against Go's server.
#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "go_peer.h"
#include "support/result.h"
#include "support/scratch.h"
#include "tests/ttrpc/peer.ttrpc.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::ttrpc {
namespace {

using ::test::Bytes;
using testing::HasSubstr;
using wasmoor::test::Must;
using namespace std::chrono_literals;

constexpr size_t kManyCalls = 100;

Bytes BytesOf(std::string value) {
  Bytes bytes;
  bytes.set_value(std::move(value));
  return bytes;
}

class GoServerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::HaveGoPeer()) GTEST_SKIP() << "needs Go, which the build did not find";
    server = std::make_unique<wasmoor::test::Child>(test::GoPeer("serve", path));
    auto connected = BlockingClient::Connect(path);
    for (int i = 0; !connected && i < 1000; ++i) {
      std::this_thread::sleep_for(10ms);
      connected = BlockingClient::Connect(path);
    }
    blocking = std::make_unique<BlockingClient>(Must(std::move(connected)));
    peer = std::make_unique<::test::BlockingPeerClient>(*blocking);
  }

  const wasmoor::test::ScratchDirectory scratch;
  const std::string path = scratch / "socket";
  std::unique_ptr<wasmoor::test::Child> server;
  std::unique_ptr<BlockingClient> blocking;
  std::unique_ptr<::test::BlockingPeerClient> peer;
};

TEST_F(GoServerTest, Answers) {
  EXPECT_EQ(Must(peer->Echo(BytesOf("hello"))).value(), "hello");
  EXPECT_EQ(Must(peer->Echo(BytesOf(""))).value(), "");
}

TEST_F(GoServerTest, ErrorsKeepTheirCodeAndText) {
  const auto answer = peer->Fail(BytesOf("task x: not found"));
  EXPECT_EQ(answer.error().code(), Code::kNotFound);
  EXPECT_EQ(answer.error().message(), "task x: not found");
}

TEST_F(GoServerTest, WhatItDoesNotHaveIsUnimplemented) {
  EXPECT_EQ(peer->Keep(BytesOf("")).error().code(), Code::kUnimplemented);
  ::test::BlockingPeerClient other(*blocking, "other.Service");
  const auto answer = other.Echo(BytesOf(""));
  EXPECT_EQ(answer.error().code(), Code::kUnimplemented);
  EXPECT_THAT(answer.error().message(), HasSubstr("other.Service"));
}

TEST_F(GoServerTest, GetsMetadata) {
  const CallOptions options = {
      .metadata = {{"traceparent", "a"}, {"x", "b"}, {"traceparent", "c"}}};
  EXPECT_EQ(Must(peer->Meta(BytesOf("traceparent"), options)).value(), "a,c");
}

TEST_F(GoServerTest, GetsTheDeadline) {
  EXPECT_EQ(Must(peer->Deadline(BytesOf(""))).value(), "none");
  const int left = std::stoi(Must(peer->Deadline(BytesOf(""), {.timeout = 1h})).value());
  EXPECT_GT(left, 3'500'000);
  EXPECT_LE(left, 3'600'000);
  EXPECT_EQ(peer->Sleep(BytesOf("1h"), {.timeout = 50ms}).error().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(Must(peer->Echo(BytesOf("after"))).value(), "after");
}

TEST_F(GoServerTest, CarriesFourMebibytes) {
  const std::string most(kMostInFrame - 64, 'x');
  EXPECT_TRUE(Must(peer->Echo(BytesOf(most))).value() == most);
  EXPECT_EQ(peer->Echo(BytesOf(std::string(kMostInFrame, 'x'))).error().code(),
            Code::kResourceExhausted);
}

TEST_F(GoServerTest, AnswersManyCallsAtOnceInAnyOrder) {
  const auto loop = Must(loop::Loop::Create());
  const auto client = Must(Client::Connect(*loop, path));
  ::test::PeerClient calls(*client);
  std::vector<std::string> answers;
  // The later the call, the sooner its answer.
  for (size_t i = 0; i < kManyCalls; ++i) {
    const std::string request = std::to_string(5 * (kManyCalls - i)) + "ms";
    calls.Sleep(BytesOf(request), [&answers, request](const Result<Bytes>& answer) {
      ASSERT_TRUE(answer.has_value()) << answer.error().message();
      EXPECT_EQ(answer->value(), request);
      answers.push_back(request);
    });
  }
  EXPECT_EQ(client->open_calls(), kManyCalls);
  while (answers.size() < kManyCalls && loop->RunOnce(10s)) {
  }
  ASSERT_EQ(answers.size(), kManyCalls);
  EXPECT_NE(answers[0], std::to_string(5 * kManyCalls) + "ms");
}

TEST_F(GoServerTest, MayDieInTheMiddleOfACall) {
  const auto loop = Must(loop::Loop::Create());
  const auto client = Must(Client::Connect(*loop, path));
  ::test::PeerClient calls(*client);
  Code code = Code::kOk;
  calls.Sleep(BytesOf("1h"), [&](const Result<Bytes>& answer) { code = answer.error().code(); });
  for (int i = 0; i < 5; ++i) loop->RunOnce(10ms);
  server->Kill();
  while (code == Code::kOk && loop->RunOnce(10s)) {
  }
  EXPECT_EQ(code, Code::kUnavailable);
  EXPECT_EQ(peer->Echo(BytesOf("x")).error().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace wasmoor::ttrpc
