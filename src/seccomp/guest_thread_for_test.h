#pragma once

#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <functional>
#include <thread>

#include "seccomp/child_test.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/seccomp/guest.h"

// What the tests share of the filters of guests that are threads of a process of many, each put on
// a real thread of one.
namespace wasmoor::seccomp {

// Runs `body` on a thread below the filter, beside another, of a process of its own; expectations
// that fail there fail the test.
inline void OnGuestThread(GuestKind kind, const std::function<void()>& body) {
  const std::string ended = test::Child([&] {
                              std::thread([&] {
                                ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                                ASSERT_TRUE(Install(GuestProgram(kind)));
                                body();
                              }).join();
                            }).Wait();
  EXPECT_EQ(ended, "exit 0");
}

// A socket that listens on this machine's loopback device.
struct Listener {
  os::Fd socket;
  sockaddr_in address = {};

  Listener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket.get(), name(), size), 0);
    EXPECT_EQ(::listen(socket.get(), 4), 0);
    EXPECT_EQ(::getsockname(socket.get(), name(), &size), 0);
  }
  sockaddr* name() { return reinterpret_cast<sockaddr*>(&address); }
  os::Fd Connect() {
    os::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), name(), sizeof address), 0);
    return client;
  }
};

// kThread: a core module, or a component of wasi:cli. The others: a server of wasi:http components,
// which ask nobody, or do.
class GuestThreadTest : public ::testing::TestWithParam<GuestKind> {
 protected:
  void Run(const std::function<void()>& body) { OnGuestThread(GetParam(), body); }
};

inline std::string NameOfKind(const ::testing::TestParamInfo<GuestKind>& kind) {
  switch (kind.param) {
    case GuestKind::kThread: return "Program";
    case GuestKind::kThreadServer: return "Server";
    default: return "ClientServer";
  }
}

inline auto AllThreadKinds() {
  return ::testing::Values(GuestKind::kThread, GuestKind::kThreadServer,
                           GuestKind::kThreadClientServer);
}

}  // namespace wasmoor::seccomp
