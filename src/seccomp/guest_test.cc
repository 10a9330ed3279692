#include "wasmoor/seccomp/guest.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>

#include "seccomp/child_test.h"

namespace wasmoor::seccomp {
namespace {

constexpr size_t kPage = 4096;

// Whether `call` fails with ENOSYS below both filters: the kernel did not even look at it.
bool IsStopped(GuestKind kind, const std::function<bool()>& call) {
  return Below(GuestProgram(kind), [&] {
           errno = 0;
           const bool failed = call();
           return failed ? errno : 0;
         }) == "exit " + std::to_string(ENOSYS);
}

bool IsStopped(const std::function<bool()>& call) {
  return IsStopped(GuestKind::kModule, call) && IsStopped(GuestKind::kComponent, call);
}

TEST(GuestProgramTest, NoProgramIsExecutedAndNoProcessIsMade) {
  EXPECT_TRUE(IsStopped([] { return ::execl("/bin/true", "true", nullptr) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::syscall(SYS_execveat, -1, "/bin/true", 0, 0, 0) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::fork() < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::vfork() < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::syscall(SYS_clone3, nullptr, 0) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::unshare(CLONE_NEWUSER) < 0; }));
}

TEST(GuestProgramTest, AThreadIsMadeByComponentsOnlyAndNoneInNewNamespaces) {
  const auto clone_with = [](uint64_t flags) {
    return [flags] { return ::syscall(SYS_clone, flags, 0, 0, 0, 0) < 0; };
  };
  constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
  EXPECT_TRUE(IsStopped(GuestKind::kModule, clone_with(kThread)));
  EXPECT_TRUE(IsStopped(clone_with(kThread | CLONE_NEWUSER)));
  EXPECT_TRUE(IsStopped(clone_with(kThread & ~uint64_t{CLONE_THREAD})));
}

TEST(GuestProgramTest, NoSocketIsMadeOrConnected) {
  EXPECT_TRUE(IsStopped([] { return ::socket(AF_INET, SOCK_STREAM, 0) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::socket(AF_UNIX, SOCK_STREAM, 0) < 0; }));
  int ends[2];
  EXPECT_TRUE(IsStopped([&] { return ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::connect(0, nullptr, 0) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::sendmsg(0, nullptr, MSG_FASTOPEN) < 0; }));
}

TEST(GuestProgramTest, AServerMakesNoSocketUnlessItsGuestsAskOthers) {
  const auto inet = [] { return ::socket(AF_INET, SOCK_STREAM, 0) < 0; };
  EXPECT_TRUE(IsStopped(GuestKind::kServer, inet));
  EXPECT_TRUE(IsStopped(GuestKind::kServer, [] { return ::connect(0, nullptr, 0) < 0; }));
  EXPECT_FALSE(IsStopped(GuestKind::kClientServer, inet));
  for (const GuestKind kind : {GuestKind::kServer, GuestKind::kClientServer}) {
    EXPECT_TRUE(IsStopped(kind, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0) < 0; }));
    EXPECT_TRUE(IsStopped(kind, [] { return ::socket(AF_NETLINK, SOCK_RAW, 0) < 0; }));
    EXPECT_TRUE(IsStopped(kind, [] { return ::bind(0, nullptr, 0) < 0; }));
    EXPECT_TRUE(IsStopped(kind, [] { return ::sendmsg(0, nullptr, MSG_FASTOPEN) < 0; }));
    EXPECT_TRUE(IsStopped(kind, [] { return ::sendto(0, "x", 1, MSG_FASTOPEN, nullptr, 0) < 0; }));
    EXPECT_TRUE(IsStopped(kind, [] { return ::open("/etc/passwd", O_RDONLY) < 0; }));
    EXPECT_TRUE(IsStopped(kind, [] { return ::fork() < 0; }));
  }
}

TEST(GuestProgramTest, NoFileIsOpenedButByOpenat2) {
  EXPECT_TRUE(IsStopped([] { return ::open("/etc/passwd", O_RDONLY) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::open("/tmp", O_TMPFILE | O_RDWR, 0600) < 0; }));
  EXPECT_TRUE(IsStopped(GuestKind::kModule, [] { return ::open("/", O_DIRECTORY) < 0; }));
  EXPECT_EQ(Below(GuestProgram(GuestKind::kComponent),
                  [] { return ::open("/", O_DIRECTORY | O_CLOEXEC) < 0 ? errno : 0; }),
            "exit 0");
}

TEST(GuestProgramTest, NoMemoryBecomesExecutable) {
  EXPECT_TRUE(IsStopped([] {
    return ::mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED;
  }));
  void* const page =
      ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  EXPECT_TRUE(IsStopped([&] { return ::mprotect(page, kPage, PROT_READ | PROT_EXEC) < 0; }));
  EXPECT_EQ(Below(GuestProgram(GuestKind::kModule),
                  [&] { return ::mprotect(page, kPage, PROT_READ) < 0 ? errno : 0; }),
            "exit 0");
  ::munmap(page, kPage);
}

TEST(GuestProgramTest, NothingIsMountedTracedSignalledOrLimited) {
  EXPECT_TRUE(IsStopped([] { return ::mount("none", "/proc", "tmpfs", 0, nullptr) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::ptrace(PTRACE_TRACEME, 0, 0, 0) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::kill(::getpid(), 0) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::setuid(0) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::chdir("/") < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::syscall(SYS_bpf, 0, nullptr, 0) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::syscall(SYS_io_uring_setup, 1, nullptr) < 0; }));
  EXPECT_TRUE(IsStopped([] { return ::ioctl(0, TIOCSTI, "x") < 0; }));
  const struct rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
  EXPECT_TRUE(IsStopped([&] { return ::setrlimit(RLIMIT_NOFILE, &limit) < 0; }));
  EXPECT_EQ(Below(GuestProgram(GuestKind::kModule),
                  [] {
                    struct rlimit now = {};
                    return ::getrlimit(RLIMIT_NOFILE, &now) < 0 ? errno : 0;
                  }),
            "exit 0");
}

TEST(GuestProgramTest, ItNeedsNoListenerAndStaysSmall) {
  const Program program = GuestProgram(GuestKind::kComponent);
  EXPECT_FALSE(program.listens());
  EXPECT_LT(program.instructions.size(), 512U);
}

#if defined(__x86_64__)
TEST(GuestProgramTest, ACallOfAnotherArchitectureEndsTheProcess) {
  const std::string ended = Below(GuestProgram(GuestKind::kModule), [] {
    int answer = 20;  // getpid of 32-bit processes.
    asm volatile("int $0x80" : "+a"(answer) : : "memory");
    return answer > 0 ? 1 : 2;
  });
  // A kernel without 32-bit processes sends SIGSEGV for the instruction itself.
  EXPECT_THAT(ended, ::testing::AnyOf("signal " + std::to_string(SIGSYS),
                                      "signal " + std::to_string(SIGSEGV)));
}
#endif

}  // namespace
}  // namespace wasmoor::seccomp
