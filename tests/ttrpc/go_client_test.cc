// Go's client against our server.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "go_peer.h"
#include "support/result.h"
#include "support/scratch.h"
#include "tests/ttrpc/peer.ttrpc.h"
#include "wasmoor/base/units.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::ttrpc {
namespace {

using ::test::Bytes;
using wasmoor::test::Must;
using namespace std::chrono_literals;

Bytes BytesOf(std::string value) {
  Bytes bytes;
  bytes.set_value(std::move(value));
  return bytes;
}

class Peer : public ::test::PeerService {
 public:
  explicit Peer(loop::Loop& loop) : loop_(loop) {}

  void Echo(const Bytes& request, const CallInfo&, Reply<Bytes> reply) override { reply(request); }
  void Fail(const Bytes& request, const CallInfo&, Reply<Bytes> reply) override {
    reply(wasmoor::Fail(Code::kNotFound, "{}", request.value()));
  }
  void Sleep(const Bytes& request, const CallInfo&, Reply<Bytes> reply) override {
    const auto kept = std::make_shared<Reply<Bytes>>(std::move(reply));
    timers_.push_back(
        loop_.After(Must(ParseDuration(request.value())), [kept, request] { (*kept)(request); }));
  }
  void Big(const Bytes& request, const CallInfo&, Reply<Bytes> reply) override {
    reply(BytesOf(std::string(std::stoul(request.value()), 'b')));
  }
  void Meta(const Bytes& request, const CallInfo& info, Reply<Bytes> reply) override {
    reply(BytesOf(std::string(info.Find(request.value()).value_or("none"))));
  }
  void Deadline(const Bytes&, const CallInfo& info, Reply<Bytes> reply) override {
    reply(BytesOf(info.deadline ? "some" : "none"));
  }
  void Keep(const Bytes&, const CallInfo&, Reply<Bytes> reply) override {
    kept_.push_back(std::move(reply));
  }

 private:
  loop::Loop& loop_;
  std::vector<loop::Timer> timers_;
  std::vector<Reply<Bytes>> kept_;
};

class GoClientTest : public testing::TestWithParam<const char*> {
 protected:
  GoClientTest() : loop(Must(loop::Loop::Create())), service(*loop), server(*loop) {
    os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(socket.get(), 8), 0);
    Must(server.Listen(std::move(socket)));
    Must(server.Add(service));
  }

  const wasmoor::test::ScratchDirectory scratch;
  const std::string path = scratch / "socket";
  std::unique_ptr<loop::Loop> loop;
  Peer service;
  Server server;
};

bool Ended(pid_t pid) {
  siginfo_t info = {};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid != 0;
}

TEST_P(GoClientTest, FindsTheServerAsItShouldBe) {
  if (!test::HaveGoPeer()) GTEST_SKIP() << "needs Go, which the build did not find";
  wasmoor::test::Child client = test::GoPeer("call", path, GetParam());
  const auto end = std::chrono::steady_clock::now() + 90s;
  while (!Ended(client.pid()) && std::chrono::steady_clock::now() < end) loop->RunOnce(20ms);
  ASSERT_TRUE(Ended(client.pid()));
  EXPECT_EQ(client.Wait(), "exit 0");
  while (server.connections() > 0 && std::chrono::steady_clock::now() < end) loop->RunOnce(20ms);
  EXPECT_EQ(server.open_calls(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, GoClientTest,
                         testing::Values("echo", "error", "unimplemented", "metadata", "deadline",
                                         "big", "concurrent", "order", "stream"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace wasmoor::ttrpc
