// Containers with a terminal: in the foreground, where wasmoor-runtime joins it to its own, and
// behind a console socket, where somebody else has it.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "e2e/runtime_suite.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RuntimeTerminalTest : public RuntimeTest {
 protected:
  fs::path TerminalBundle(std::vector<std::string> words) const {
    Json config = Config(std::move(words));
    config["process"]["terminal"] = true;
    return MakeBundle(config);
  }
  Command RunBundle(const fs::path& bundle) const {
    return Runtime({"run", "--bundle", bundle, "c1"});
  }

  // `wasmoor-runtime WORDS...` on a terminal of the test's, whose settings were read before.
  struct OnTerminal {
    std::unique_ptr<Process> running;
    std::string before;
  };
  OnTerminal StartOnTerminal(std::vector<std::string> words) const {
    const std::string script = "echo waiting; read go; exec \"$@\"";
    words.insert(words.begin(), {"sh", "-euc", script, "sh",
                                 FolderFrom("WASMOOR_BIN") / "wasmoor-runtime", "--root", root});
    OnTerminal on{Command(std::move(words)).OnTerminal().Start(), ""};
    EXPECT_TRUE(on.running->Says("waiting"));
    on.before = on.running->TerminalSettings();
    on.running->Type("\n");
    return on;
  }
};

TEST_F(RuntimeTerminalTest, WhatIsTypedIsTheContainersAndOursIsAsItWasAfterwards) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = TerminalBundle({"sh", "-c",
                                          "tty; trap 'echo inter''rupted' INT; echo ready; "
                                          "until read line; do :; done; echo got $line; exit 5"});
  const auto [running, before] = StartOnTerminal({"run", "--bundle", bundle, "c1"});
  ASSERT_TRUE(running->Says("ready"));
  EXPECT_NE(running->TerminalSettings(), before) << "raw mode";
  running->Type("\x03");
  ASSERT_TRUE(running->Says("interrupted")) << "a signal inside, and none to wasmoor-runtime";
  running->Type("hello\r");
  const Ended ended = running->Wait();
  EXPECT_THAT(ended,
              AllOf(Ends(5), Prints(AllOf(HasSubstr("/dev/pts/0"), HasSubstr("got hello")))));
  EXPECT_EQ(running->TerminalSettings(), before);
}

TEST_F(RuntimeTerminalTest, OursIsAsItWasAlsoAfterASignal) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = TerminalBundle({"sh", "-c", "echo ready; exec sleep 100"});
  const auto [running, before] = StartOnTerminal({"run", "--bundle", bundle, "c1"});
  ASSERT_TRUE(running->Says("ready"));
  ASSERT_THAT(Do({"kill", "c1", "KILL"}), Ends(0));
  EXPECT_THAT(running->Wait(), Ends(128 + SIGKILL));
  EXPECT_EQ(running->TerminalSettings(), before);
}

TEST_F(RuntimeTerminalTest, ItHasTheSizeOfOurs) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = TerminalBundle(
      {"sh", "-c",
       "stty size; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done"});
  // The shell sets the size of the terminal that it has from us, once before and once meanwhile.
  const std::string script =
      "exec 3<&0; stty rows 33 cols 77; (sleep 1; stty rows 44 cols 88 <&3) & exec \"$@\" 3<&-";
  const auto running =
      Command({"sh", "-euc", script, "sh", FolderFrom("WASMOOR_BIN") / "wasmoor-runtime", "--root",
               root, "run", "--bundle", bundle, "c1"})
          .OnTerminal()
          .Start();
  ASSERT_TRUE(running->Says("33 77"));
  EXPECT_TRUE(running->Says("44 88"));
  EXPECT_THAT(running->Wait(), Ends(0));
}

TEST_F(RuntimeTerminalTest, WithoutOneOfOursItsInputMayEnd) {
  REQUIRE_CONTAINERS();
  EXPECT_THAT(RunBundle(TerminalBundle({"cat"})).Input("one\ntwo").Run(),
              AllOf(Ends(0), Prints(HasSubstr("one\r\ntwo")), IsSilent()));
}

TEST_F(RuntimeTerminalTest, AllOfItsOutputComes) {
  REQUIRE_CONTAINERS();
  const Ended ended =
      RunBundle(
          TerminalBundle({"sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"}))
          .Run();
  EXPECT_THAT(ended, Ends(0));
  EXPECT_THAT(ended.out, HasSubstr("\r\n19999\r\n"));
  constexpr size_t kBytes = 10 * 3 + 90 * 4 + 900 * 5 + 9000 * 6 + 10000 * 7;
  EXPECT_EQ(ended.out.size(), kBytes);
}

TEST_F(RuntimeTerminalTest, ExecMayHaveOneOfItsOwn) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  const auto [running, before] = StartOnTerminal({"exec", "--tty", "c1", "sh"});
  running->Type("tty; exit 3\r");
  EXPECT_THAT(running->Wait(), AllOf(Ends(3), Prints(HasSubstr("/dev/pts/"))));
  EXPECT_EQ(running->TerminalSettings(), before);
  EXPECT_THAT(Do({"exec", "-t", "-d", "c1", "sh"}),
              AllOf(Ends(255), Complains(HasSubstr("--console-socket"))));
  EXPECT_THAT(Do({"exec", "--console-socket", "/x", "c1", "sh"}),
              AllOf(Ends(255), Complains(HasSubstr("has no terminal"))));
}

TEST_F(RuntimeTerminalTest, ASocketGetsTheMasterSide) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = TerminalBundle({"sh", "-c", "read line; echo got $line; exec sleep 100"});
  const fs::path path = scratch / "console";
  const os::Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  path.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_THAT(Do({"create", "--console-socket", path, "--bundle", bundle, "c1"}),
              AllOf(Ends(0), IsSilent()));
  const os::Fd peer(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::array<char, 64> name;
  const auto received = os::Receive(peer, name);
  ASSERT_TRUE(received && received->descriptor.valid());
  ASSERT_EQ(isatty(received->descriptor.get()), 1);
  ASSERT_THAT(Do({"start", "c1"}), AllOf(Ends(0), IsSilent()));
  const std::string typed = "hello\n";
  ASSERT_EQ(write(received->descriptor.get(), typed.data(), typed.size()),
            static_cast<ssize_t>(typed.size()));
  std::string shown;
  std::array<char, 256> piece;
  while (shown.find("got hello") == std::string::npos) {
    const ssize_t got = read(received->descriptor.get(), piece.data(), piece.size());
    ASSERT_GT(got, 0);
    shown.append(piece.data(), static_cast<size_t>(got));
  }
}

}  // namespace
}  // namespace wasmoor::e2e
