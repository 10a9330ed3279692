#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "grpc/raw_peer_for_test.h"
#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/grpc/client.h"
#include "wasmoor/grpc/server.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/unix_socket.h"

// What the tests of the server share.
namespace wasmoor::grpc::test {

using namespace std::chrono_literals;
using wasmoor::test::Must;

// "Echo" answers what it gets, "Fail" an error, "Keep" later (kept), "Drop" never, "Big" as many
// bytes as it is told, "Meta" the value of metadata with the name that it gets, "Names" all names.
class TestService : public Service {
 public:
  explicit TestService(std::string name = "test.Service") : Service(std::move(name)) {}

  void Call(std::string_view method, std::string_view message, const CallInfo& info,
            RawReply reply) override {
    ++calls;
    last_deadline = info.deadline;
    if (on_call) on_call();
    if (method == "Echo") return reply(message);
    if (method == "Fail") return reply(Error(Code::kNotFound, std::string(message)));
    if (method == "Keep") return kept.push_back({std::string(message), std::move(reply)});
    if (method == "Big") return reply(std::string(std::stoul(std::string(message)), 'b'));
    if (method == "Meta") return reply(info.Find(message).value_or("none"));
    if (method == "Names") {
      std::string names;
      for (const auto& [name, value] : info.metadata) names += name + " ";
      return reply(names);
    }
    if (method == "Drop") return;
    Unimplemented(info, std::move(reply));
  }

  int calls = 0;
  std::vector<std::pair<std::string, RawReply>> kept;
  std::optional<Clock::time_point> last_deadline;
  std::function<void()> on_call;
};

// A server at a socket, a client of ours, and one that says what it likes.
class ServerTest : public testing::Test {
 protected:
  explicit ServerTest(ServerOptions options = {})
      : server(std::make_unique<Server>(*loop, options)), client(*loop, path) {
    Must(server->Add(service));
    Must(server->Listen(Must(os::ListenUnix(path))));
    peer = NewPeer();
    peer->Write(std::string(kPreface) + Settings());
  }

  std::unique_ptr<RawPeer> NewPeer() {
    std::array<int, 2> ends;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    Must(server->Adopt(os::Fd(ends[0])));
    return std::make_unique<RawPeer>(os::Fd(ends[1]));
  }

  // Serves until `done`, at most ten seconds.
  bool RunUntil(const std::function<bool()>& done) {
    const auto end = Clock::now() + 10s;
    while (!done() && Clock::now() < end) loop->RunOnce(20ms);
    return done();
  }
  // Serves what is there now, and what follows from it.
  void Settle() {
    while (loop->RunOnce(5ms)) {
    }
  }

  // What becomes of one call of ours: the answer, or "not_found: why".
  std::string Ask(const std::string& method, std::string message, Metadata metadata = {},
                  std::chrono::nanoseconds timeout = 10s) {
    std::string text;
    client.Ask({.method = "/test.Service/" + method,
                .message = std::move(message),
                .metadata = std::move(metadata),
                .timeout = timeout},
               [&](const Result<std::string>& answer) {
                 text = answer ? "ok: " + *answer
                               : std::string(CodeName(answer.error().code())) + ": " +
                                     answer.error().message();
               });
    EXPECT_TRUE(RunUntil([&] { return !text.empty(); }));
    return text;
  }

  // What the peer has for an answer to the call of stream 1 in `bytes`, as far as it comes without
  // anybody doing anything.
  std::string Say(std::string_view bytes, uint32_t stream = 1) {
    peer->Write(bytes);
    Settle();
    peer->Read();
    return peer->answers[stream].Say();
  }
  // Whether somebody who says that, after the preface, is hung up on.
  bool IsHungUpOn(std::string_view bytes) {
    peer->Write(bytes);
    return RunUntil([&] { return !peer->Read(); });
  }

  const std::unique_ptr<loop::Loop> loop = Must(loop::Loop::Create());
  const wasmoor::test::ScratchDirectory scratch;
  const std::string path = scratch / "socket";
  TestService service;
  std::unique_ptr<Server> server;
  Client client;
  std::unique_ptr<RawPeer> peer;
};

}  // namespace wasmoor::grpc::test
