#include "wasmoor/grpc/server.h"

#include "grpc/service_for_test.h"
#include "rpc/server_suite_for_test.h"

namespace wasmoor::grpc {
namespace {

using test::CallFields;
using test::Data;
using test::Headers;
using test::Must;
using test::RawPeer;
using test::Reset;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;

class GrpcServerTest : public test::ServerTest {};

TEST_F(GrpcServerTest, AnswersMessagesOfEverySize) {
  // Around the sizes of frames and windows, and up to the most.
  for (const size_t size : {0, 1, 16378, 16379, 16384, 65530, 65531, 300'000, 4 << 20}) {
    std::string message(size, '\0');
    for (size_t i = 0; i < size; ++i) message[i] = static_cast<char>(i * 7);
    EXPECT_EQ(Ask("Echo", message), "ok: " + message) << size;
  }
}

TEST_F(GrpcServerTest, AnswersManyCallsOfOneConnectionInAnyOrder) {
  constexpr size_t kCalls = 5000;
  size_t answers = 0;
  for (size_t i = 0; i < kCalls; ++i) {
    client.Ask({.method = "/test.Service/Keep", .message = std::to_string(i)},
               [&, i](const Result<std::string>& answer) {
                 EXPECT_EQ(Must(answer), "for " + std::to_string(i));
                 ++answers;
               });
  }
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == kCalls; }));
  EXPECT_EQ(server->open_calls(), kCalls);
  EXPECT_EQ(server->connections(), 2u);  // The client's, and the other peer's.
  EXPECT_EQ(Ask("Echo", "meanwhile"), "ok: meanwhile");
  while (!service.kept.empty()) {
    service.kept.back().second("for " + service.kept.back().first);
    service.kept.pop_back();
  }
  ASSERT_TRUE(RunUntil([&] { return answers == kCalls; }));
  EXPECT_EQ(server->open_calls(), 0u);
}

TEST_F(GrpcServerTest, AnswersErrorsWithTheirTexts) {
  EXPECT_THAT(Ask("Fail", "100% \"caf\xc3\xa9\": gone"),
              AllOf(StartsWith("not_found: "), HasSubstr("100% \"caf\xc3\xa9\": gone")));
  // As trailers without anything before them.
  EXPECT_EQ(Say(test::Call(1, "Fail", "50%\n\xc3\xa9")), "5: 50%25%0A%C3%A9");
  EXPECT_THAT(peer->answers[1].trailers, IsEmpty());
  EXPECT_EQ(peer->answers[1].Find(":status"), "200");
  EXPECT_EQ(peer->answers[1].Find("content-type"), "application/grpc");
}

TEST_F(GrpcServerTest, CutsTextsThatHaveNoEnd) {
  EXPECT_THAT(Ask("Fail", std::string(1 << 20, '%')), StartsWith("not_found: "));
}

TEST_F(GrpcServerTest, NamesTheServiceAndTheMethodThatItDoesNotHave) {
  EXPECT_THAT(Ask("Fly", ""),
              AllOf(StartsWith("unimplemented: "), HasSubstr("test.Service"), HasSubstr("Fly")));
  test::Fields fields = CallFields("");
  uint32_t stream = 1;
  for (const char* wrong : {"/other.Service/Do", "/", "//", "/Echo", "/test.Service/"}) {
    fields[2].second = wrong;
    EXPECT_THAT(Say(Headers(stream, fields) + Data(stream, WithPrefix("")), stream),
                StartsWith("12: "))
        << wrong;
    stream += 2;
  }
  // What is no path of HTTP's is reset (RFC 9113, section 8.3.1).
  fields[2].second = "test.Service/Echo";
  Say(Headers(stream, fields) + Data(stream, WithPrefix("")), stream);
  EXPECT_EQ(peer->answers[stream].reset, NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(service.calls, 2);  // "Fly", and the one without a name.
}

TEST_F(GrpcServerTest, GivesServicesTheMetadataAndNotTheProtocols) {
  EXPECT_EQ(Ask("Meta", "containerd-namespace", {{"containerd-namespace", "k8s.io"}}),
            "ok: k8s.io");
  EXPECT_EQ(Ask("Meta", "traceparent", {{"traceparent", "1"}, {"traceparent", "2"}}), "ok: 1");
  EXPECT_EQ(Ask("Meta", "grpc-timeout"), "ok: none");
  EXPECT_EQ(Ask("Names", "", {{"a", "1"}, {"b-bin", "AAA="}}), "ok: user-agent a b-bin ");
}

TEST_F(GrpcServerTest, DoesNotBeginWhatIsLateAlready) {
  EXPECT_THAT(Say(test::Call(1, "Echo", "a", {{"grpc-timeout", "0n"}})), StartsWith("4: "));
  EXPECT_THAT(Say(test::Call(3, "Echo", "a", {{"grpc-timeout", "soon"}}), 3),
              AllOf(StartsWith("3: "), HasSubstr("grpc-timeout")));
  EXPECT_EQ(service.calls, 0);
  EXPECT_EQ(Say(test::Call(5, "Echo", "a", {{"grpc-timeout", "99999999H"}}), 5), "ok: a");
  EXPECT_TRUE(service.last_deadline.has_value());
}

TEST_F(GrpcServerTest, TellsAServiceOfWhoGivesACallUp) {
  peer->Write(test::Call(1, "Keep", "a") + test::Call(3, "Keep", "b"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 2; }));
  // What a service does that forgets who does not wait any more.
  service.kept[0].second.OnGone([this] { service.kept.erase(service.kept.begin()); });
  peer->Write(Reset(1));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  EXPECT_EQ(server->open_calls(), 1u);
  EXPECT_FALSE(service.kept[0].second.gone());
  // Begun and given up within one read.
  peer->Write(test::Call(5, "Keep", "c") + Reset(5));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 2; }));
  EXPECT_TRUE(service.kept[1].second.gone());
  service.kept[1].second("for nobody");
  EXPECT_EQ(server->open_calls(), 1u);
}

TEST_F(GrpcServerTest, TheHookHearsThatACallIsGivenUp) {
  std::vector<std::string> told;
  server->OnCalls(test::Tell(&told));
  peer->Write(test::Call(1, "Keep", "a"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  peer->Write(Reset(1));
  ASSERT_TRUE(RunUntil([&] { return told.size() == 2; }));
  service.kept[0].second("too late");
  EXPECT_THAT(told, ElementsAre("Keep(a)", "Keep: cancelled"));
}

TEST_F(GrpcServerTest, ServesTwoServices) {
  ASSERT_TRUE(server->Add(std::make_unique<test::TestService>("other.Service")).has_value());
  test::Fields fields = CallFields("");
  fields[2].second = "/other.Service/Echo";
  EXPECT_EQ(Say(Headers(1, fields) + Data(1, WithPrefix("x"))), "ok: x");
  EXPECT_EQ(service.calls, 0);
}

TEST_F(GrpcServerTest, SaysGoodbyeBeforeItHangsUp) {
  server->Stop();
  EXPECT_FALSE(peer->Read());
  EXPECT_EQ(peer->going_away, NGHTTP2_NO_ERROR);
  EXPECT_THAT(Ask("Echo", ""), StartsWith("unavailable: "));
}

TEST_F(GrpcServerTest, AClientThatWaitsHearsThatTheServerIsGone) {
  std::string text;
  client.Ask({.method = "/test.Service/Keep"}, [&](const Result<std::string>& answer) {
    text = answer ? "answered" : CodeName(answer.error().code());
  });
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  server.reset();
  ASSERT_TRUE(RunUntil([&] { return !text.empty(); }));
  EXPECT_EQ(text, "unavailable");
}

// For what all servers do: a client that is in order.
struct Wire {
  using Server = grpc::Server;

  class Peer : public RawPeer {
   public:
    explicit Peer(os::Fd socket) : RawPeer(std::move(socket)) {
      Write(std::string(test::kPreface) + test::Settings());
    }
    void Call(uint32_t stream, const std::string& method, const std::string& payload,
              std::chrono::nanoseconds timeout) {
      test::Fields more;
      if (timeout != 0ns) more.emplace_back("grpc-timeout", TimeoutText(timeout));
      Write(test::Call(stream, method, payload, more));
    }
    std::string Said(uint32_t stream) {
      const std::string said = answers[stream].Say();
      if (said == "open") return "";
      const std::string code = answers[stream].Find("grpc-status");
      if (code == "0") return said;
      return std::string(CodeName(CodeFromText(code))) + said.substr(said.find(':'));
    }
  };
};

}  // namespace
}  // namespace wasmoor::grpc

namespace wasmoor::rpc::test {
INSTANTIATE_TYPED_TEST_SUITE_P(Grpc, ServerSuite, grpc::Wire);
}  // namespace wasmoor::rpc::test
