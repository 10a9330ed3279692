#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

// A guest with a listener on loopback as descriptor 3, and its clients.
class SocketsTest : public testing::Test {
 protected:
  SocketsTest() : guest_(Listening()) {}

  Grants Listening() {
    os::Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    address_.sin_family = AF_INET;
    address_.sin_port = 0;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* address = reinterpret_cast<sockaddr*>(&address_);
    socklen_t size = sizeof(address_);
    if (bind(listener.get(), address, size) != 0 || listen(listener.get(), 8) != 0 ||
        getsockname(listener.get(), address, &size) != 0)
      std::abort();
    shared_ = os::Fd(fcntl(listener.get(), F_DUPFD_CLOEXEC, 0));
    Grants grants;
    grants.listeners.push_back({"127.0.0.1:0", std::move(listener)});
    return grants;
  }

  os::Fd Connect() {
    os::Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    return client;
  }
  Fd Accept(uint32_t flags = 0) {
    EXPECT_EQ(guest_.Call("sock_accept", 3, flags, Guest::kOut), Errno::kSuccess);
    return guest_.Result();
  }
  // The bytes of one sock_recv; the errno in brackets if it fails.
  std::string Receive(Fd fd, uint32_t flags = 0, Size most = 100) {
    guest_.Put(Guest::kList, Iovec{Guest::kData, most});
    const Errno error =
        guest_.Call("sock_recv", fd, Guest::kList, 1, flags, Guest::kOut, Guest::kOut + 8);
    if (error != Errno::kSuccess) return "[" + std::to_string(static_cast<int>(error)) + "]";
    return guest_.Text(Guest::kData, guest_.Result());
  }
  Errno Send(Fd fd, std::string_view text) {
    guest_.PutText(Guest::kData, text);
    guest_.Put(Guest::kList, Iovec{Guest::kData, static_cast<Size>(text.size())});
    return guest_.Call("sock_send", fd, Guest::kList, 1, 0, Guest::kOut);
  }
  std::string HostReceive(const os::Fd& client) {
    char text[100];
    const ssize_t count = recv(client.get(), text, sizeof(text), 0);
    return count < 0 ? "failed" : std::string(text, static_cast<size_t>(count));
  }

  sockaddr_in address_ = {};
  os::Fd shared_;  // The same listener, as another guest would have it.
  Guest guest_;
};

TEST_F(SocketsTest, AConnectionIsAcceptedAndServed) {
  const os::Fd client = Connect();
  const Fd connection = Accept();
  EXPECT_EQ(connection, 4u);
  EXPECT_EQ(guest_.Status(connection).filetype, FileType::kSocketStream);
  ASSERT_EQ(send(client.get(), "question", 8, 0), 8);
  EXPECT_EQ(Receive(connection), "question");
  EXPECT_EQ(guest_.Result<uint16_t>(Guest::kOut + 8), 0);
  EXPECT_EQ(Send(connection, "answer"), Errno::kSuccess);
  EXPECT_EQ(guest_.Result(), 6u);
  EXPECT_EQ(HostReceive(client), "answer");
  // As files, too.
  ASSERT_EQ(send(client.get(), "again", 5, 0), 5);
  EXPECT_EQ(guest_.Read(connection), "again");
  EXPECT_EQ(guest_.Write(connection, "written"), Errno::kSuccess);
  EXPECT_EQ(HostReceive(client), "written");
  EXPECT_EQ(guest_.Call("fd_close", connection), Errno::kSuccess);
  EXPECT_EQ(HostReceive(client), "");
}

TEST_F(SocketsTest, ReceivingPeeksAndWaitsForAll) {
  const os::Fd client = Connect();
  const Fd connection = Accept();
  ASSERT_EQ(send(client.get(), "abc", 3, 0), 3);
  EXPECT_EQ(Receive(connection, kRiflagPeek), "abc");
  EXPECT_EQ(Receive(connection, kRiflagPeek, 2), "ab");
  EXPECT_EQ(Receive(connection, 0, 1), "a");
  const pid_t sender = fork();
  if (sender == 0) {
    usleep(20'000);
    _exit(send(client.get(), "defg", 4, 0) == 4 ? 0 : 1);
  }
  EXPECT_EQ(Receive(connection, kRiflagWaitall, 6), "bcdefg");
  EXPECT_EQ(waitpid(sender, nullptr, 0), sender);
  EXPECT_EQ(Receive(connection, 4), "[28]");
}

TEST_F(SocketsTest, ADatagramThatDoesNotFitIsToldToBeCut) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
  const os::Fd sender(pair[1]);
  Grants grants;
  grants.standard_input = os::Fd(pair[0]);
  Guest guest(std::move(grants));
  ASSERT_EQ(send(sender.get(), "datagram", 8, 0), 8);
  guest.Put(Guest::kList, Iovec{Guest::kData, 4});
  EXPECT_EQ(guest.Call("sock_recv", 0, Guest::kList, 1, 0, Guest::kOut, Guest::kOut + 8),
            Errno::kSuccess);
  EXPECT_EQ(guest.Text(Guest::kData, 4), "data");
  EXPECT_EQ(guest.Result<uint16_t>(Guest::kOut + 8), kRoflagDataTruncated);
}

TEST_F(SocketsTest, ShutdownEndsOneDirectionOrBoth) {
  const os::Fd client = Connect();
  const Fd connection = Accept();
  EXPECT_EQ(guest_.Call("sock_shutdown", connection, kSdflagWr), Errno::kSuccess);
  EXPECT_EQ(HostReceive(client), "");
  ASSERT_EQ(send(client.get(), "still", 5, 0), 5);
  EXPECT_EQ(Receive(connection), "still");
  EXPECT_EQ(guest_.Call("sock_shutdown", connection, kSdflagRd), Errno::kSuccess);
  EXPECT_EQ(Receive(connection), "");
  EXPECT_EQ(guest_.Call("sock_shutdown", connection, kSdflagRd | kSdflagWr), Errno::kSuccess);
  EXPECT_EQ(guest_.Call("sock_shutdown", connection, 0), Errno::kInval);
  EXPECT_EQ(guest_.Call("sock_shutdown", connection, 4), Errno::kInval);
}

TEST_F(SocketsTest, WritingToWhoeverIsGoneIsAnErrnoAndNoSignal) {
  const auto before = signal(SIGPIPE, SIG_DFL);
  const os::Fd client = Connect();
  const Fd connection = Accept();
  EXPECT_EQ(guest_.Call("sock_shutdown", connection, kSdflagWr), Errno::kSuccess);
  EXPECT_EQ(Send(connection, "x"), Errno::kPipe);
  EXPECT_EQ(guest_.Write(connection, "x"), Errno::kPipe);
  signal(SIGPIPE, before);
}

TEST_F(SocketsTest, WithoutAClientANonblockingListenerSaysAgain) {
  EXPECT_EQ(guest_.Call("fd_fdstat_set_flags", 3, kFdflagNonblock), Errno::kSuccess);
  EXPECT_EQ(guest_.Call("sock_accept", 3, 0, Guest::kOut), Errno::kAgain);
  const os::Fd client = Connect();
  const Fd connection = Accept(kFdflagNonblock);
  EXPECT_EQ(guest_.Status(connection).flags, kFdflagNonblock);
  EXPECT_EQ(Receive(connection), "[6]");
  EXPECT_EQ(guest_.Read(connection), "[6]");
  EXPECT_EQ(guest_.Call("fd_fdstat_set_flags", connection, 0), Errno::kSuccess);
  ASSERT_EQ(send(client.get(), "x", 1, 0), 1);
  EXPECT_EQ(Receive(connection), "x");
  EXPECT_EQ(guest_.Call("sock_accept", 3, kFdflagAppend, Guest::kOut), Errno::kInval);
}

TEST_F(SocketsTest, AGuestThatBlocksWaitsThoughAnotherMadeTheListenerNonblocking) {
  ASSERT_EQ(fcntl(shared_.get(), F_SETFL, O_NONBLOCK), 0);
  const pid_t connector = fork();
  if (connector == 0) {
    usleep(20'000);
    Connect();
    _exit(0);
  }
  EXPECT_EQ(Accept(), 4u);
  EXPECT_EQ(waitpid(connector, nullptr, 0), connector);
}

TEST_F(SocketsTest, AListenerIsPolledForConnections) {
  Subscription wait = {};
  wait.tag = static_cast<uint8_t>(EventType::kFdRead);
  wait.id = 3;
  guest_.Put(0x4000, wait);
  const os::Fd client = Connect();
  EXPECT_EQ(guest_.Call("poll_oneoff", 0x4000, 0x5000, 1, Guest::kOut), Errno::kSuccess);
  const auto event = guest_.Result<Event>(0x5000);
  EXPECT_EQ(event.error, Errno::kSuccess);
  EXPECT_EQ(event.nbytes, 1u);
  const Fd connection = Accept();
  ASSERT_EQ(send(client.get(), "abc", 3, 0), 3);
  wait.id = connection;
  guest_.Put(0x4000, wait);
  EXPECT_EQ(guest_.Call("poll_oneoff", 0x4000, 0x5000, 1, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest_.Result<Event>(0x5000).nbytes, 3u);
}

TEST_F(SocketsTest, AListenerIsNoStreamAndAFileNoSocket) {
  EXPECT_EQ(guest_.Status(3).filetype, FileType::kSocketStream);
  EXPECT_EQ(guest_.Call("fd_prestat_get", 3, Guest::kOut), Errno::kBadf);
  EXPECT_EQ(guest_.Read(3), "[76]");
  EXPECT_EQ(Receive(3), "[76]");
  EXPECT_EQ(guest_.Call("sock_shutdown", 3, kSdflagRd), Errno::kNotcapable);
  const os::Fd client = Connect();
  EXPECT_EQ(guest_.Call("sock_accept", Accept(), 0, Guest::kOut), Errno::kNotcapable);
  ScratchDirectory directory;
  directory.Write("file", "");
  Guest guest(directory);
  const Fd file = guest.Open("file", 0, kReadingAndWriting);
  for (Fd fd : {file, Fd{3}, Fd{1}}) {
    EXPECT_EQ(guest.Call("sock_accept", fd, 0, Guest::kOut), Errno::kNotsock);
    EXPECT_EQ(guest.Call("sock_shutdown", fd, kSdflagRd), Errno::kNotsock);
  }
  EXPECT_EQ(guest.Call("sock_recv", file, 0, 0, 0, Guest::kOut, Guest::kOut), Errno::kNotsock);
  EXPECT_EQ(guest.Call("sock_send", file, 0, 0, 0, Guest::kOut), Errno::kNotsock);
  EXPECT_EQ(guest.Call("sock_send", file, 0, 0, 1, Guest::kOut), Errno::kInval);
  EXPECT_EQ(guest.Call("sock_shutdown", 99, kSdflagRd), Errno::kBadf);
}

TEST_F(SocketsTest, AConnectionCountsAgainstTheQuota) {
  Grants grants = Listening();
  grants.max_descriptors = 5;
  Guest guest(std::move(grants));
  const os::Fd first = Connect();
  const os::Fd second = Connect();
  EXPECT_EQ(guest.Call("sock_accept", 3, 0, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Call("sock_accept", 3, 0, Guest::kOut), Errno::kMfile);
}

}  // namespace
}  // namespace wasmoor::wasi
