#include "wasmoor/os/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "support/result.h"
#include "support/scratch.h"

namespace wasmoor::os {
namespace {

using test::Must;

int EndOf(pid_t pid) {
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class SpawnTest : public testing::Test {
 protected:
  // Runs a shell script and tells its exit status.
  int RunScript(const std::string& script, std::vector<const Fd*> descriptors) {
    SpawnRequest request;
    request.program = "/bin/sh";
    request.arguments = {"sh", "-c", script};
    request.descriptors = std::move(descriptors);
    return EndOf(Must(Spawn(request)));
  }
  Fd Open(const char* name) {
    return Fd(::open((scratch_ / name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  }
  test::ScratchDirectory scratch_;
};

TEST_F(SpawnTest, GivesDescriptorsTheirNumbersWhateverTheyAreHere) {
  const Fd first = Open("first"), second = Open("second");
  std::vector<const Fd*> descriptors(static_cast<size_t>(second.get()) + 1, nullptr);
  descriptors[static_cast<size_t>(second.get())] = &first;
  descriptors[static_cast<size_t>(first.get())] = &second;
  EXPECT_EQ(RunScript("echo 1 >&" + std::to_string(second.get()) + "; echo 2 >&" +
                          std::to_string(first.get()),
                      std::move(descriptors)),
            0);
  EXPECT_EQ(scratch_.Read("first"), "1\n");
  EXPECT_EQ(scratch_.Read("second"), "2\n");
}

TEST_F(SpawnTest, GivesNothingElse) {
  const Fd inherited(::open("/dev/null", O_RDONLY));
  const Fd output = Open("output");
  EXPECT_EQ(
      RunScript("ls /proc/self/fd; readlink /proc/self/fd/0 /proc/self/fd/2", {nullptr, &output}),
      0);
  // 3 is the directory that ls reads.
  EXPECT_EQ(scratch_.Read("output"), "0\n1\n2\n3\n/dev/null\n/dev/null\n");
}

TEST_F(SpawnTest, LeavesNoSignalIgnoredOrBlocked) {
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked, old;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &old);
  EXPECT_EQ(RunScript("kill -PIPE $$", {}), -SIGPIPE);
  EXPECT_EQ(RunScript("kill -TERM $$", {}), -SIGTERM);
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
  ::signal(SIGPIPE, before);
}

TEST_F(SpawnTest, GivesAnEnvironmentOfItsOwn) {
  const Fd output = Open("output");
  SpawnRequest request;
  request.program = "/usr/bin/env";
  request.arguments = {"env"};
  request.descriptors = {nullptr, &output};
  request.environment = {{"ONE=1", "TWO=2"}};
  EXPECT_EQ(EndOf(Must(Spawn(request))), 0);
  EXPECT_EQ(scratch_.Read("output"), "ONE=1\nTWO=2\n");
}

TEST_F(SpawnTest, SaysThatAProgramIsNotThere) {
  SpawnRequest request;
  request.program = scratch_ / "nothing";
  request.arguments = {"nothing"};
  const auto started = Spawn(request);
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().code(), Code::kNotFound);
  EXPECT_EQ(started.error().message(), "start " + request.program + ": No such file or directory");
}

}  // namespace
}  // namespace wasmoor::os
