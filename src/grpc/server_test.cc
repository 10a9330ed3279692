#include "wasmoor/grpc/server.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "grpc/service_for_test.h"
#include "support/child.h"

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

TEST_F(GrpcServerTest, AnswersWhenTheTimeIsUpAndTellsTheService) {
  peer->Write(test::Call(1, "Keep", "a", {{"grpc-timeout", "30m"}}) + test::Call(3, "Keep", "b") +
              test::Call(5, "Keep", "c", {{"grpc-timeout", "60000u"}}));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 3; }));
  bool told = false;
  service.kept[0].second.OnGone([&] { told = true; });
  ASSERT_TRUE(RunUntil([&] { return peer->Read() && peer->answers.size() == 2; }));
  EXPECT_THAT(peer->answers[1].Say(), StartsWith("4: test.Service/Keep"));
  EXPECT_THAT(peer->answers[5].Say(), StartsWith("4: "));
  EXPECT_TRUE(told);
  EXPECT_TRUE(service.kept[0].second.gone());
  service.kept[0].second("too late");
  service.kept[1].second("in time");
  Settle();
  peer->Read();
  EXPECT_EQ(peer->answers[3].Say(), "ok: in time");
  EXPECT_EQ(server->open_calls(), 0u);
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

TEST_F(GrpcServerTest, AClientMayGoWhileItsCallsAreOpen) {
  peer->Write(test::Call(1, "Keep", "a") + test::Call(3, "Keep", "b"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 2; }));
  for (auto& [message, reply] : service.kept) reply.OnGone([this] { service.kept.clear(); });
  peer->HangUp();
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
  EXPECT_THAT(service.kept, IsEmpty());
}

TEST_F(GrpcServerTest, AnswersToWhoIsGoneGoNowhere) {
  peer->Write(test::Call(1, "Keep", "a"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  peer->HangUp();
  // The server does not know yet.
  service.kept[0].second("answer");
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
}

TEST_F(GrpcServerTest, AnswersForAServiceThatDropsItsReply) {
  EXPECT_THAT(Ask("Drop", ""), AllOf(StartsWith("internal: "), HasSubstr("test.Service/Drop")));
}

TEST_F(GrpcServerTest, AnswersOnceHoweverOftenAServiceDoes) {
  peer->Write(test::Call(1, "Keep", ""));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  RawReply& reply = service.kept[0].second;
  reply("first");
  EXPECT_TRUE(reply.gone());
  reply("second");
  reply(Error(Code::kInternal, "third"));
  service.kept.clear();
  EXPECT_EQ(Say(""), "ok: first");
}

TEST_F(GrpcServerTest, ServesTwoServices) {
  ASSERT_TRUE(server->Add(std::make_unique<test::TestService>("other.Service")).has_value());
  test::Fields fields = CallFields("");
  fields[2].second = "/other.Service/Echo";
  EXPECT_EQ(Say(Headers(1, fields) + Data(1, WithPrefix("x"))), "ok: x");
  EXPECT_EQ(service.calls, 0);
  EXPECT_EQ(server->Add(service).error().code(), Code::kAlreadyExists);
}

TEST_F(GrpcServerTest, MayBeDestroyedFromWithinACall) {
  service.on_call = [this] { server.reset(); };
  peer->Write(test::Call(1, "Echo", "a") + test::Call(3, "Echo", "b"));
  ASSERT_TRUE(RunUntil([&] { return !peer->Read(); }));
  EXPECT_THAT(peer->answers, IsEmpty());
  EXPECT_EQ(service.calls, 1);
}

TEST_F(GrpcServerTest, MayBeDestroyedByWhoIsToldThatAClientIsGone) {
  peer->Write(test::Call(1, "Keep", "a", {{"grpc-timeout", "20m"}}));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  service.kept[0].second.OnGone([this] { server.reset(); });
  ASSERT_TRUE(RunUntil([&] { return server == nullptr; }));
  EXPECT_FALSE(peer->Read());
}

TEST_F(GrpcServerTest, SaysGoodbyeAndSendsWhatWasAnsweredBeforeItStops) {
  peer->Write(test::Call(1, "Keep", "a") + test::Call(3, "Keep", "b"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 2; }));
  bool told = false;
  service.kept[1].second.OnGone([&] { told = true; });
  service.kept[0].second("last words");
  server->Stop();
  EXPECT_TRUE(told);
  EXPECT_EQ(server->connections(), 0u);
  EXPECT_FALSE(peer->Read());
  EXPECT_EQ(peer->answers[1].Say(), "ok: last words");
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

TEST_F(GrpcServerTest, HangsUpOnOtherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  ASSERT_EQ(::chmod((scratch / "").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0777), 0);
  wasmoor::test::Child stranger([this] {
    if (::setuid(65534) != 0) return 2;
    const auto socket = os::ConnectUnix(path);
    char byte = 0;
    return socket && ::recv(socket->get(), &byte, 1, 0) == 0 ? 0 : 1;
  });
  const auto gone = [&] {
    siginfo_t info = {};
    return ::waitid(P_PID, static_cast<id_t>(stranger.pid()), &info, WEXITED | WNOHANG | WNOWAIT) ==
               0 &&
           info.si_pid != 0;
  };
  ASSERT_TRUE(RunUntil(gone));
  EXPECT_EQ(stranger.Wait(), "exit 0");
  EXPECT_EQ(server->connections(), 1u);  // The peer's.
}

TEST_F(GrpcServerTest, TakesEveryOneWhoConnects) {
  std::vector<std::unique_ptr<Client>> clients;
  int answers = 0;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<Client>(*loop, path));
    clients.back()->Ask({.method = "/test.Service/Echo"},
                        [&](const Result<std::string>& answer) { answers += answer ? 1 : 0; });
  }
  ASSERT_TRUE(RunUntil([&] { return answers == 50; }));
  clients.clear();
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 1; }));
}

}  // namespace
}  // namespace wasmoor::grpc
