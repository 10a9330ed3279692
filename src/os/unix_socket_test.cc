#include "wasmoor/os/unix_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "support/scratch.h"

namespace wasmoor::os {
namespace {

namespace fs = std::filesystem;

class UnixSocketTest : public ::testing::Test {
 protected:
  // A listener at `path`, bound by a name relative to its directory, as who listens on long paths
  // does.
  static Fd ListenAt(const fs::path& path) {
    const fs::path before = fs::current_path();
    fs::current_path(path.parent_path());
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.valid()) std::abort();
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const std::string name = path.filename();
    std::memcpy(address.sun_path, name.data(), name.size());
    EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(socket.get(), 1), 0);
    fs::current_path(before);
    return socket;
  }

  const test::ScratchDirectory scratch;
};

TEST_F(UnixSocketTest, CarriesBytesAndADescriptor) {
  const Fd listener = ListenAt(scratch / "s");
  const auto client = ConnectUnix(scratch / "s");
  ASSERT_TRUE(client.has_value()) << client.error().message();
  const Fd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(Send(*client, "hello", &null).has_value());
  std::array<char, 16> buffer;
  const auto received = Receive(server, buffer);
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(std::string(buffer.data(), received->bytes), "hello");
  EXPECT_EQ(write(received->descriptor.get(), "x", 1), 1);
  EXPECT_EQ(fcntl(received->descriptor.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(UnixSocketTest, ReachesAPathThatNoAddressHolds) {
  const fs::path deep = scratch / std::string(100, 'a') / std::string(100, 'b');
  fs::create_directories(deep);
  const Fd listener = ListenAt(deep / "s");
  EXPECT_TRUE(ConnectUnix(deep / "s").has_value());
}

TEST_F(UnixSocketTest, ListensForThisUserAloneAndOnce) {
  const std::string path = scratch / "stream";
  const auto listening = ListenUnix(path);
  ASSERT_TRUE(listening) << listening.error().message();
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(ConnectUnix(path));
  EXPECT_EQ(ListenUnix(path).error().error_number(), EADDRINUSE);
  EXPECT_EQ(ListenUnix(std::string(200, 'x')).error().error_number(), ENAMETOOLONG);
}

TEST_F(UnixSocketTest, SaysWhereNobodyListens) {
  const auto client = ConnectUnix(scratch / "nobody");
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code(), Code::kNotFound);
  EXPECT_NE(client.error().message().find((scratch / "nobody").native()), std::string::npos);
}

TEST_F(UnixSocketTest, WaitsForNobodyWhoDoesNotAccept) {
  const Fd listener = ListenAt(scratch / "s");
  std::vector<Fd> waiting;
  for (;;) {
    auto client = ConnectUnixAtOnce(scratch / "s");
    if (!client) {
      EXPECT_EQ(client.error().error_number(), EAGAIN);
      break;
    }
    EXPECT_NE(::fcntl(client->get(), F_GETFL) & O_NONBLOCK, 0);
    waiting.push_back(std::move(*client));
    ASSERT_LT(waiting.size(), 10'000u);
  }
  EXPECT_FALSE(waiting.empty());
}

TEST_F(UnixSocketTest, SendsALargeTextWhole) {
  const Fd listener = ListenAt(scratch / "s");
  const auto client = ConnectUnix(scratch / "s");
  const Fd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const std::string text(100'000, 'x');
  ASSERT_TRUE(Send(*client, text, nullptr).has_value());
  std::string got;
  std::array<char, 4096> buffer;
  while (got.size() < text.size()) {
    const auto received = Receive(server, buffer);
    ASSERT_TRUE(received.has_value() && received->bytes > 0);
    EXPECT_FALSE(received->descriptor.valid());
    got.append(buffer.data(), received->bytes);
  }
  EXPECT_EQ(got, text);
}

TEST_F(UnixSocketTest, HearsThatTheOtherSideIsGone) {
  const Fd listener = ListenAt(scratch / "s");
  const auto client = ConnectUnix(scratch / "s");
  {
    const Fd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  std::array<char, 16> buffer;
  EXPECT_EQ(Receive(*client, buffer)->bytes, 0u);
  EXPECT_FALSE(Send(*client, "x", nullptr).has_value());
}

}  // namespace
}  // namespace wasmoor::os
