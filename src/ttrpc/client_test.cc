#include "wasmoor/ttrpc/client.h"

#include <google/protobuf/any.pb.h>

#include "support/child.h"
#include "ttrpc/raw_peer_for_test.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::ttrpc {
namespace {

using test::Bytes;
using test::SocketPair;
using test::TestService;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

class ClientTest : public test::LoopTest {
 protected:
  ClientTest() : server(std::make_unique<Server>(*loop)) {
    EXPECT_TRUE(server->Add(service).has_value());
    SocketPair pair;
    EXPECT_TRUE(server->Adopt(std::move(pair.ours)).has_value());
    client = std::move(*Client::Adopt(*loop, std::move(pair.theirs)));
  }

  // Calls, and writes what comes back to `answers`: the payload, or the code's name and the
  // message.
  void Call(std::string_view method, std::string_view payload, const CallOptions& options = {}) {
    client->Call("test.Service", method, payload, options, [this](Result<std::string> answer) {
      answers.push_back(answer ? *answer
                               : std::string(CodeName(answer.error().code())) + ": " +
                                     answer.error().message());
    });
  }
  bool Answered(size_t count = 1) {
    return RunUntil([&] { return answers.size() >= count; });
  }

  TestService service;
  std::unique_ptr<Server> server;
  std::unique_ptr<Client> client;
  std::vector<std::string> answers;
};

TEST_F(ClientTest, GetsTheAnswer) {
  Call("Echo", "hello");
  EXPECT_TRUE(answers.empty());  // Never from within Call.
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers, ElementsAre("hello"));
  EXPECT_EQ(client->open_calls(), 0u);
}

TEST_F(ClientTest, GetsAnEmptyAnswer) {
  Call("Echo", "");
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers, ElementsAre(""));
}

TEST_F(ClientTest, GetsTheServicesError) {
  Call("Fail", "task x: \x80 there is none");
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers, ElementsAre("not_found: task x: \\x80 there is none"));
}

TEST_F(ClientTest, TakesAnswersInAnyOrder) {
  Call("Keep", "a");
  Call("Keep", "b");
  Call("Echo", "c");
  ASSERT_TRUE(Answered());
  service.kept[1].second("second");
  service.kept[0].second("first");
  ASSERT_TRUE(Answered(3));
  EXPECT_THAT(answers, ElementsAre("c", "second", "first"));
}

TEST_F(ClientTest, ManyCallsAreOpenAtOnce) {
  for (int i = 0; i < 1000; ++i) Call("Keep", std::to_string(i));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1000; }));
  EXPECT_EQ(client->open_calls(), 1000u);
  for (auto& [payload, reply] : service.kept) reply(payload);
  ASSERT_TRUE(Answered(1000));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(answers[static_cast<size_t>(i)], std::to_string(i));
}

TEST_F(ClientTest, SendsDeadlineAndMetadata) {
  Call("Meta", "key", {.timeout = 1h, .metadata = {{"other", "x"}, {"key", "value"}}});
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers, ElementsAre("value"));
  ASSERT_TRUE(service.last_deadline.has_value());
  EXPECT_GT(*service.last_deadline, Clock::now() + 50min);
  EXPECT_LT(*service.last_deadline, Clock::now() + 1h);
  Call("Echo", "");
  ASSERT_TRUE(Answered(2));
  EXPECT_FALSE(service.last_deadline.has_value());
}

TEST_F(ClientTest, StopsWaitingWhenTheTimeIsUp) {
  // A server that does nothing, not even about deadlines.
  SocketPair pair;
  client = std::move(*Client::Adopt(*loop, std::move(pair.theirs)));
  Call("Echo", "late", {.timeout = 50ms});
  Call("Echo", "later", {.timeout = 100ms});
  ASSERT_TRUE(Answered(2));
  EXPECT_THAT(answers, ElementsAre(StartsWith("deadline_exceeded: test.Service/Echo"),
                                   StartsWith("deadline_exceeded:")));
  EXPECT_TRUE(client->connected());
  EXPECT_EQ(client->open_calls(), 0u);
}

TEST_F(ClientTest, AnAnswerAfterTheDeadlineIsPassedOver) {
  Call("Keep", "x", {.timeout = 1ms});
  ASSERT_TRUE(Answered());
  ASSERT_EQ(service.kept.size(), 1u);
  service.kept[0].second("late");
  Call("Echo", "next");
  ASSERT_TRUE(Answered(2));
  EXPECT_EQ(answers[1], "next");
}

TEST_F(ClientTest, TellsEveryCallThatTheConnectionIsLost) {
  bool lost = false;
  client->OnLost([&] { lost = true; });
  Call("Keep", "a");
  Call("Keep", "b");
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 2; }));
  server.reset();
  ASSERT_TRUE(Answered(2));
  EXPECT_THAT(answers, ElementsAre(StartsWith("unavailable: test.Service/Keep"),
                                   StartsWith("unavailable: test.Service/Keep")));
  EXPECT_TRUE(lost);
  EXPECT_FALSE(client->connected());
  Call("Echo", "c");
  EXPECT_EQ(answers.size(), 2u);
  ASSERT_TRUE(Answered(3));
  EXPECT_THAT(answers[2], StartsWith("unavailable:"));
}

TEST_F(ClientTest, MayBeDestroyedInItsCallback) {
  int called = 0;
  for (int i = 0; i < 3; ++i) {
    client->Call("test.Service", "Echo", "x", {}, [&](const Result<std::string>&) {
      ++called;
      client.reset();
    });
  }
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
  EXPECT_EQ(called, 1);
}

TEST_F(ClientTest, MayBeDestroyedWhenTheConnectionIsLost) {
  int called = 0;
  for (int i = 0; i < 3; ++i) {
    client->Call("test.Service", "Keep", "x", {}, [&](const Result<std::string>&) {
      ++called;
      client.reset();
    });
  }
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 3; }));
  server.reset();
  ASSERT_TRUE(RunUntil([&] { return called > 0; }));
  Settle();
  EXPECT_EQ(called, 1);
}

TEST_F(ClientTest, CallsNobodyBackAfterItsEnd) {
  Call("Echo", "x");
  Call("Echo", std::string(kMostInFrame, 'x'));
  client.reset();
  Settle();
  EXPECT_TRUE(answers.empty());
}

TEST_F(ClientTest, CarriesWhatJustFitsInAFrame) {
  // "test.Service", "Echo" and the heads of three fields.
  const std::string most(kMostInFrame - 14 - 6 - 5, 'x');
  Call("Echo", most);
  ASSERT_TRUE(Answered());
  EXPECT_TRUE(answers[0] == most);
}

TEST_F(ClientTest, RefusesARequestThatFitsInNoFrame) {
  Call("Echo", std::string(kMostInFrame - 14 - 6 - 4, 'x'));
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers[0], StartsWith("resource_exhausted: test.Service/Echo: the request"));
  EXPECT_EQ(service.calls, 0);
  Call("Echo", "next");
  ASSERT_TRUE(Answered(2));
  EXPECT_EQ(answers[1], "next");
}

TEST_F(ClientTest, SaysWhichServiceAndMethodAreNotServed) {
  client->Call("other.Service", "Echo", "", {}, [this](const Result<std::string>& answer) {
    answers.push_back(answer.error().message());
  });
  Call("Fly", "");
  ASSERT_TRUE(Answered(2));
  EXPECT_THAT(answers[0], HasSubstr("other.Service"));
  EXPECT_THAT(answers[1], AllOf(StartsWith("unimplemented:"), HasSubstr("Fly")));
}

// A server that says what it should not.
class BadServerTest : public ClientTest {
 protected:
  BadServerTest() {
    SocketPair pair;
    client = std::move(*Client::Adopt(*loop, std::move(pair.theirs)));
    peer = std::make_unique<test::RawPeer>(std::move(pair.ours));
    Call("Echo", "a");
    Call("Echo", "b");
    Settle();
  }
  std::unique_ptr<test::RawPeer> peer;
};

TEST_F(BadServerTest, GarbageForAnAnswerFailsThatCall) {
  peer->Write(Bytes(1, FrameType::kResponse, "\xff\xff") + Bytes(3, FrameType::kData, ""));
  ASSERT_TRUE(Answered(2));
  EXPECT_THAT(answers, ElementsAre(StartsWith("internal: test.Service/Echo:"),
                                   StartsWith("internal: test.Service/Echo:")));
  EXPECT_TRUE(client->connected());
}

TEST_F(BadServerTest, AnswersThatNobodyAskedForArePassedOver) {
  peer->Write(Bytes(2, FrameType::kResponse, "") + Bytes(99, FrameType::kResponse, "\xff") +
              Bytes(3, FrameType::kResponse, ""));
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers, ElementsAre(""));
  EXPECT_EQ(client->open_calls(), 1u);
}

TEST_F(BadServerTest, AnOversizedAnswerFailsThatCall) {
  std::string bytes = Bytes(1, FrameType::kResponse, std::string(kMostInFrame + 1, 'x')) +
                      Bytes(3, FrameType::kResponse, "");
  for (std::string_view left = bytes; !left.empty();) {
    const auto piece = left.substr(0, 65536);
    peer->Write(piece);
    Settle();
    left.remove_prefix(piece.size());
  }
  ASSERT_TRUE(Answered(2));
  EXPECT_THAT(answers, ElementsAre(StartsWith("resource_exhausted: test.Service/Echo"), ""));
}

TEST_F(BadServerTest, CodesThatThereAreNotBecomeUnknown) {
  ::ttrpc::Response response;
  response.mutable_status()->set_code(-7);
  response.mutable_status()->set_message("what is this");
  peer->Write(Bytes(1, FrameType::kResponse, response.SerializeAsString()));
  response.mutable_status()->set_code(17);
  peer->Write(Bytes(3, FrameType::kResponse, response.SerializeAsString()));
  ASSERT_TRUE(Answered(2));
  EXPECT_THAT(answers, ElementsAre("unknown: what is this", "unknown: what is this"));
}

TEST_F(BadServerTest, ItMayGoInTheMiddleOfAnAnswer) {
  peer->Write(Bytes(1, FrameType::kResponse, std::string(100, 'x')).substr(0, 50));
  Settle();
  peer->HangUp();
  ASSERT_TRUE(Answered(2));
  EXPECT_THAT(answers, ElementsAre(StartsWith("unavailable:"), StartsWith("unavailable:")));
}

TEST(ConnectTest, NobodyThere) {
  const auto loop = std::move(*loop::Loop::Create());
  EXPECT_EQ(Client::Connect(*loop, "/nonexistent/socket").error().code(), Code::kNotFound);
  EXPECT_EQ(BlockingClient::Connect("/nonexistent/socket").error().code(), Code::kNotFound);
}

// A server in a process of its own, since this one waits.
class BlockingClientTest : public testing::Test {
 protected:
  BlockingClientTest() : process(Serve(&pair)) {
    pair.ours.Close();
    client =
        std::make_unique<BlockingClient>(std::move(*BlockingClient::Adopt(std::move(pair.theirs))));
  }

  static wasmoor::test::Child Serve(SocketPair* pair) {
    return wasmoor::test::Child([pair] {
      pair->theirs.Close();
      const auto loop = std::move(*loop::Loop::Create());
      TestService service;
      service.on_call = [&] {
        if (service.calls == 3) loop->Stop();
      };
      Server server(*loop);
      if (!server.Add(service) || !server.Adopt(std::move(pair->ours))) return 1;
      loop->Run();
      return 0;
    });
  }

  SocketPair pair;
  wasmoor::test::Child process;
  std::unique_ptr<BlockingClient> client;
};

TEST_F(BlockingClientTest, WaitsForEachAnswer) {
  ::ttrpc::KeyValue message;
  message.set_key("hello");
  const auto answer = client->Call<::ttrpc::KeyValue>("test.Service", "Echo", message);
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_EQ(answer->key(), "hello");
  EXPECT_EQ(client->Call("test.Service", "Keep", message, {.timeout = 20ms}).error().code(),
            Code::kDeadlineExceeded);
  // The server ends at the third.
  EXPECT_EQ(client->Call("test.Service", "Keep", message).error().code(), Code::kUnavailable);
  EXPECT_EQ(client->Call("test.Service", "Echo", message).error().code(), Code::kUnavailable);
}

TEST(AnyTest, HoldsAMessageByItsBareName) {
  ::ttrpc::KeyValue message;
  message.set_key("hello");
  google::protobuf::Any any;
  Pack(message, &any);
  EXPECT_EQ(any.type_url(), "ttrpc.KeyValue");
  EXPECT_EQ(Unpack<::ttrpc::KeyValue>(any)->key(), "hello");
  any.set_type_url("type.googleapis.com/ttrpc.KeyValue");
  EXPECT_EQ(Unpack<::ttrpc::KeyValue>(any)->key(), "hello");
  EXPECT_EQ(Unpack<::ttrpc::Request>(any).error().code(), Code::kInvalidArgument);
  any.set_value("\xff");
  EXPECT_EQ(Unpack<::ttrpc::KeyValue>(any).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace wasmoor::ttrpc
