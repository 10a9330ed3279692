#pragma once

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>

#include "fuzz/targets.h"
#include "wasmoor/base/check.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::fuzz {

inline std::string_view TextOf(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Until nothing is ready any more.
inline void Settle(loop::Loop& loop) {
  while (loop.RunOnce(std::chrono::milliseconds(0))) {
  }
}

// A connection's other end, which says what it is told.
class Peer {
 public:
  explicit Peer(int type = SOCK_STREAM) {
    std::array<int, 2> ends;
    CHECK(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) == 0);
    ours_ = os::Fd(ends[0]);
    theirs = os::Fd(ends[1]);
  }

  void Say(std::string_view bytes) {
    // One that was hung up on speaks to nobody.
    static_cast<void>(::send(ours_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  // What there is to hear now.
  std::string Hear() {
    std::string heard;
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    while ((got = ::recv(ours_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0)
      heard.append(buffer.data(), static_cast<size_t>(got));
    return heard;
  }
  void HangUp() { ours_.Close(); }

  os::Fd theirs;

 private:
  os::Fd ours_;
};

// What a server knows of its one client agrees with the replies that are kept, while that is there
// and once it has hung up. `peer` understands the server's words.
template <typename Server, typename Replies, typename Understanding>
void CheckReplies(loop::Loop& loop, const Server& server, const Replies& kept,
                  Understanding& peer) {
  Settle(loop);
  peer.Understand();
  size_t open = 0;
  for (const auto& reply : kept) open += reply.gone() ? 0 : 1;
  CHECK(open == server.open_calls());
  peer.HangUp();
  Settle(loop);
  CHECK(server.connections() == 0 && server.open_calls() == 0);
  for (const auto& reply : kept) CHECK(reply.gone());
}

}  // namespace wasmoor::fuzz
