#include "wasmoor/ttrpc/server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/child.h"
#include "support/scratch.h"
#include "ttrpc/raw_peer_for_test.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::ttrpc {
namespace {

using test::Bytes;
using test::RawPeer;
using test::RequestFrame;
using test::SocketPair;
using test::TestService;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using namespace std::chrono_literals;

class ServerTest : public test::LoopTest {
 protected:
  ServerTest() : server(std::make_unique<Server>(*loop)) {
    EXPECT_TRUE(server->Add(service).has_value());
    peer = NewPeer();
  }

  std::unique_ptr<RawPeer> NewPeer() {
    SocketPair pair;
    EXPECT_TRUE(server->Adopt(std::move(pair.ours)).has_value());
    return std::make_unique<RawPeer>(std::move(pair.theirs));
  }

  // What comes back for `bytes`, as far as it comes without anybody doing anything.
  std::vector<std::string> Ask(std::string_view bytes) {
    peer->answers.clear();
    peer->Write(bytes);
    Settle();
    peer->Read();
    return peer->answers;
  }

  TestService service;
  std::unique_ptr<Server> server;
  std::unique_ptr<RawPeer> peer;
};

TEST_F(ServerTest, AnswersRequestsThatComeTogether) {
  EXPECT_THAT(Ask(RequestFrame(1, "Echo", "a") + RequestFrame(3, "Echo", "") +
                  RequestFrame(5, "Fail", "it is not there")),
              ElementsAre("1: a", "3: ", "5: not_found: it is not there"));
}

TEST_F(ServerTest, AnswersInAnyOrder) {
  EXPECT_THAT(Ask(RequestFrame(1, "Keep", "a") + RequestFrame(3, "Keep", "b") +
                  RequestFrame(5, "Echo", "c")),
              ElementsAre("5: c"));
  EXPECT_EQ(server->open_calls(), 2u);
  service.kept[1].second("second");
  service.kept[0].second("first");
  Settle();
  peer->Read();
  EXPECT_THAT(peer->answers, ElementsAre("5: c", "3: second", "1: first"));
  EXPECT_EQ(server->open_calls(), 0u);
}

TEST_F(ServerTest, NamesTheServiceAndTheMethodThatItDoesNotHave) {
  ::ttrpc::Request request;
  request.set_service("containerd.task.v9.Task");
  request.set_method("Create");
  EXPECT_THAT(Ask(Bytes(1, FrameType::kRequest, request.SerializeAsString())),
              ElementsAre(AllOf(StartsWith("1: unimplemented:"), HasSubstr("v9.Task"))));
  EXPECT_THAT(Ask(RequestFrame(3, "Fly", "")),
              ElementsAre(AllOf(StartsWith("3: unimplemented:"), HasSubstr("test.Service"),
                                HasSubstr("Fly"))));
}

TEST_F(ServerTest, RefusesStreamIdsThatAreEvenOrDoNotRise) {
  EXPECT_THAT(Ask(RequestFrame(2, "Echo", "a")), ElementsAre(StartsWith("2: invalid_argument:")));
  EXPECT_THAT(Ask(RequestFrame(0, "Echo", "a")), ElementsAre(StartsWith("0: invalid_argument:")));
  EXPECT_THAT(Ask(RequestFrame(7, "Echo", "a")), ElementsAre("7: a"));
  EXPECT_THAT(Ask(RequestFrame(7, "Echo", "a")), ElementsAre(StartsWith("7: invalid_argument:")));
  EXPECT_THAT(Ask(RequestFrame(5, "Echo", "a")), ElementsAre(StartsWith("5: invalid_argument:")));
  EXPECT_THAT(Ask(RequestFrame(0xffffffff, "Echo", "a")), ElementsAre("4294967295: a"));
  EXPECT_EQ(service.calls, 2);
}

TEST_F(ServerTest, RefusesBytesThatAreNoRequestAndLivesOn) {
  EXPECT_THAT(Ask(Bytes(1, FrameType::kRequest, "\xff\xff\xff")),
              ElementsAre(StartsWith("1: invalid_argument:")));
  EXPECT_THAT(Ask(RequestFrame(3, "Echo", "a")), ElementsAre("3: a"));
}

TEST_F(ServerTest, DoesNotWriteToStderrWhatIsWrongWithARequest) {
  testing::internal::CaptureStderr();
  // A name of a service that is no UTF-8.
  EXPECT_THAT(Ask(Bytes(1, FrameType::kRequest, "\x0a\x02\xff\xff")),
              ElementsAre(StartsWith("1: invalid_argument:")));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ServerTest, PassesOverTypesOfFramesThatAreStillToCome) {
  EXPECT_THAT(Ask(Bytes(1, static_cast<FrameType>(9), "?") + Bytes(1, FrameType::kResponse, "") +
                  RequestFrame(1, "Echo", "a")),
              ElementsAre("1: a"));
}

TEST_F(ServerTest, AnswersAnOversizedRequestAndLivesOn) {
  std::string bytes = Bytes(1, FrameType::kRequest, std::string(kMostInFrame + 1, 'x')) +
                      RequestFrame(3, "Echo", "a");
  for (std::string_view left = bytes; !left.empty();) {
    const auto piece = left.substr(0, 65536);
    peer->Write(piece);
    Settle();
    left.remove_prefix(piece.size());
  }
  peer->Read();
  EXPECT_THAT(peer->answers, ElementsAre(StartsWith("1: resource_exhausted:"), "3: a"));
}

TEST_F(ServerTest, RefusesDataOnACallThatTakesNoStream) {
  EXPECT_THAT(
      Ask(RequestFrame(1, "Keep", "a") + Bytes(1, FrameType::kData, "more")),
      ElementsAre(AllOf(StartsWith("1: invalid_argument:"), HasSubstr("test.Service/Keep"))));
  EXPECT_TRUE(service.kept[0].second.gone());
  service.kept[0].second("too late");
  EXPECT_THAT(Ask(Bytes(1, FrameType::kData, "still")),
              ElementsAre(StartsWith("1: invalid_argument:")));
}

TEST_F(ServerTest, TakesItThatAClientWillSendNoMore) {
  EXPECT_THAT(
      Ask(RequestFrame(1, "Keep", "a") + Bytes(1, FrameType::kData, "", kRemoteClosed | kNoData)),
      IsEmpty());
  EXPECT_FALSE(service.kept[0].second.gone());
}

TEST_F(ServerTest, AnswersForAServiceThatDropsItsReply) {
  EXPECT_THAT(Ask(RequestFrame(1, "Drop", "")),
              ElementsAre(AllOf(StartsWith("1: internal:"), HasSubstr("test.Service/Drop"))));
}

TEST_F(ServerTest, AnswersOnceHoweverOftenAServiceDoes) {
  Ask(RequestFrame(1, "Keep", ""));
  RawReply& reply = service.kept[0].second;
  reply("first");
  EXPECT_TRUE(reply.gone());
  reply("second");
  reply(Error(Code::kInternal, "third"));
  service.kept.clear();
  Settle();
  peer->Read();
  EXPECT_THAT(peer->answers, ElementsAre("1: first"));
}

TEST_F(ServerTest, AnAnswerThatFitsInNoFrameBecomesAnError) {
  EXPECT_THAT(
      Ask(RequestFrame(1, "Big", std::to_string(kMostInFrame)) + RequestFrame(3, "Echo", "a")),
      ElementsAre(StartsWith("1: resource_exhausted: test.Service/Big"), "3: a"));
}

TEST_F(ServerTest, AnswersWhenTheTimeIsUpAndTellsTheService) {
  peer->Write(RequestFrame(1, "Keep", "a", 30'000'000) + RequestFrame(3, "Keep", "b") +
              RequestFrame(5, "Keep", "c", 60'000'000));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 3; }));
  bool told = false;
  service.kept[0].second.OnGone([&] { told = true; });
  ASSERT_TRUE(RunUntil([&] { return peer->Read() && peer->answers.size() == 2; }));
  EXPECT_THAT(peer->answers, ElementsAre(StartsWith("1: deadline_exceeded: test.Service/Keep"),
                                         StartsWith("5: deadline_exceeded:")));
  EXPECT_TRUE(told);
  EXPECT_TRUE(service.kept[0].second.gone());
  EXPECT_FALSE(service.kept[1].second.gone());
  service.kept[0].second("too late");
  service.kept[1].second("in time");
  Settle();
  peer->Read();
  EXPECT_EQ(peer->answers.back(), "3: in time");
}

TEST_F(ServerTest, DoesNotBeginWhatIsLateAlready) {
  EXPECT_THAT(Ask(RequestFrame(1, "Echo", "a", -1)),
              ElementsAre(StartsWith("1: deadline_exceeded:")));
  EXPECT_EQ(service.calls, 0);
}

TEST_F(ServerTest, TakesDeadlinesBeyondTheEndOfTheClock) {
  EXPECT_THAT(Ask(RequestFrame(1, "Echo", "a", INT64_MAX)), ElementsAre("1: a"));
  EXPECT_TRUE(service.last_deadline.has_value());
}

TEST_F(ServerTest, ReadsMetadata) {
  ::ttrpc::Request request;
  ASSERT_TRUE(request.ParseFromString(test::Request("Meta", "traceparent")));
  for (const char* value : {"first", "second"}) {
    auto* pair = request.add_metadata();
    pair->set_key("traceparent");
    pair->set_value(value);
  }
  EXPECT_THAT(Ask(Bytes(1, FrameType::kRequest, request.SerializeAsString()) +
                  RequestFrame(3, "Meta", "traceparent")),
              ElementsAre("1: first", "3: none"));
}

TEST_F(ServerTest, AClientMayGoWhileItsCallsAreOpen) {
  peer->Write(RequestFrame(1, "Keep", "a") + RequestFrame(3, "Keep", "b"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 2; }));
  // What a service does that forgets who does not wait any more.
  for (auto& [payload, reply] : service.kept) reply.OnGone([this] { service.kept.clear(); });
  peer->HangUp();
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
  EXPECT_THAT(service.kept, IsEmpty());
}

TEST_F(ServerTest, AnswersToWhoIsGoneGoNowhere) {
  peer->Write(RequestFrame(1, "Keep", "a"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  peer->HangUp();
  // The server does not know yet.
  service.kept[0].second("answer");
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
}

TEST_F(ServerTest, AClientMayGoInTheMiddleOfARequest) {
  const std::string bytes = RequestFrame(1, "Echo", "hello");
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto other = NewPeer();
    other->Write(std::string_view(bytes).substr(0, size));
    Settle();
    other->HangUp();
    ASSERT_TRUE(RunUntil([&] { return server->connections() == 1; })) << size;
  }
  EXPECT_EQ(service.calls, 0);
}

TEST_F(ServerTest, DoesNotReadFromWhoDoesNotReadItsAnswers) {
  const std::string ask = RequestFrame(1, "Big", "1000000");
  uint32_t stream = 1;
  int asked = 0;
  const auto ask_more = [&](int count) {
    for (int i = 0; i < count; ++i, stream += 2, ++asked)
      peer->Write(RequestFrame(stream, "Big", "1000000"));
    Settle();
  };
  ask_more(100);
  EXPECT_LT(service.calls, 10);  // Others wait in the socket, or were read with these.
  ASSERT_TRUE(RunUntil([&] { return peer->Read() && peer->answers.size() == 100; }));
  ask_more(3);
  ASSERT_TRUE(RunUntil([&] { return peer->Read() && peer->answers.size() == 103; }));
  EXPECT_EQ(service.calls, asked);
}

TEST_F(ServerTest, HangsUpOnWhoLetsAnswersPileUp) {
  std::string asks;
  for (uint32_t stream = 1; stream < 200; stream += 2) asks += RequestFrame(stream, "Keep", "");
  peer->Write(asks);
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 100; }));
  const std::string big(1 << 20, 'b');
  for (auto& [payload, reply] : service.kept) reply(big);
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
  EXPECT_EQ(server->open_calls(), 0u);
}

TEST_F(ServerTest, MayBeDestroyedFromWithinACall) {
  service.on_call = [this] { server.reset(); };
  peer->Write(RequestFrame(1, "Echo", "a") + RequestFrame(3, "Echo", "b"));
  ASSERT_TRUE(RunUntil([&] { return !peer->Read(); }));
  EXPECT_THAT(peer->answers, IsEmpty());
  EXPECT_EQ(service.calls, 1);
}

TEST_F(ServerTest, SendsWhatWasAnsweredBeforeItStops) {
  peer->Write(RequestFrame(1, "Keep", "a"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  service.kept[0].second("goodbye");
  server.reset();
  EXPECT_FALSE(peer->Read());
  EXPECT_THAT(peer->answers, ElementsAre("1: goodbye"));
}

TEST_F(ServerTest, TellsServicesOfOpenCallsThatItStops) {
  peer->Write(RequestFrame(1, "Keep", "a"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  bool told = false;
  service.kept[0].second.OnGone([&] { told = true; });
  server->Stop();
  EXPECT_TRUE(told);
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(ServerTest, ServesOneServiceUnderTwoNames) {
  ASSERT_TRUE(server->Add(std::make_unique<Alias>("test.v3.Service", service)).has_value());
  ::ttrpc::Request request;
  request.set_service("test.v3.Service");
  request.set_method("Fly");
  EXPECT_THAT(Ask(RequestFrame(1, "Echo", "a") +
                  Bytes(3, FrameType::kRequest, request.SerializeAsString())),
              ElementsAre("1: a", AllOf(StartsWith("3: unimplemented"), HasSubstr("v3"))));
  EXPECT_EQ(server->Add(service).error().code(), Code::kAlreadyExists);
}

// What the hook is told, as "Method(payload)" and "Method: code".
class HookTest : public ServerTest {
 protected:
  HookTest() {
    server->OnCalls([this](const CallInfo& info, std::string_view payload) {
      told.push_back(fmt::format("{}({:.9})", info.method, payload));
      return [this, method = std::string(info.method)](const Error* error) {
        told.push_back(
            fmt::format("{}: {}", method, CodeName(error == nullptr ? Code::kOk : error->code())));
      };
    });
  }

  std::vector<std::string> told;
};

TEST_F(HookTest, HearsOfACallBeforeTheServiceAndOnceOfItsAnswer) {
  service.on_call = [this] { told.emplace_back("the service"); };
  Ask(RequestFrame(1, "Echo", "a") + RequestFrame(3, "Fail", "b") + RequestFrame(5, "Drop", ""));
  EXPECT_THAT(told, ElementsAre("Echo(a)", "the service", "Echo: ok", "Fail(b)", "the service",
                                "Fail: not_found", "Drop()", "the service", "Drop: internal"));
}

TEST_F(HookTest, HearsOfWhatIsAnsweredLaterWhenItIsAndNeverTwice) {
  Ask(RequestFrame(1, "Keep", "a"));
  EXPECT_THAT(told, ElementsAre("Keep(a)"));
  service.kept[0].second("first");
  service.kept[0].second(Error(Code::kInternal, "second"));
  service.kept.clear();
  server.reset();
  EXPECT_THAT(told, ElementsAre("Keep(a)", "Keep: ok"));
}

TEST_F(HookTest, HearsTheErrorThatAGoodAnswerBecomesWhichIsTooLong) {
  Ask(RequestFrame(1, "Big", std::to_string(kMostInFrame)));
  EXPECT_THAT(told, ElementsAre("Big(4194304)", "Big: resource_exhausted"));
}

TEST_F(HookTest, HearsThatTheTimeWasUp) {
  peer->Write(RequestFrame(1, "Keep", "a", 30'000'000));
  ASSERT_TRUE(RunUntil([&] { return told.size() == 2; }));
  service.kept[0].second("too late");
  EXPECT_THAT(told, ElementsAre("Keep(a)", "Keep: deadline_exceeded"));
}

TEST_F(HookTest, HearsThatTheClientIsGone) {
  peer->Write(RequestFrame(1, "Keep", "a"));
  ASSERT_TRUE(RunUntil([&] { return service.kept.size() == 1; }));
  peer->HangUp();
  ASSERT_TRUE(RunUntil([&] { return told.size() == 2; }));
  service.kept[0].second("too late");
  EXPECT_THAT(told, ElementsAre("Keep(a)", "Keep: cancelled"));
}

TEST_F(HookTest, HearsThatACallTakesNoStream) {
  Ask(RequestFrame(1, "Keep", "a") + Bytes(1, FrameType::kData, "more"));
  EXPECT_THAT(told, ElementsAre("Keep(a)", "Keep: invalid_argument"));
}

TEST_F(HookTest, HearsOfOpenCallsWhenTheServerEndsFromWithinOne) {
  Ask(RequestFrame(1, "Keep", "a"));
  service.on_call = [this] { server.reset(); };
  peer->Write(RequestFrame(3, "Echo", "b"));
  ASSERT_TRUE(RunUntil([&] { return !peer->Read(); }));
  EXPECT_THAT(told, ElementsAre("Keep(a)", "Echo(b)", "Keep: cancelled", "Echo: cancelled"));
}

TEST_F(HookTest, HearsNothingOfWhatNoServiceGets) {
  ::ttrpc::Request request;
  request.set_service("test.Other");
  request.set_method("Echo");
  Ask(Bytes(1, FrameType::kRequest, request.SerializeAsString()) +
      RequestFrame(3, "Echo", "a", -1) + Bytes(5, FrameType::kRequest, "\xff\xff\xff"));
  EXPECT_EQ(peer->answers.size(), 3u);
  EXPECT_THAT(told, IsEmpty());
  Ask(RequestFrame(7, "Fly", ""));
  EXPECT_THAT(told, ElementsAre("Fly()", "Fly: unimplemented"));
}

class ListeningTest : public ServerTest {
 protected:
  ListeningTest() : path(scratch / "s") {
    os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(socket.get(), 8), 0);
    EXPECT_TRUE(server->Listen(std::move(socket)).has_value());
    peer->HangUp();
    EXPECT_TRUE(RunUntil([&] { return server->connections() == 0; }));
  }

  const wasmoor::test::ScratchDirectory scratch;
  const std::string path;
};

TEST_F(ListeningTest, TakesEveryOneWhoConnects) {
  std::vector<std::unique_ptr<Client>> clients;
  int answers = 0;
  for (int i = 0; i < 5; ++i) {
    auto client = Client::Connect(*loop, path);
    ASSERT_TRUE(client.has_value()) << client.error().message();
    (*client)->Call("test.Service", "Echo", "x", {}, [&](const Result<std::string>& answer) {
      answers += answer.has_value() ? 1 : 0;
    });
    clients.push_back(std::move(*client));
  }
  ASSERT_TRUE(RunUntil([&] { return answers == 5; }));
  EXPECT_EQ(server->connections(), 5u);
  clients.clear();
  ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
}

TEST_F(ListeningTest, HangsUpOnOtherUsers) {
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
  EXPECT_EQ(server->connections(), 0u);
}

TEST_F(ListeningTest, OthersAreRefusedAfterItStopped) {
  server->Stop();
  EXPECT_EQ(Client::Connect(*loop, path).error().code(), Code::kUnavailable);
}

TEST_F(ListeningTest, GoesOnWhereThereWereNoDescriptors) {
  auto client = Client::Connect(*loop, path);
  ASSERT_TRUE(client.has_value());
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int i = 0; i < 3; ++i) loop->RunOnce(1ms);
  EXPECT_EQ(server->connections(), 0u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(RunUntil([&] { return server->connections() == 1; }));
}

}  // namespace
}  // namespace wasmoor::ttrpc
