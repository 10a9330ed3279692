#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "cmd/engines.h"
#include "e2e/suite.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/socket.h"
#include "wasmoor/program/program.h"
#include "wasmoor/seccomp/guest.h"

namespace wasmoor::e2e {
namespace {

using seccomp::GuestKind;
using ::testing::HasSubstr;

constexpr int kUnexpected = 250;

template <typename T>
T Must(Result<T> result) {
  if (result) return std::move(*result);
  fprintf(stderr, "unexpected error: %s\n", result.error().message().c_str());
  _exit(kUnexpected);
}

struct Below {
  int status = 0;    // Of the guest, as a shell has it; kUnexpected if it could not run.
  std::string text;  // What it wrote to both its streams.
};

// Whether the guest `alter` could do all of its 12 operations, and list what they left. (It then
// reads a file that they removed.)
::testing::AssertionResult AllWork(const std::string& text) {
  size_t works = 0;
  for (size_t at = 0; (at = text.find(": ok\n", at)) != std::string::npos; ++at) ++works;
  if (works == 13) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << text;
}

// A directory for one test, which the guest has as /d, and a process for each guest.
class GuestFilterTest : public ::testing::Test {
 protected:
  GuestFilterTest() {
    WriteFile(scratch_ / "in.txt", "one\ntwo\n");
    WriteFile(scratch_ / "file", "SECRE");
    std::filesystem::create_directory(scratch_ / "folder");
  }
  ~GuestFilterTest() override { std::filesystem::remove_all(scratch_); }

  std::string folder() const { return scratch_.native(); }

  Below Run(const std::string& guest, std::vector<std::string> arguments = {},
            os::Fd listener = os::Fd()) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) abort();
    const os::Fd reading(ends[0]);
    os::Fd writing(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) _exit(RunHere(guest, std::move(arguments), writing, std::move(listener)));
    writing.Close();
    Below ended;
    char buffer[4096];
    for (ssize_t got; (got = ::read(reading.get(), buffer, sizeof(buffer))) > 0;)
      ended.text.append(buffer, got);
    int status = 0;
    ::waitpid(child, &status, 0);
    ended.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return ended;
  }

 private:
  int RunHere(const std::string& guest, std::vector<std::string> arguments, const os::Fd& out,
              os::Fd listener) const {
    program::Host host = program::NewHost();
    // The filter is for the thread that runs the guest, which so is the only one.
    const auto engine =
        Must(cmd::Engines().front().create({.parallel_compile = false, .host = host.table}));
    const program::Source source = Must(program::OpenSource(Guest(guest)));
    const wasm::Cache::Found found = Must(program::Load(*engine, source, {}));
    wasi::Grants grants;
    grants.arguments = std::move(arguments);
    grants.arguments.insert(grants.arguments.begin(), guest);
    grants.preopens.push_back(
        {.host = folder(),
         .guest = "/d",
         .directory = os::Fd(::open(folder().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))});
    if (listener.valid()) grants.listeners.push_back({.socket = std::move(listener)});
    const bool component = found.module->kind() == wasm::ModuleKind::kComponent;
    ::dup2(out.get(), STDOUT_FILENO);
    ::dup2(out.get(), STDERR_FILENO);
    const auto stream = [&](int own) {
      return os::Fd(component ? own : ::fcntl(own, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    };
    grants.standard_output = stream(STDOUT_FILENO);
    grants.standard_error = stream(STDERR_FILENO);
    const auto made = Must(program::Guest::Create(*found.module, host, std::move(grants), {}));
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    Must(seccomp::Install(
        seccomp::GuestProgram(component ? GuestKind::kComponent : GuestKind::kModule)));
    return Must(made->Run({})).ShellStatus();
  }

  const std::filesystem::path scratch_ = MakeScratch();
};

TEST_F(GuestFilterTest, GuestsThatNeedNothingRun) {
  REQUIRE_GUEST("hello");
  EXPECT_EQ(Run("hello").text, "Hello from wasm!\n");
  EXPECT_EQ(Run("exit42").status, 42);
  EXPECT_THAT(Run("args", {"a", "b"}).text, HasSubstr("arg 2: b"));
  EXPECT_THAT(Run("clock").text, HasSubstr("monotonic moves"));
  EXPECT_EQ(Run("random").text.size(), 65U);
  EXPECT_THAT(Run("sleep", {"5"}).text, HasSubstr("awake"));
  EXPECT_THAT(Run("poll", {"5"}).text, HasSubstr("polling"));
  EXPECT_THAT(Run("grow", {"64", "touch"}).text, HasSubstr("grew by 64 MiB"));
  EXPECT_THAT(Run("terminal").text, HasSubstr("stdout is no terminal"));
  EXPECT_THAT(Run("descriptors").text, HasSubstr("directory /d"));
}

TEST_F(GuestFilterTest, GuestsThatFailFailAsTheyDoWithout) {
  REQUIRE_GUEST("trap");
  EXPECT_EQ(Run("trap").status, 134);
  EXPECT_EQ(Run("divide", {"0"}).status, 134);
  EXPECT_EQ(Run("recurse").status, 134);
  EXPECT_EQ(Run("abort").status, 134);
  EXPECT_EQ(Run("raise", {"15"}).status, 143);
}

TEST_F(GuestFilterTest, FilesWorkInFull) {
  REQUIRE_GUEST("files");
  const Below files = Run("files", {"/d"});
  EXPECT_THAT(files.text, HasSubstr("files: all ok"));
  EXPECT_EQ(files.status, 0);
  EXPECT_THAT(Run("walk", {"/d"}).text, HasSubstr("in.txt"));
  EXPECT_EQ(Run("copy", {"/d/in.txt", "/d/out.txt", "100000"}).text, "100000 bytes\n");
  EXPECT_EQ(Run("cat", {"/d/in.txt"}).text, "one\ntwo\n");
  EXPECT_THAT(Run("smallfiles", {"write", "/d", "20"}).text, HasSubstr("20 files"));
  EXPECT_EQ(Run("flood", {"/d/in.txt"}).status, 0);
  EXPECT_EQ(Run("paths").status, 0);
}

TEST_F(GuestFilterTest, EveryOperationThatAltersADirectoryWorks) {
  REQUIRE_GUEST("alter");
  EXPECT_TRUE(AllWork(Run("alter", {"/d"}).text));
}

TEST_F(GuestFilterTest, RunTimesOfOtherLanguagesWork) {
  REQUIRE_GUEST("report");
  EXPECT_THAT(Run("report", {"/d"}).text, HasSubstr("different lines"));
  REQUIRE_GUEST("sortlines");
  EXPECT_THAT(Run("sortlines", {"/d"}).text, HasSubstr("lines"));
}

TEST_F(GuestFilterTest, ComponentsRunWithTheirThreads) {
  REQUIRE_GUEST("hello-component");
  EXPECT_EQ(Run("hello-component").text, "Hello from wasm!\n");
  EXPECT_THAT(Run("sleep-component", {"5"}).text, HasSubstr("awake"));
  EXPECT_THAT(Run("walk-component", {"/d"}).text, HasSubstr("in.txt"));
  EXPECT_THAT(Run("files-component", {"/d"}).text, HasSubstr("files: all ok"));
  std::filesystem::remove_all(folder() + "/folder");
  WriteFile(folder() + "/file", "");
  std::filesystem::create_directory(folder() + "/folder");
  EXPECT_TRUE(AllWork(Run("alter-component", {"/d"}).text));
  EXPECT_EQ(Run("trap-component").status, 134);
}

TEST_F(GuestFilterTest, AGrantedSocketTakesConnections) {
  REQUIRE_GUEST("serve");
  os::Fd listener = Must(os::ListenTcp("127.0.0.1:0"));
  struct sockaddr_in address = {};
  socklen_t size = sizeof(address);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  // The connection waits in the queue for a guest that is not there yet.
  const os::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::send(client.get(), "echo", 4, 0), 4);
  ::shutdown(client.get(), SHUT_WR);
  const Below served = Run("serve", {}, std::move(listener));
  EXPECT_THAT(served.text, HasSubstr("echoed 4 bytes"));
  char text[8] = {};
  EXPECT_EQ(::recv(client.get(), text, sizeof(text), 0), 4);
  EXPECT_STREQ(text, "echo");
}

}  // namespace
}  // namespace wasmoor::e2e
