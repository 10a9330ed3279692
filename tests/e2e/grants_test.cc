// What a program may see and touch: nothing that no option names, and what one names, no further.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// What every operation of the guest `alter` comes to, changes first.
std::string Altered(const std::string& create, const std::string& write, const std::string& change,
                    const std::string& read) {
  std::string text = "create: " + create + "\n";
  for (const char* operation : {"write", "read and write", "append"})
    text += operation + (": " + write + "\n");
  for (const char* operation : {"truncate", "set times", "make a directory", "link",
                                "link symbolically", "rename", "unlink", "remove a directory"})
    text += operation + (": " + change + "\n");
  return text + "list: ok\nread: " + read + "\n";
}

class GrantsTest : public E2eTest {
 protected:
  // A directory with the file "file" and the empty directory "folder".
  fs::path Furnished(const std::string& name) const {
    MakeDirectory(name + "/folder");
    MakeFile(name + "/file", "content");
    return scratch / name;
  }
  void ExpectUnchanged(const fs::path& directory) const {
    EXPECT_EQ(ReadFile(directory / "file"), "content");
    EXPECT_TRUE(fs::is_directory(directory / "folder"));
    EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 2);
  }
};

TEST_F(GrantsTest, NothingIsGrantedThatNoOptionNames) {
  const auto only_streams = ContainsRegex("^0: [a-z]+\n1: [a-z]+\n2: [a-z]+\n$");
  EXPECT_THAT(Run({Guest("descriptors")}), AllOf(Ends(0), Prints(only_streams), IsSilent()));
  EXPECT_THAT(Run({Guest("walk"), "/"}), AllOf(Ends(1), Prints(IsEmpty())));
  EXPECT_THAT(Run({Guest("walk"), "."}), AllOf(Ends(1), Prints(IsEmpty())));
  EXPECT_THAT(Run({Guest("cat"), "/etc/passwd"}), AllOf(Ends(1), Prints(IsEmpty())));
  EXPECT_THAT(Run({Guest("serve")}),
              AllOf(Ends(1), Complains(HasSubstr("no descriptor is a stream"))));
  EXPECT_THAT(RunCommand({Guest("args")}).Env("SECRET", "value").Run(),
              Prints("arg 0: " + Guest("args") + "\n"));
}

TEST_F(GrantsTest, NothingIsGrantedToAComponentEither) {
  REQUIRE_GUEST("walk-component");
  EXPECT_THAT(Run({Guest("descriptors-component")}), Prints("0: stream\n1: stream\n2: stream\n"));
  EXPECT_THAT(Run({Guest("walk-component"), "/"}), AllOf(Ends(1), Prints(IsEmpty())));
  EXPECT_THAT(Run({Guest("walk-component"), "."}), AllOf(Ends(1), Prints(IsEmpty())));
  EXPECT_THAT(RunCommand({Guest("args-component")}).Env("SECRET", "value").Run(),
              Prints("arg 0: " + Guest("args-component") + "\n"));
}

TEST_F(GrantsTest, ADirectoryIsGrantedByItsOwnName) {
  const auto data = Furnished("data");
  EXPECT_THAT(Run({"--dir", data, Guest("walk"), data}),
              AllOf(Ends(0), Prints("f 7 " + (data / "file").native() + "\nd 0 " +
                                    (data / "folder").native() + "\n")));
  EXPECT_THAT(RunCommand({"--dir", "data", Guest("walk"), "data"}).In(scratch).Run(),
              Prints("f 7 data/file\nd 0 data/folder\n"));
  EXPECT_THAT(RunCommand({"--dir", ".", Guest("walk"), "."}).In(data).Run(),
              Prints("f 7 ./file\nd 0 ./folder\n"));
  EXPECT_THAT(Run({"--dir=" + data.native(), Guest("cat"), data / "file"}), Prints("content"));
}

TEST_F(GrantsTest, ADirectoryIsGrantedByAnotherName) {
  const auto data = Furnished("data");
  EXPECT_THAT(Run({"--dir", data.native() + "::/in/side", Guest("walk"), "/in/side"}),
              Prints("f 7 /in/side/file\nd 0 /in/side/folder\n"));
  EXPECT_THAT(Run({"--dir", data.native() + "::/", Guest("cat"), "/file"}), Prints("content"));
  EXPECT_THAT(Run({"--dir", data.native() + "::/in", Guest("cat"), data / "file"}),
              AllOf(Ends(1), Prints(IsEmpty())));
}

TEST_F(GrantsTest, AGrantReachesNoFurtherThanItsDirectory) {
  const auto data = Furnished("data");
  MakeFile("secret", "SECRET");
  EXPECT_THAT(Run({"--dir", data.native() + "::/data", Guest("cat"), "/data/../secret"}),
              AllOf(Ends(1), Prints(IsEmpty())));
  EXPECT_THAT(Run({"--dir", data.native() + "::/data", Guest("walk"), "/"}), Ends(1));
}

TEST_F(GrantsTest, SeveralDirectoriesAreGrantedInTheirOrder) {
  const auto one = Furnished("one"), two = Furnished("two");
  EXPECT_THAT(Run({"--dir", one.native() + "::/one", "--dir", two.native() + "::/two:ro",
                   Guest("descriptors")}),
              Prints(HasSubstr("\n3: directory /one\n4: directory /two\n")));
  MakeFile("two/more", "more");
  EXPECT_THAT(Run({"--dir", one.native() + "::/one", "--dir", two.native() + "::/two:ro",
                   Guest("cat"), "/one/file", "/two/more"}),
              AllOf(Ends(0), Prints("contentmore")));
}

TEST_F(GrantsTest, AGrantedDirectoryCanBeChanged) {
  const auto data = Furnished("data");
  EXPECT_THAT(Run({"--dir", data.native() + "::/data", Guest("alter"), "/data"}),
              AllOf(Ends(0), Prints(Altered("ok", "ok", "ok", "No such file or directory"))));
  EXPECT_THAT(Run({"--dir", data.native() + "::/data", Guest("files"), "/data"}),
              AllOf(Ends(0), Prints(HasSubstr("files: all ok"))));
}

TEST_F(GrantsTest, NothingChangesBelowADirectoryThatIsGrantedForReading) {
  const auto data = Furnished("data");
  const std::string refused = "Capabilities insufficient";  // The errno notcapable of preview 1.
  const std::string no_right = "Bad file descriptor";       // wasi-libc's word for it in write(2).
  EXPECT_THAT(Run({"--dir", data.native() + "::/data:ro", Guest("alter"), "/data"}),
              AllOf(Ends(0), Prints(Altered(refused, no_right, refused, "ok"))));
  ExpectUnchanged(data);
  EXPECT_THAT(RunCommand({"--dir", "data:ro", Guest("alter"), "data"}).In(scratch).Run(),
              Prints(Altered(refused, no_right, refused, "ok")));
  ExpectUnchanged(data);
}

TEST_F(GrantsTest, NothingChangesBelowItThroughAComponent) {
  REQUIRE_GUEST("alter-component");
  const auto data = Furnished("data");
  const std::string refused = "Operation not permitted";
  EXPECT_THAT(Run({"--dir", data.native() + "::/data:ro", Guest("alter-component"), "/data"}),
              AllOf(Ends(0), Prints(Altered(refused, refused, refused, "ok"))));
  ExpectUnchanged(data);
  EXPECT_THAT(Run({"--dir", data.native() + "::/data", Guest("alter-component"), "/data"}),
              AllOf(Ends(0), Prints(Altered("ok", "ok", "ok", "No such file or directory"))));
}

TEST_F(GrantsTest, OneDirectoryCanBeGrantedTwiceWithDifferentRights) {
  const auto data = Furnished("data");
  const std::vector<std::string> words = {"--dir",       data.native() + "::/read:ro",
                                          "--dir",       data.native() + "::/write",
                                          Guest("copy"), "/read/file"};
  auto to_write = words, to_read = words;
  to_write.emplace_back("/write/copy");
  to_read.emplace_back("/read/copy2");
  EXPECT_THAT(Run(to_write), Ends(0));
  EXPECT_EQ(ReadFile(data / "copy"), "content");
  EXPECT_THAT(Run(to_read), Not(Ends(0)));
  EXPECT_FALSE(fs::exists(data / "copy2"));
}

TEST_F(GrantsTest, ADirectoryThatCannotBeGrantedIsNamedBeforeAnythingRuns) {
  const auto grants = [this](const std::string& text) {
    return Run({"--dir", text, Guest("hello")});
  };
  const auto refused = [](const std::string& words) {
    return AllOf(Ends(2), Prints(IsEmpty()), Complains(HasSubstr(words)));
  };
  const auto file = MakeFile("file", "");
  const auto missing = (scratch / "missing").native();
  EXPECT_THAT(grants(missing), refused("--dir " + missing + ": No such file or directory"));
  EXPECT_THAT(grants(missing + "::/data:ro"), refused("--dir " + missing + ": No such file"));
  EXPECT_THAT(grants(file), refused("--dir " + file.native() + ": Not a directory"));
  EXPECT_THAT(grants(""), refused("write HOST, HOST::GUEST"));
  EXPECT_THAT(grants("::/data"), refused("write HOST, HOST::GUEST"));
  EXPECT_THAT(grants("/tmp::"), refused("write HOST, HOST::GUEST"));
}

TEST_F(GrantsTest, ADirectoryThatMayNotBeReadIsTheProgramsErrorNotOurs) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every directory";
  const auto data = Furnished("data");
  fs::permissions(data, fs::perms::none);
  EXPECT_THAT(Run({"--dir", data.native() + "::/data", Guest("walk"), "/data"}),
              AllOf(Ends(1), Complains(HasSubstr("Permission denied"))));
  fs::permissions(data, fs::perms::owner_all);
}

TEST_F(GrantsTest, ADirectoryCanBeGrantedThroughASymbolicLink) {
  fs::create_directory_symlink(Furnished("data"), scratch / "link");
  EXPECT_THAT(Run({"--dir", (scratch / "link").native() + "::/data", Guest("cat"), "/data/file"}),
              Prints("content"));
}

TEST_F(GrantsTest, VariablesAreGivenOneByOneInTheirOrder) {
  EXPECT_THAT(RunCommand({"--env", "B=2", "--env", "A=1=one", "--env", "INHERITED", "--env",
                          "EMPTY=", Guest("args")})
                  .Env("INHERITED", "from here")
                  .Env("ANOTHER", "not given")
                  .Run(),
              Prints("arg 0: " + Guest("args") +
                     "\nenv B=2\nenv A=1=one\nenv INHERITED=from here\nenv EMPTY=\n"));
}

TEST_F(GrantsTest, AComponentGetsItsVariablesToo) {
  REQUIRE_GUEST("args-component");
  EXPECT_THAT(RunCommand({"--env", "B=2", "--env", "INHERITED", Guest("args-component")})
                  .Env("INHERITED", "from here")
                  .Run(),
              Prints("arg 0: " + Guest("args-component") + "\nenv B=2\nenv INHERITED=from here\n"));
}

TEST_F(GrantsTest, AVariableThatCannotBeGivenIsNamed) {
  EXPECT_THAT(
      Run({"--env", "MISSING", Guest("hello")}),
      AllOf(Ends(2), Prints(IsEmpty()), Complains(HasSubstr("--env MISSING: is not set here"))));
  EXPECT_THAT(Run({"--env", "=value", Guest("hello")}),
              AllOf(Ends(2), Complains(HasSubstr("no name"))));
  EXPECT_THAT(Run({"--env", "", Guest("hello")}), AllOf(Ends(2), Complains(HasSubstr("no name"))));
}

// A connection of our own to a guest that serves.
class Client {
 public:
  Client(int family, uint16_t port) : socket_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    v6.sin6_addr = in6addr_loopback;
    const auto* address =
        family == AF_INET ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
    const socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
    connected_ = connect(socket_.get(), address, size) == 0;
  }
  bool connected() const { return connected_; }

  // What comes back for `text` until the guest closes; `text` must fit into the kernel's buffers.
  std::string Exchange(std::string_view text) const {
    if (send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(text.size()))
      return "";
    shutdown(socket_.get(), SHUT_WR);
    std::string answer;
    std::array<char, 4096> buffer;
    for (ssize_t got; (got = recv(socket_.get(), buffer.data(), buffer.size(), 0)) > 0;)
      answer.append(buffer.data(), static_cast<size_t>(got));
    return answer;
  }

 private:
  os::Fd socket_;
  bool connected_ = false;
};

bool HasIpv6() {
  const os::Fd probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 any = {.sin6_family = AF_INET6};
  any.sin6_addr = in6addr_loopback;
  return bind(probe.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0;
}

class ListenTest : public E2eTest {
 protected:
  // A guest that echoes one connection on the address, whose port is 0: and the port it became.
  std::unique_ptr<Process> Serve(const std::string& address, uint16_t* port) const {
    auto process = RunCommand({"--tcplisten", address, Guest("serve")}).Start();
    *port = 0;
    if (!process->Says("listening on descriptor 3\n")) return process;
    const std::string said = process->ErrorsSoFar();
    const std::string host = address.substr(0, address.rfind(':'));
    const std::string line = "wasmoor: listening on " + (host.empty() ? "[::]" : host) + ":";
    EXPECT_THAT(said, StartsWith(line));
    if (said.size() > line.size()) *port = static_cast<uint16_t>(atoi(said.c_str() + line.size()));
    return process;
  }

  void Echoes(const std::string& address, int family) const {
    uint16_t port = 0;
    const auto process = Serve(address, &port);
    const Client client(family, port);
    ASSERT_TRUE(client.connected()) << address << ", port " << port;
    EXPECT_EQ(client.Exchange("some words"), "some words");
    EXPECT_THAT(process->Wait(), AllOf(Ends(0), Prints(HasSubstr("echoed 10 bytes"))));
  }
};

TEST_F(ListenTest, AClientIsServedOverIpv4) { Echoes("127.0.0.1:0", AF_INET); }

TEST_F(ListenTest, AClientIsServedOverIpv6) {
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  Echoes("[::1]:0", AF_INET6);
}

TEST_F(ListenTest, WithoutAnAddressItListensToBoth) {
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  Echoes(":0", AF_INET);
  Echoes(":0", AF_INET6);
}

TEST_F(ListenTest, ConnectionsAreServedOneAfterAnother) {
  const auto process = RunCommand({"--tcplisten", "127.0.0.1:0", Guest("serve"), "3"}).Start();
  ASSERT_TRUE(process->Says("listening"));
  const std::string said = process->ErrorsSoFar();
  const auto port = static_cast<uint16_t>(atoi(said.c_str() + said.rfind(':') + 1));
  for (const std::string text : {"one", "two", "three"})
    EXPECT_EQ(Client(AF_INET, port).Exchange(text), text);
  EXPECT_THAT(process->Wait(), AllOf(Ends(0), Prints(HasSubstr("echoed 5 bytes"))));
}

TEST_F(ListenTest, SocketsComeAfterTheDirectories) {
  const auto data = MakeDirectory("data");
  EXPECT_THAT(Run({"--tcplisten", "127.0.0.1:0", "--dir", data.native() + "::/data", "--tcplisten",
                   "127.0.0.1:0", Guest("descriptors")}),
              Prints(HasSubstr("\n3: directory /data\n4: socket\n5: socket\n")));
}

TEST_F(ListenTest, APortThatIsTakenIsNamed) {
  uint16_t port = 0;
  const auto process = Serve("127.0.0.1:0", &port);
  const std::string address = "127.0.0.1:" + std::to_string(port);
  EXPECT_THAT(Run({"--tcplisten", address, Guest("hello")}),
              AllOf(Ends(2), Prints(IsEmpty()),
                    Complains(HasSubstr("--tcplisten: listen on " + address +
                                        ": Address already in use"))));
}

TEST_F(ListenTest, WhatIsNoAddressIsRefused) {
  const auto listens = [this](const std::string& text) {
    return Run({"--tcplisten", text, Guest("hello")});
  };
  const auto refused = [](const std::string& words) {
    return AllOf(Ends(2), Prints(IsEmpty()), Complains(HasSubstr(words)));
  };
  EXPECT_THAT(listens("127.0.0.1"), refused("has no port: write ADDRESS:PORT"));
  EXPECT_THAT(listens("127.0.0.1:http"), refused("'http' is not a port"));
  EXPECT_THAT(listens("127.0.0.1:65536"), refused("'65536' is not a port"));
  EXPECT_THAT(listens("localhost:80"), refused("'localhost' is not an IP address"));
  EXPECT_THAT(listens("192.0.2.1:8080"), refused("Cannot assign requested address"));
}

TEST_F(ListenTest, AComponentIsToldThatItHasNoUseForASocket) {
  REQUIRE_GUEST("descriptors-component");
  EXPECT_THAT(Run({"--tcplisten", "127.0.0.1:0", Guest("descriptors-component")}),
              AllOf(Ends(126), Prints(IsEmpty()), Complains(HasSubstr("WASI 0.2 opens its own"))));
}

}  // namespace
}  // namespace wasmoor::e2e
