#include "wasmoor/ttrpc/server.h"

#include "rpc/server_suite_for_test.h"
#include "ttrpc/raw_peer_for_test.h"

namespace wasmoor::ttrpc {
namespace {

using test::Bytes;
using test::RequestFrame;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using namespace std::chrono_literals;

class ServerTest : public rpc::test::ServerSuite<test::Wire> {
 protected:
  // What comes back for `bytes`, as far as it comes without anybody doing anything.
  std::vector<std::string> Ask(std::string_view bytes) {
    peer->answers.clear();
    peer->Write(bytes);
    Settle();
    peer->Read();
    return peer->answers;
  }
};

TEST_F(ServerTest, AnswersRequestsThatComeTogether) {
  EXPECT_THAT(Ask(RequestFrame(1, "Echo", "a") + RequestFrame(3, "Echo", "") +
                  RequestFrame(5, "Fail", "it is not there")),
              ElementsAre("1: a", "3: ", "5: not_found: it is not there"));
}

TEST_F(ServerTest, NamesTheServiceThatItDoesNotHave) {
  ::ttrpc::Request request;
  request.set_service("containerd.task.v9.Task");
  request.set_method("Create");
  EXPECT_THAT(Ask(Bytes(1, FrameType::kRequest, request.SerializeAsString())),
              ElementsAre(AllOf(StartsWith("1: unimplemented:"), HasSubstr("v9.Task"))));
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

TEST_F(ServerTest, AnAnswerThatFitsInNoFrameBecomesAnError) {
  EXPECT_THAT(
      Ask(RequestFrame(1, "Big", std::to_string(kMostInFrame)) + RequestFrame(3, "Echo", "a")),
      ElementsAre(StartsWith("1: resource_exhausted: test.Service/Big"), "3: a"));
}

TEST_F(ServerTest, DoesNotBeginWhatIsLateAlready) {
  EXPECT_THAT(Ask(RequestFrame(1, "Echo", "a", -1)),
              ElementsAre(StartsWith("1: deadline_exceeded:")));
  EXPECT_EQ(service.calls, 0);
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

class HookTest : public ServerTest {
 protected:
  HookTest() { server->OnCalls(test::Tell(&told)); }
};

TEST_F(HookTest, HearsTheErrorThatAGoodAnswerBecomesWhichIsTooLong) {
  Ask(RequestFrame(1, "Big", std::to_string(kMostInFrame)));
  EXPECT_THAT(told, ElementsAre("Big(4194304)", "Big: resource_exhausted"));
}

TEST_F(HookTest, HearsThatACallTakesNoStream) {
  Ask(RequestFrame(1, "Keep", "a") + Bytes(1, FrameType::kData, "more"));
  EXPECT_THAT(told, ElementsAre("Keep(a)", "Keep: invalid_argument"));
}

TEST_F(HookTest, HearsNothingOfWhatNoServiceGets) {
  ::ttrpc::Request request;
  request.set_service("test.Other");
  request.set_method("Echo");
  Ask(Bytes(1, FrameType::kRequest, request.SerializeAsString()) +
      RequestFrame(3, "Echo", "a", -1) + Bytes(5, FrameType::kRequest, "\xff\xff\xff"));
  EXPECT_EQ(peer->answers.size(), 3u);
  EXPECT_THAT(told, IsEmpty());
}

}  // namespace
}  // namespace wasmoor::ttrpc

namespace wasmoor::rpc::test {
INSTANTIATE_TYPED_TEST_SUITE_P(Ttrpc, ServerSuite, ttrpc::test::Wire);
}  // namespace wasmoor::rpc::test
