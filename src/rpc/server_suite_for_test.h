#pragma once

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rpc/service_for_test.h"
#include "support/child.h"
#include "support/scratch.h"
#include "wasmoor/os/unix_socket.h"

// What every server does, whatever it speaks. A room instantiates it with what is its own:
//
//   struct Wire {
//     using Server = ...;
//     class Peer {                  // A client, which is driven by hand.
//       explicit Peer(os::Fd socket);
//       void Call(uint32_t stream, const std::string& method, const std::string& payload,
//                 std::chrono::nanoseconds timeout);      // Sends it. 0: waits for ever.
//       bool Read();                // What there is. False when it is hung up on.
//       std::string Said(uint32_t stream);  // "ok: payload", "not_found: why", or "": no answer.
//       void HangUp();
//     };
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Ttrpc, ServerSuite, Wire);
namespace wasmoor::rpc::test {

template <typename Wire>
class ServerSuite : public LoopTest {
 protected:
  using Peer = typename Wire::Peer;

  ServerSuite() : server(std::make_unique<typename Wire::Server>(*loop)) {
    Must(server->Add(service));
    peer = NewPeer();
  }

  std::unique_ptr<Peer> NewPeer() {
    SocketPair pair;
    Must(server->Adopt(std::move(pair.ours)));
    return std::make_unique<Peer>(std::move(pair.theirs));
  }
  // The peer's call, which the service keeps.
  void Keep(uint32_t stream, std::chrono::nanoseconds timeout = 0ns) {
    const size_t before = service.kept.size();
    peer->Call(stream, "Keep", "", timeout);
    ASSERT_TRUE(RunUntil([&] { return service.kept.size() > before; }));
  }
  // What comes back for one call, as far as it comes without anybody doing anything.
  std::string Ask(uint32_t stream, const std::string& method, const std::string& payload) {
    peer->Call(stream, method, payload, 0ns);
    Settle();
    peer->Read();
    return peer->Said(stream);
  }
  bool IsHungUpOn() {
    return RunUntil([&] { return !peer->Read(); });
  }

  // From now on the server takes connections at `path`, and has none.
  void Listen() {
    Must(server->Listen(Must(os::ListenUnix(path))));
    peer->HangUp();
    ASSERT_TRUE(RunUntil([&] { return server->connections() == 0; }));
  }

  TestService service;
  std::vector<std::string> told;
  const wasmoor::test::ScratchDirectory scratch;
  const std::string path = scratch / "socket";
  std::unique_ptr<typename Wire::Server> server;
  std::unique_ptr<Peer> peer;
};
TYPED_TEST_SUITE_P(ServerSuite);

TYPED_TEST_P(ServerSuite, AnswersInAnyOrder) {
  this->Keep(1);
  this->Keep(3);
  EXPECT_EQ(this->Ask(5, "Echo", "meanwhile"), "ok: meanwhile");
  EXPECT_EQ(this->server->open_calls(), 2u);
  this->service.kept[1].second("second");
  this->service.kept[0].second("first");
  this->Settle();
  this->peer->Read();
  EXPECT_EQ(this->peer->Said(1), "ok: first");
  EXPECT_EQ(this->peer->Said(3), "ok: second");
  EXPECT_EQ(this->server->open_calls(), 0u);
}

TYPED_TEST_P(ServerSuite, AnswersWithErrorsAndWithNothing) {
  EXPECT_EQ(this->Ask(1, "Fail", "it is not there"), "not_found: it is not there");
  EXPECT_EQ(this->Ask(3, "Echo", ""), "ok: ");
}

TYPED_TEST_P(ServerSuite, NamesTheMethodThatItDoesNotHave) {
  EXPECT_EQ(this->Ask(1, "Fly", ""), "unimplemented: test.Service has no method Fly here");
}

TYPED_TEST_P(ServerSuite, AnswersForAServiceThatDropsItsReply) {
  EXPECT_THAT(this->Ask(1, "Drop", ""), testing::StartsWith("internal: test.Service/Drop: "));
}

TYPED_TEST_P(ServerSuite, AnswersOnceHoweverOftenAServiceDoes) {
  this->Keep(1);
  RawReply& reply = this->service.kept[0].second;
  reply("first");
  EXPECT_TRUE(reply.gone());
  reply("second");
  reply(Error(Code::kInternal, "third"));
  this->service.kept.clear();
  this->Settle();
  this->peer->Read();
  EXPECT_EQ(this->peer->Said(1), "ok: first");
}

TYPED_TEST_P(ServerSuite, AReplyThatTakesTheOthersPlaceAnswersForIt) {
  this->Keep(1);
  this->Keep(3);
  this->service.kept[0].second = std::move(this->service.kept[1].second);
  this->Settle();
  this->peer->Read();
  EXPECT_THAT(this->peer->Said(1), testing::StartsWith("internal: "));
  EXPECT_EQ(this->peer->Said(3), "");
  EXPECT_FALSE(this->service.kept[0].second.gone());
}

TYPED_TEST_P(ServerSuite, AnswersWhenTheTimeIsUpAndTellsTheService) {
  this->Keep(1, 30ms);
  this->Keep(3);
  this->Keep(5, 60ms);
  bool told = false;
  this->service.kept[0].second.OnGone([&] { told = true; });
  ASSERT_TRUE(this->RunUntil([&] { return this->server->open_calls() == 1; }));
  this->Settle();
  this->peer->Read();
  EXPECT_THAT(this->peer->Said(1), testing::StartsWith("deadline_exceeded: test.Service/Keep: "));
  EXPECT_THAT(this->peer->Said(5), testing::StartsWith("deadline_exceeded: "));
  EXPECT_TRUE(told);
  EXPECT_TRUE(this->service.kept[0].second.gone());
  EXPECT_FALSE(this->service.kept[1].second.gone());
  this->service.kept[0].second("too late");
  this->service.kept[1].second("in time");
  this->Settle();
  this->peer->Read();
  EXPECT_EQ(this->peer->Said(3), "ok: in time");
}

TYPED_TEST_P(ServerSuite, ADeadlineBeyondTheEndOfTheClockIsNone) {
  this->peer->Call(1, "Echo", "a", std::chrono::nanoseconds::max());
  this->Settle();
  this->peer->Read();
  EXPECT_EQ(this->peer->Said(1), "ok: a");
  EXPECT_TRUE(this->service.last_deadline.has_value());
}

TYPED_TEST_P(ServerSuite, AClientMayGoWhileItsCallsAreOpen) {
  this->Keep(1);
  this->Keep(3);
  // What a service does that forgets who does not wait any more.
  for (auto& [payload, reply] : this->service.kept)
    reply.OnGone([this] { this->service.kept.clear(); });
  this->peer->HangUp();
  ASSERT_TRUE(this->RunUntil([&] { return this->server->connections() == 0; }));
  EXPECT_THAT(this->service.kept, testing::IsEmpty());
}

TYPED_TEST_P(ServerSuite, AnswersToWhoIsGoneGoNowhere) {
  this->Keep(1);
  this->peer->HangUp();
  // The server does not know yet.
  this->service.kept[0].second("answer");
  ASSERT_TRUE(this->RunUntil([&] { return this->server->connections() == 0; }));
}

TYPED_TEST_P(ServerSuite, MayBeDestroyedFromWithinACall) {
  this->service.on_call = [this] { this->server.reset(); };
  this->peer->Call(1, "Echo", "a", 0ns);
  this->peer->Call(3, "Echo", "b", 0ns);
  ASSERT_TRUE(this->IsHungUpOn());
  EXPECT_EQ(this->peer->Said(1), "");
  EXPECT_EQ(this->service.calls, 1);
}

TYPED_TEST_P(ServerSuite, MayBeDestroyedByWhoIsToldThatAClientIsGone) {
  this->Keep(1, 20ms);
  this->service.kept[0].second.OnGone([this] { this->server.reset(); });
  ASSERT_TRUE(this->RunUntil([&] { return this->server == nullptr; }));
  EXPECT_TRUE(this->IsHungUpOn());
}

TYPED_TEST_P(ServerSuite, SendsWhatWasAnsweredAndTellsServicesOfTheRestWhenItStops) {
  this->Keep(1);
  this->Keep(3);
  bool told = false;
  this->service.kept[1].second.OnGone([&] { told = true; });
  this->service.kept[0].second("last words");
  this->server->Stop();
  EXPECT_TRUE(told);
  EXPECT_EQ(this->server->connections(), 0u);
  EXPECT_FALSE(this->peer->Read());
  EXPECT_EQ(this->peer->Said(1), "ok: last words");
  EXPECT_EQ(this->peer->Said(3), "");
}

TYPED_TEST_P(ServerSuite, ServesAServiceByOneName) {
  EXPECT_EQ(this->server->Add(this->service).error().code(), Code::kAlreadyExists);
  Must(this->server->Add(std::make_unique<Alias>("test.v3.Service", this->service)));
  EXPECT_EQ(this->server->Add(std::make_unique<TestService>("test.v3.Service")).error().code(),
            Code::kAlreadyExists);
}

TYPED_TEST_P(ServerSuite, TakesEveryOneWhoConnects) {
  this->Listen();
  std::vector<std::unique_ptr<typename TypeParam::Peer>> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(std::make_unique<typename TypeParam::Peer>(Must(os::ConnectUnix(this->path))));
    peers.back()->Call(1, "Echo", "x", 0ns);
  }
  ASSERT_TRUE(this->RunUntil([&] { return this->service.calls == 20; }));
  this->Settle();
  EXPECT_EQ(this->server->connections(), 20u);
  for (auto& one : peers) {
    one->Read();
    EXPECT_EQ(one->Said(1), "ok: x");
  }
  peers.clear();
  ASSERT_TRUE(this->RunUntil([&] { return this->server->connections() == 0; }));
}

TYPED_TEST_P(ServerSuite, HangsUpOnOtherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  this->Listen();
  ASSERT_EQ(::chmod((this->scratch / "").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(this->path.c_str(), 0777), 0);
  wasmoor::test::Child stranger([this] {
    if (::setuid(65534) != 0) return 2;
    const auto socket = os::ConnectUnix(this->path);
    char byte = 0;
    return socket && ::recv(socket->get(), &byte, 1, 0) == 0 ? 0 : 1;
  });
  const auto gone = [&] {
    siginfo_t info = {};
    return ::waitid(P_PID, static_cast<id_t>(stranger.pid()), &info, WEXITED | WNOHANG | WNOWAIT) ==
               0 &&
           info.si_pid != 0;
  };
  ASSERT_TRUE(this->RunUntil(gone));
  EXPECT_EQ(stranger.Wait(), "exit 0");
  EXPECT_EQ(this->server->connections(), 0u);
}

TYPED_TEST_P(ServerSuite, OthersAreRefusedAfterItStopped) {
  this->Listen();
  this->server->Stop();
  EXPECT_EQ(os::ConnectUnix(this->path).error().code(), Code::kUnavailable);
}

TYPED_TEST_P(ServerSuite, GoesOnWhereThereWereNoDescriptors) {
  this->Listen();
  const os::Fd client = Must(os::ConnectUnix(this->path));
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int i = 0; i < 3; ++i) this->loop->RunOnce(1ms);
  EXPECT_EQ(this->server->connections(), 0u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(this->RunUntil([&] { return this->server->connections() == 1; }));
}

TYPED_TEST_P(ServerSuite, TheHookHearsOfACallBeforeTheServiceAndOnceOfItsAnswer) {
  this->server->OnCalls(Tell(&this->told));
  this->service.on_call = [this] { this->told.emplace_back("the service"); };
  this->Ask(1, "Echo", "a");
  this->Ask(3, "Fail", "b");
  this->Ask(5, "Drop", "");
  EXPECT_THAT(this->told,
              testing::ElementsAre("Echo(a)", "the service", "Echo: ok", "Fail(b)", "the service",
                                   "Fail: not_found", "Drop()", "the service", "Drop: internal"));
}

TYPED_TEST_P(ServerSuite, TheHookHearsOfALateAnswerOnceAndOfNoneWhenTheTimeIsUp) {
  this->server->OnCalls(Tell(&this->told));
  this->Keep(1);
  EXPECT_THAT(this->told, testing::ElementsAre("Keep()"));
  this->service.kept[0].second("first");
  this->service.kept[0].second(Error(Code::kInternal, "second"));
  EXPECT_THAT(this->told, testing::ElementsAre("Keep()", "Keep: ok"));
  this->told.clear();
  this->Keep(3, 20ms);
  ASSERT_TRUE(this->RunUntil([&] { return this->told.size() == 2; }));
  this->service.kept[1].second("too late");
  this->server.reset();
  EXPECT_THAT(this->told, testing::ElementsAre("Keep()", "Keep: deadline_exceeded"));
}

TYPED_TEST_P(ServerSuite, TheHookHearsThatTheClientIsGone) {
  this->server->OnCalls(Tell(&this->told));
  this->Keep(1);
  this->peer->HangUp();
  ASSERT_TRUE(this->RunUntil([&] { return this->told.size() == 2; }));
  this->service.kept[0].second("too late");
  EXPECT_THAT(this->told, testing::ElementsAre("Keep()", "Keep: cancelled"));
}

TYPED_TEST_P(ServerSuite, TheHookHearsOfOpenCallsWhenTheServerEndsFromWithinOne) {
  this->server->OnCalls(Tell(&this->told));
  this->Keep(1);
  this->service.on_call = [this] { this->server.reset(); };
  this->peer->Call(3, "Echo", "b", 0ns);
  ASSERT_TRUE(this->IsHungUpOn());
  EXPECT_THAT(this->told,
              testing::ElementsAre("Keep()", "Echo(b)", "Keep: cancelled", "Echo: cancelled"));
}

TYPED_TEST_P(ServerSuite, TheHookHearsOfMethodsThatAreNotThere) {
  this->server->OnCalls(Tell(&this->told));
  this->Ask(1, "Fly", "");
  EXPECT_THAT(this->told, testing::ElementsAre("Fly()", "Fly: unimplemented"));
}

REGISTER_TYPED_TEST_SUITE_P(
    ServerSuite, AnswersInAnyOrder, AnswersWithErrorsAndWithNothing,
    NamesTheMethodThatItDoesNotHave, AnswersForAServiceThatDropsItsReply,
    AnswersOnceHoweverOftenAServiceDoes, AReplyThatTakesTheOthersPlaceAnswersForIt,
    AnswersWhenTheTimeIsUpAndTellsTheService, ADeadlineBeyondTheEndOfTheClockIsNone,
    AClientMayGoWhileItsCallsAreOpen, AnswersToWhoIsGoneGoNowhere, MayBeDestroyedFromWithinACall,
    MayBeDestroyedByWhoIsToldThatAClientIsGone,
    SendsWhatWasAnsweredAndTellsServicesOfTheRestWhenItStops, ServesAServiceByOneName,
    TakesEveryOneWhoConnects, HangsUpOnOtherUsers, OthersAreRefusedAfterItStopped,
    GoesOnWhereThereWereNoDescriptors, TheHookHearsOfACallBeforeTheServiceAndOnceOfItsAnswer,
    TheHookHearsOfALateAnswerOnceAndOfNoneWhenTheTimeIsUp, TheHookHearsThatTheClientIsGone,
    TheHookHearsOfOpenCallsWhenTheServerEndsFromWithinOne, TheHookHearsOfMethodsThatAreNotThere);

}  // namespace wasmoor::rpc::test
