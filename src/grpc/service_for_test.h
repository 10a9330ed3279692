#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "grpc/raw_peer_for_test.h"
#include "rpc/service_for_test.h"
#include "support/scratch.h"
#include "wasmoor/grpc/client.h"
#include "wasmoor/grpc/server.h"
#include "wasmoor/os/unix_socket.h"

// What the tests of the server share.
namespace wasmoor::grpc::test {

using namespace rpc::test;

// A server at a socket, a client of ours, and one that says what it likes.
class ServerTest : public LoopTest {
 protected:
  explicit ServerTest(ServerOptions options = {})
      : server(std::make_unique<Server>(*loop, options)), client(*loop, path) {
    Must(server->Add(service));
    Must(server->Listen(Must(os::ListenUnix(path))));
    peer = NewPeer();
    peer->Write(std::string(kPreface) + Settings());
  }

  std::unique_ptr<RawPeer> NewPeer() {
    SocketPair pair;
    Must(server->Adopt(std::move(pair.ours)));
    return std::make_unique<RawPeer>(std::move(pair.theirs));
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

  const wasmoor::test::ScratchDirectory scratch;
  const std::string path = scratch / "socket";
  TestService service;
  std::unique_ptr<Server> server;
  Client client;
  std::unique_ptr<RawPeer> peer;
};

}  // namespace wasmoor::grpc::test
