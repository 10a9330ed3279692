#include "wasmoor/knative/reporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <set>
#include <vector>

#include "knative/queue_proxy_for_test.h"
#include "proto/knative/superpod.pb.h"

namespace wasmoor::knative {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kOfAnotherKey =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
constexpr uint8_t kBinary = 2, kClose = 8, kPing = 9, kPong = 10;

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

class ReporterTest : public ::testing::Test {
 protected:
  ReporterTest() {
    options_.period = milliseconds(2);
    options_.first_pause = milliseconds(100);
    options_.most_pause = milliseconds(100);
    options_.settled = milliseconds(20);
    options_.timeout = seconds(30);
    options_.sample = [this] { return cores_ ? *cores_ : static_cast<double>(++samples_); };
    options_.warn = [this](std::string_view line) { lines_.emplace_back(line); };
  }

  void Start(uint16_t port) {
    options_.port = port;
    reporter_ = test::Must(Reporter::Create(*loop_, options_));
  }
  bool Until(const std::function<bool()>& over) { return knative::Until(*loop_, over); }
  bool UntilLines(size_t count) {
    return Until([this, count] { return lines_.size() >= count; });
  }
  bool UntilTries(uint64_t count) {
    return Until([this, count] { return reporter_->counts().tries >= count; });
  }
  static double Cores(const std::optional<Frame>& frame) {
    v1::SuperPodMetrics metrics;
    if (!frame || !metrics.ParseFromString(frame->payload)) return -1;
    return metrics.cpu_utilization();
  }

  std::unique_ptr<loop::Loop> loop_ = test::Must(loop::Loop::Create());
  std::optional<double> cores_;  // Else the samples are numbered.
  uint64_t samples_ = 0;
  std::vector<std::string> lines_;
  ReporterOptions options_;
  QueueProxy proxy_{*loop_};
  std::unique_ptr<Reporter> reporter_;
};

TEST_F(ReporterTest, EachReportIsAMaskedBinaryMessage) {
  cores_ = 1.5;
  Start(proxy_.port());
  Peer peer = proxy_.Accept();
  const std::string head = peer.ReadHead();
  EXPECT_TRUE(head.starts_with("GET / HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("Host: 127.0.0.1:" + std::to_string(proxy_.port()) + "\r\n"));
  peer.Send(Peer::Reply(head));
  for (int i = 0; i < 5; ++i) {
    const auto frame = peer.Next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->first, 0x80 | kBinary);
    EXPECT_TRUE(frame->is_masked);
    // Field 1, eight bytes, of the number 1.5 (IEEE 754, little end first).
    EXPECT_EQ(frame->payload, "\x09\0\0\0\0\0\0\xf8\x3f"s);
  }
  EXPECT_TRUE(reporter_->counts().is_connected);
  EXPECT_GE(reporter_->counts().sent, 5);
  EXPECT_TRUE(UntilLines(1));
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("is told every 2 ms")));
}

TEST_F(ReporterTest, ItAsksForThePathThatItIsGiven) {
  options_.path = "/metrics?of=cpu";
  Start(proxy_.port());
  EXPECT_TRUE(proxy_.Accept().ReadHead().starts_with("GET /metrics?of=cpu HTTP/1.1\r\n"));
}

TEST_F(ReporterTest, WhatIsNoNumberOfCpusIsToldAsZero) {
  Start(proxy_.port());
  Peer peer = proxy_.AcceptAndShake();
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  for (const double cores : {0.0, -0.0, -1.0, kInfinite, -kInfinite, std::nan("")}) {
    cores_ = 7;
    while (Cores(peer.Next()) != 7) {
    }
    cores_ = cores;
    std::optional<Frame> frame = peer.Next();
    while (Cores(frame) == 7) frame = peer.Next();
    EXPECT_EQ(frame->payload, "") << cores;
  }
}

TEST_F(ReporterTest, AQueueProxyThatIsAbsentIsToldOnceAndThenOnceMore) {
  options_.most_tries_told = 3;
  {
    const QueueProxy gone(*loop_);
    options_.port = gone.port();
  }
  Start(options_.port);
  ASSERT_TRUE(UntilTries(6));
  EXPECT_THAT(lines_,
              ElementsAre(AllOf(HasSubstr("no queue-proxy at 127.0.0.1:"),
                                HasSubstr("Connection refused"), HasSubstr("works without one")),
                          HasSubstr("in 3 tries")));
  EXPECT_EQ(reporter_->counts().connections, 0);
  EXPECT_EQ(samples_, 0);
  // It comes in the end.
  QueueProxy proxy(*loop_, "127.0.0.1:" + std::to_string(options_.port));
  Peer peer = proxy.AcceptAndShake();
  EXPECT_EQ(Cores(peer.Next()), 1);
  ASSERT_TRUE(UntilLines(3));
  EXPECT_THAT(lines_[2], HasSubstr("is told every"));
}

TEST_F(ReporterTest, AQueueProxyThatHangsInConnectingIsTriedAgain) {
  options_.timeout = milliseconds(50);
  // A queue of connections that is full lets nobody in (listen(2)).
  const os::Fd full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_TRUE(full.valid());
  ASSERT_EQ(::bind(full.get(), any, size), 0);
  ASSERT_EQ(::listen(full.get(), 0), 0);
  ASSERT_EQ(::getsockname(full.get(), any, &size), 0);
  std::vector<os::Fd> knocking;
  for (int i = 0; i < 4; ++i) {
    knocking.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    [[maybe_unused]] const int begun = ::connect(knocking.back().get(), any, size);
  }
  Start(ntohs(address.sin_port));
  ASSERT_TRUE(UntilTries(3));
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("no connection is made within 50 ms")));
}

TEST_F(ReporterTest, AQueueProxyThatHangsInTheHandshakeIsHungUpOn) {
  options_.timeout = milliseconds(50);
  Start(proxy_.port());
  Peer silent = proxy_.Accept();
  EXPECT_TRUE(silent.IsHungUp());
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("the handshake is not answered within 50 ms")));
  // Also where it answers a little at a time.
  Peer slow = proxy_.Accept();
  const std::string reply = "HTTP/1.1 101 Switching Protocols\r\nX: " + std::string(10'000, 'x');
  size_t sent = 0;
  const uint64_t tries = reporter_->counts().tries;
  EXPECT_TRUE(Until([&] {
    slow.Send(reply.substr(sent++, 1));
    return reporter_->counts().tries > tries;
  }));
  EXPECT_EQ(lines_.size(), 1);
}

TEST_F(ReporterTest, WhoIsNoQueueProxyIsHungUpOn) {
  Start(proxy_.port());
  const std::vector<std::string> answers = {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                                            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntext",
                                            "+OK nothing of HTTP\r\n\r\n",
                                            std::string(1 << 20, 'x'),
                                            kOfAnotherKey,
                                            "HTTP/1.1 101 Switching Protocols\r\n"};
  for (const std::string& answer : answers) {
    Peer peer = proxy_.Accept();
    peer.ReadHead();
    peer.Send(answer);
    if (&answer == &answers.back()) break;  // It hangs up itself.
    EXPECT_TRUE(peer.IsHungUp());
  }
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("status 404")));
  EXPECT_EQ(samples_, 0);
  EXPECT_EQ(Cores(proxy_.AcceptAndShake().Next()), 1);
}

TEST_F(ReporterTest, AnAnswerBeforeTheQuestionIsNone) {
  Start(proxy_.port());
  Peer peer = proxy_.Accept();
  peer.Send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  EXPECT_TRUE(peer.IsHungUp());
}

TEST_F(ReporterTest, FramesMayComeWithTheHandshake) {
  Start(proxy_.port());
  Peer peer = proxy_.Accept();
  peer.Send(Peer::Reply(peer.ReadHead()) + "\x89\x02hi\x82\x01x");
  const auto pong = peer.NextOf(kPong);
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->payload, "hi");
}

TEST_F(ReporterTest, APingIsAnsweredWithItsOwnWords) {
  Start(proxy_.port());
  Peer peer = proxy_.AcceptAndShake();
  for (const std::string& words : {""s, "are you there?"s, std::string(125, 'x')}) {
    peer.SendFrame(kPing, words);
    const auto pong = peer.NextOf(kPong);
    ASSERT_TRUE(pong);
    EXPECT_TRUE(pong->is_masked);
    EXPECT_EQ(pong->payload, words);
  }
  EXPECT_NE(Cores(peer.NextOf(kBinary)), -1);
  EXPECT_EQ(reporter_->counts().connections, 1);
}

TEST_F(ReporterTest, MessagesThatItIsSentAreLetPass) {
  Start(proxy_.port());
  Peer peer = proxy_.AcceptAndShake();
  for (int i = 0; i < 20; ++i) {
    peer.SendFrame(kBinary, std::string(100, 'x'));
    peer.SendFrame(kPong, "nobody asked");
    EXPECT_TRUE(peer.NextOf(kBinary));
  }
  EXPECT_EQ(reporter_->counts().connections, 1);
}

TEST_F(ReporterTest, AQueueProxyThatClosesIsAnsweredAndLookedForAgain) {
  Start(proxy_.port());
  Peer peer = proxy_.AcceptAndShake();
  ASSERT_TRUE(UntilLines(1));
  peer.SendFrame(kClose,
                 "\x03\xe9"
                 "bye\x1b");
  const auto close = peer.NextOf(kClose);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->payload, "\x03\xe9");
  EXPECT_TRUE(peer.IsHungUp());
  ASSERT_TRUE(UntilLines(2));
  EXPECT_THAT(lines_[1], AllOf(HasSubstr("is lost"), HasSubstr("1001 bye\\x1b")));
  EXPECT_FALSE(reporter_->counts().is_connected);
  Peer again = proxy_.AcceptAndShake();
  ASSERT_TRUE(UntilLines(3));
  EXPECT_THAT(lines_[2], HasSubstr("is told every"));
  EXPECT_NE(Cores(again.Next()), -1);
}

TEST_F(ReporterTest, AQueueProxyThatIsStartedAgainIsFound) {
  auto proxy = std::make_unique<QueueProxy>(*loop_);
  const std::string address = "127.0.0.1:" + std::to_string(proxy->port());
  Start(proxy->port());
  auto peer = std::make_unique<Peer>(proxy->AcceptAndShake());
  for (int times = 0; times < 2; ++times) {
    ASSERT_TRUE(UntilLines(1 + 2 * times));
    proxy.reset();
    peer.reset();
    ASSERT_TRUE(UntilLines(2 + 2 * times));
    const uint64_t tries = reporter_->counts().tries;
    ASSERT_TRUE(UntilTries(tries + 2));
    proxy = std::make_unique<QueueProxy>(*loop_, address);
    peer = std::make_unique<Peer>(proxy->AcceptAndShake());
    EXPECT_TRUE(peer->Next());
  }
  ASSERT_TRUE(UntilLines(5));
  const auto told = HasSubstr("is told every"), lost = HasSubstr("is lost");
  EXPECT_THAT(lines_, ElementsAre(told, lost, told, lost, told));
}

TEST_F(ReporterTest, AQueueProxyThatTakesConnectionsAndDropsThemIsNoneAndNobodyIsToldEachTime) {
  options_.most_tries_told = 3;
  options_.settled = seconds(30);
  Start(proxy_.port());
  for (int i = 0; i < 6; ++i) {
    Peer peer = proxy_.AcceptAndShake();
    EXPECT_TRUE(peer.Next());
  }
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("no queue-proxy"), HasSubstr("in 3 tries")));
}

TEST_F(ReporterTest, WhatIsNoWebSocketIsHungUpOnWithTheReason) {
  Start(proxy_.port());
  const auto closes_with = [this](std::string_view bytes) {
    Peer peer = proxy_.AcceptAndShake();
    EXPECT_TRUE(peer.Next());
    peer.Send(bytes);
    const auto close = peer.NextOf(kClose);
    const std::string payload = close ? close->payload : "";
    EXPECT_TRUE(peer.IsHungUp());
    return payload;
  };
  const std::string protocol_error = "\x03\xea", too_big = "\x03\xf1";
  EXPECT_EQ(closes_with("\x83\x00"s), protocol_error);
  EXPECT_EQ(closes_with("\x82\x81\x01\x02\x03\x04x"), protocol_error);
  EXPECT_EQ(closes_with("HTTP/1.1 400 Bad Request\r\n\r\n"), protocol_error);
  EXPECT_EQ(closes_with("\x88\x01\x03"), protocol_error);
  EXPECT_EQ(closes_with("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x01"s), too_big);
  EXPECT_EQ(closes_with("\x88\x00"s), "");
}

TEST_F(ReporterTest, DataWithoutEndIsHungUpOn) {
  Start(proxy_.port());
  std::string frames;
  while (frames.size() < 8 << 20) frames += "\x82\x7e\x10\x00"s + std::string(4096, 'x');
  Peer messages = proxy_.AcceptAndShake();
  messages.Send(frames);
  EXPECT_TRUE(messages.IsHungUp());
  frames.clear();
  while (frames.size() < 1 << 20) frames += "\x89\x04ping";
  Peer pings = proxy_.AcceptAndShake();
  pings.Send(frames);
  EXPECT_TRUE(pings.IsHungUp());
  EXPECT_NE(Cores(proxy_.AcceptAndShake().Next()), -1);
}

TEST_F(ReporterTest, WhereThePeerDoesNotReadOnlyTheNewestReportWaits) {
  options_.period = milliseconds(1);
  proxy_.ReadLittle();
  Start(proxy_.port());
  Peer peer = proxy_.AcceptAndShake();
  ASSERT_TRUE(Until([this] { return reporter_->counts().superseded >= 50; }));
  const auto counts = reporter_->counts();
  const auto newest = static_cast<double>(samples_);
  EXPECT_TRUE(counts.is_connected);
  // What had gone, in its order; one that was on its way and one that waited; and those after them.
  uint64_t old = 0;
  for (double last = 0; last < newest; ++old) {
    const double now = Cores(peer.Next());
    ASSERT_GT(now, last);
    last = now;
  }
  EXPECT_LE(old, counts.sent + 3);
  EXPECT_EQ(reporter_->counts().connections, 1);
}

TEST_F(ReporterTest, APeerThatNeverReadsIsHungUpOn) {
  options_.period = milliseconds(1);
  options_.timeout = milliseconds(100);
  proxy_.ReadLittle();
  Start(proxy_.port());
  const Peer peer = proxy_.AcceptAndShake();
  ASSERT_TRUE(UntilLines(2));
  EXPECT_THAT(lines_[1], AllOf(HasSubstr("is lost"), HasSubstr("not read for 100 ms")));
  EXPECT_NE(Cores(proxy_.AcceptAndShake().Next()), -1);
}

TEST_F(ReporterTest, PingsOfAPeerThatDoesNotReadAreAnsweredByTheNewestAlone) {
  options_.period = milliseconds(1);
  proxy_.ReadLittle();
  Start(proxy_.port());
  Peer peer = proxy_.AcceptAndShake();
  ASSERT_TRUE(Until([this] { return reporter_->counts().superseded >= 50; }));
  for (int i = 0; i < 1000; ++i) peer.SendFrame(kPing, std::to_string(i));
  const uint64_t samples = samples_;
  ASSERT_TRUE(Until([&] { return samples_ > samples + 10; }));
  int pongs = 0;
  for (std::string last; last != "999"; ++pongs) {
    const auto pong = peer.NextOf(kPong);
    ASSERT_TRUE(pong);
    last = pong->payload;
  }
  EXPECT_LE(pongs, 500);
}

TEST_F(ReporterTest, DestroyingItSaysGoodbye) {
  Start(proxy_.port());
  Peer peer = proxy_.AcceptAndShake();
  EXPECT_TRUE(peer.Next());
  reporter_.reset();
  const auto close = peer.NextOf(kClose);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->payload, "\x03\xe9");
  EXPECT_TRUE(peer.IsHungUp());
}

TEST_F(ReporterTest, ItMayBeDestroyedAtAnyPointAndLeavesNothing) {
  options_.period = milliseconds(1);
  proxy_.ReadLittle();
  Start(proxy_.port());
  {
    const Peer peer = proxy_.AcceptAndShake();
  }
  reporter_.reset();
  // The loop has all its own by now.
  const size_t before = OpenDescriptors();
  lines_.clear();
  Start(proxy_.port());
  reporter_.reset();  // Before its first turn,
  Start(proxy_.port());
  {
    const Peer peer = proxy_.Accept();  // in the handshake,
    reporter_.reset();
  }
  Start(proxy_.port());
  {
    const Peer peer = proxy_.AcceptAndShake();  // where the peer does not read,
    ASSERT_TRUE(Until([this] { return reporter_->counts().superseded > 0; }));
    reporter_.reset();
  }
  Start(proxy_.port());
  {
    const Peer peer = proxy_.Accept();
  }
  ASSERT_TRUE(UntilLines(1));  // and between two tries.
  reporter_.reset();
  while (loop_->RunOnce(milliseconds(1))) {
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(ReporterTest, TriesLeaveNoDescriptors) {
  Start(proxy_.port());
  size_t before = 0;
  for (int i = 0; i < 10; ++i) {
    {
      Peer peer = i % 2 == 0 ? proxy_.Accept() : proxy_.AcceptAndShake();
    }
    const uint64_t tries = reporter_->counts().tries;
    ASSERT_TRUE(UntilTries(tries + 1));
    if (i == 1) before = OpenDescriptors();
  }
  EXPECT_LE(OpenDescriptors(), before + 1);
}

TEST_F(ReporterTest, TheLoopTurnsForReportsOnly) {
  Start(proxy_.port());
  Peer peer = proxy_.AcceptAndShake();
  EXPECT_TRUE(peer.Next());
  uint64_t turns = 0;
  const uint64_t begin = samples_;
  while (samples_ < begin + 100) turns += loop_->RunOnce(seconds(1)) ? 1 : 0;
  EXPECT_LE(turns, 300);
}

TEST_F(ReporterTest, WhileNobodyIsThereTheLoopTurnsForTriesOnly) {
  {
    const QueueProxy gone(*loop_);
    options_.port = gone.port();
  }
  Start(options_.port);
  uint64_t turns = 0;
  while (reporter_->counts().tries < 4) turns += loop_->RunOnce(seconds(1)) ? 1 : 0;
  // The pause, the connection's begin, its failure.
  EXPECT_LE(turns, 4 * 4);
}

TEST_F(ReporterTest, OptionsThatCannotBeMeantAreRefused) {
  const auto refusal = [this](auto change) {
    ReporterOptions options = options_;
    change(&options);
    const auto reporter = Reporter::Create(*loop_, options);
    return reporter ? "" : reporter.error().message();
  };
  EXPECT_THAT(refusal([](auto* o) { o->host = "queue-proxy"; }), HasSubstr("'queue-proxy'"));
  EXPECT_THAT(refusal([](auto* o) { o->port = 0; }), HasSubstr("port"));
  EXPECT_THAT(refusal([](auto* o) { o->path = ""; }), HasSubstr("path"));
  EXPECT_THAT(refusal([](auto* o) { o->path = "/ HTTP/1.1\r\nHost: x"; }), HasSubstr("path"));
  EXPECT_THAT(refusal([](auto* o) { o->period = milliseconds(0); }), HasSubstr("period"));
  EXPECT_THAT(refusal([](auto* o) { o->timeout = milliseconds(0); }), HasSubstr("timeout"));
  EXPECT_THAT(refusal([](auto* o) { o->sample = nullptr; }), HasSubstr("nothing to report"));
  EXPECT_EQ(refusal([](auto* o) {
              o->warn = nullptr;
              o->first_pause = o->most_pause = milliseconds::max();
            }),
            "");
}

TEST_F(ReporterTest, AnAddressOfVersion6IsOneToo) {
  auto listener = os::ListenTcp("[::1]:0");
  if (!listener) GTEST_SKIP() << "needs IPv6: " << listener.error().message();
  QueueProxy proxy(*loop_, "[::1]:0");
  options_.host = "ws://[::1]";
  Start(proxy.port());
  Peer peer = proxy.Accept();
  const std::string head = peer.ReadHead();
  EXPECT_THAT(head, HasSubstr("Host: [::1]:" + std::to_string(proxy.port())));
  peer.Send(Peer::Reply(head));
  EXPECT_EQ(Cores(peer.Next()), 1);
}

}  // namespace
}  // namespace wasmoor::knative
