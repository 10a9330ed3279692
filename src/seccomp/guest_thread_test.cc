#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>

#include <cerrno>
#include <csignal>

#include "seccomp/guest_thread_for_test.h"
#include "support/scratch.h"

// What the filters of guests that are threads let pass works on a thread, as the engine, WASI and
// the server use it; the thread's alone is filtered.
namespace wasmoor::seccomp {
namespace {

constexpr size_t kPage = 4096;

class GuestThreadCallsTest : public GuestThreadTest {};
INSTANTIATE_TEST_SUITE_P(Kinds, GuestThreadCallsTest, AllThreadKinds(), NameOfKind);

TEST_P(GuestThreadCallsTest, UsesFilesThatAreOpen) {
  const test::ScratchDirectory scratch;
  Run([&, file = ::open((scratch / "file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)] {
    char text[] = "abcd";
    iovec part = {.iov_base = text, .iov_len = 4};
    EXPECT_EQ(::write(file, text, 4), 4);
    EXPECT_EQ(::writev(file, &part, 1), 4);
    EXPECT_EQ(::pwrite(file, text, 4, 8), 4);
    EXPECT_EQ(::pwritev(file, &part, 1, 12), 4);
    EXPECT_EQ(::pwritev2(file, &part, 1, 0, RWF_APPEND), 4);
    EXPECT_EQ(::lseek(file, 0, SEEK_SET), 0);
    EXPECT_EQ(::read(file, text, 4), 4);
    EXPECT_EQ(::readv(file, &part, 1), 4);
    EXPECT_EQ(::pread(file, text, 4, 16), 4);
    EXPECT_EQ(::preadv(file, &part, 1, 0), 4);
    EXPECT_EQ(::preadv2(file, &part, 1, 0, 0), 4);
    EXPECT_STREQ(text, "abcd");
    struct stat status = {};
    EXPECT_EQ(::fstat(file, &status), 0);
    EXPECT_EQ(status.st_size, 20);
    struct statfs system = {};
    EXPECT_EQ(::fstatfs(file, &system), 0);
    EXPECT_EQ(::ftruncate(file, 2), 0);
    EXPECT_EQ(::posix_fadvise(file, 0, 2, POSIX_FADV_NORMAL), 0);
    EXPECT_EQ(::syscall(SYS_fallocate, file, 0, 0, 3), 0);
    EXPECT_EQ(::fsync(file), 0);
    EXPECT_EQ(::fdatasync(file), 0);
    const int copy = ::fcntl(file, F_DUPFD_CLOEXEC, 0);
    EXPECT_EQ(::fcntl(copy, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(copy, F_SETFL, O_APPEND), 0);
    EXPECT_EQ(::fcntl(file, F_GETFL) & O_APPEND, O_APPEND);
    int unread = 0;
    EXPECT_EQ(::ioctl(file, FIONREAD, &unread), 0);
    EXPECT_EQ(::isatty(file), 0);
    EXPECT_EQ(errno, ENOTTY);
    EXPECT_EQ(::close(copy), 0);
  });
}

TEST_P(GuestThreadCallsTest, ChangesNamesBeneathADirectoryThatItWasGranted) {
  const test::ScratchDirectory scratch;
  const os::Fd root = scratch.Open();
  Run([&] {
    const auto open_at = [&](const char* path, uint64_t flags) {
      const open_how how = {
          .flags = flags, .mode = flags & O_CREAT ? 0600u : 0u, .resolve = RESOLVE_BENEATH};
      return os::Fd(static_cast<int>(::syscall(SYS_openat2, root.get(), path, &how, sizeof how)));
    };
    EXPECT_EQ(::mkdirat(root.get(), "folder", 0700), 0);
    EXPECT_TRUE(open_at("folder/file", O_CREAT | O_WRONLY).valid());
    EXPECT_EQ(::linkat(root.get(), "folder/file", root.get(), "linked", 0), 0);
    EXPECT_EQ(::symlinkat("linked", root.get(), "link"), 0);
    EXPECT_EQ(::syscall(SYS_renameat, root.get(), "link", root.get(), "renamed"), 0);
    char target[16] = {};
    EXPECT_EQ(::readlinkat(root.get(), "renamed", target, sizeof target), 6);
    struct stat status = {};
    EXPECT_EQ(::syscall(SYS_newfstatat, root.get(), "linked", &status, 0), 0);
    EXPECT_EQ(status.st_nlink, 2u);
    const timespec times[] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 2, .tv_nsec = 0}};
    EXPECT_EQ(::utimensat(root.get(), "linked", times, 0), 0);
    const os::Fd listing = open_at(".", O_RDONLY | O_DIRECTORY);
    alignas(uint64_t) char entries[kPage];
    EXPECT_GT(::syscall(SYS_getdents64, listing.get(), entries, sizeof entries), 0);
    EXPECT_EQ(::unlinkat(root.get(), "folder/file", 0), 0);
    EXPECT_EQ(::unlinkat(root.get(), "folder", AT_REMOVEDIR), 0);
    EXPECT_FALSE(open_at("../..", O_RDONLY | O_DIRECTORY).valid());
    EXPECT_EQ(errno, EXDEV);
  });
}

TEST_P(GuestThreadCallsTest, AnswersConnectionsOfASocketThatItWasGranted) {
  Listener granted;
  const os::Fd client = granted.Connect();
  ASSERT_EQ(::send(client.get(), "ask", 3, 0), 3);
  Run([&] {
    const os::Fd connection(::accept4(granted.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(connection.valid());
    char text[4] = {};
    iovec part = {.iov_base = text, .iov_len = 3};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    EXPECT_EQ(::recvmsg(connection.get(), &message, 0), 3);
    EXPECT_EQ(::sendmsg(connection.get(), &message, MSG_NOSIGNAL), 3);
    EXPECT_EQ(::shutdown(connection.get(), SHUT_WR), 0);
  });
  char text[8] = {};
  EXPECT_EQ(::recv(client.get(), text, sizeof text, MSG_WAITALL), 3);
  EXPECT_STREQ(text, "ask");
}

TEST_P(GuestThreadCallsTest, WaitsAndTellsTheTime) {
  Run([] {
    timespec time = {};
    EXPECT_EQ(::syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &time), 0);
    EXPECT_EQ(::syscall(SYS_clock_getres, CLOCK_MONOTONIC, &time), 0);
    time = {.tv_sec = 0, .tv_nsec = 1};
    EXPECT_EQ(::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr), 0);
    EXPECT_EQ(::ppoll(nullptr, 0, &time, nullptr), 0);
#ifdef SYS_poll
    EXPECT_EQ(::syscall(SYS_poll, nullptr, 0, 0), 0);
#endif
    uint32_t word = 0;
    EXPECT_EQ(::syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 1, nullptr), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(::getrandom(&word, sizeof word, 0), ssize_t{sizeof word});
    EXPECT_EQ(::sched_yield(), 0);
    EXPECT_GT(::syscall(SYS_gettid), 0);
    rlimit limit = {};
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  });
}

char* volatile trapping_page = nullptr;

// As the engine's traps are: the process's handler runs on the thread, and returns to it.
TEST_P(GuestThreadCallsTest, HasMemoryAndTheProcesssHandlerOfItsTraps) {
  struct sigaction on_trap = {}, before = {};
  on_trap.sa_handler = [](int) { ::mprotect(trapping_page, kPage, PROT_READ | PROT_WRITE); };
  on_trap.sa_flags = SA_ONSTACK | SA_RESETHAND;
  ASSERT_EQ(::sigaction(SIGSEGV, &on_trap, &before), 0);
  Run([] {
    constexpr int kMap = MAP_PRIVATE | MAP_ANONYMOUS;
    void* const stack = ::mmap(nullptr, 16 * kPage, PROT_READ | PROT_WRITE, kMap, -1, 0);
    ASSERT_NE(stack, MAP_FAILED);
    const stack_t own = {.ss_sp = stack, .ss_flags = 0, .ss_size = 16 * kPage};
    stack_t others = {};
    ASSERT_EQ(::sigaltstack(&own, &others), 0);
    sigset_t none;
    sigemptyset(&none);
    EXPECT_EQ(::pthread_sigmask(SIG_SETMASK, &none, nullptr), 0);
    void* page = ::mmap(nullptr, kPage, PROT_NONE, kMap, -1, 0);
    page = ::mremap(page, kPage, 2 * kPage, MREMAP_MAYMOVE);
    ASSERT_NE(page, MAP_FAILED);
    trapping_page = static_cast<char*>(page);
    *static_cast<volatile char*>(trapping_page) = 'x';
    EXPECT_EQ(*trapping_page, 'x');
    EXPECT_EQ(::madvise(page, kPage, MADV_DONTNEED), 0);
    EXPECT_EQ(*trapping_page, 0);
    EXPECT_EQ(::sigaltstack(&others, nullptr), 0);
    EXPECT_EQ(::munmap(page, 2 * kPage), 0);
    EXPECT_EQ(::munmap(stack, 16 * kPage), 0);
    EXPECT_GT(::syscall(SYS_brk, 0), 0);
  });
  ::sigaction(SIGSEGV, &before, nullptr);
}

TEST_P(GuestThreadCallsTest, LeavesTheThreadsBesideItAsTheyAre) {
  const std::string ended = InChild([&] {
    std::thread([&] {
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      if (!Install(GuestProgram(GetParam()))) ::_exit(kNotInstalled);
    }).join();
    const os::Fd file(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return file.valid() && socket.valid() && InChild([] { return 3; }) == "exit 3" ? 0 : 1;
  });
  EXPECT_EQ(ended, "exit 0");
}

class GuestThreadServerTest : public GuestThreadTest {};

INSTANTIATE_TEST_SUITE_P(Kinds, GuestThreadServerTest,
                         ::testing::Values(GuestKind::kThreadServer,
                                           GuestKind::kThreadClientServer),
                         NameOfKind);

TEST_P(GuestThreadServerTest, WaitsInALoopOfEventsThatItMakes) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const os::Fd near(pair[0]), far(pair[1]);
  const os::Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  Run([&] {
    const os::Fd events(::epoll_create1(EPOLL_CLOEXEC));
    const os::Fd bell(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    epoll_event event = {.events = EPOLLIN, .data = {.u64 = 7}};
    EXPECT_EQ(::epoll_ctl(events.get(), EPOLL_CTL_ADD, bell.get(), &event), 0);
    event = {};
    EXPECT_EQ(::epoll_wait(events.get(), &event, 1, 0), 1);
    EXPECT_EQ(event.data.u64, 7u);
    EXPECT_EQ(::epoll_pwait(events.get(), &event, 1, 0, nullptr), 1);
    const itimerspec at = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1}};
    EXPECT_EQ(::timerfd_settime(timer.get(), 0, &at, nullptr), 0);
    int no = 0;
    EXPECT_EQ(::ioctl(near.get(), FIONBIO, &no), 0);
    char text[4] = {};
    EXPECT_EQ(::send(near.get(), "abc", 3, MSG_NOSIGNAL), 3);
    EXPECT_EQ(::recv(far.get(), text, sizeof text, 0), 3);
    EXPECT_EQ(::prctl(PR_SET_NAME, "waiting"), 0);
    EXPECT_EQ(::close(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), 0);
  });
}

TEST_P(GuestThreadServerTest, MakesThreadsThatAreBelowItsFilter) {
  Run([] {
    std::thread([] {
      EXPECT_EQ(::socket(AF_UNIX, SOCK_STREAM, 0), -1);
      EXPECT_EQ(errno, ENOSYS);
      EXPECT_EQ(::open("/etc/passwd", O_RDONLY), -1);
      EXPECT_EQ(errno, ENOSYS);
      EXPECT_EQ(::syscall(SYS_exit_group, 77), -1);
      EXPECT_EQ(::syscall(SYS_clone3, nullptr, 0), -1);
      EXPECT_EQ(errno, ENOSYS);
    }).join();
  });
}

TEST(GuestThreadClientTest, AsksOthersOverTheInternetProtocols) {
  Listener other;
  OnGuestThread(GuestKind::kThreadClientServer, [&] {
    const os::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(client.get(), other.name(), sizeof other.address), 0);
    int value = 1;
    socklen_t size = sizeof value;
    EXPECT_EQ(::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &value, size), 0);
    EXPECT_EQ(::getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &value, &size), 0);
    sockaddr_in own = {};
    size = sizeof own;
    EXPECT_EQ(::getsockname(client.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
    EXPECT_EQ(::getpeername(client.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
    EXPECT_EQ(own.sin_port, other.address.sin_port);
    EXPECT_EQ(::send(client.get(), "ask", 3, MSG_NOSIGNAL), 3);
    // Whom names are asked from.
    EXPECT_TRUE(os::Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)).valid());
    const os::Fd sixth(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_TRUE(sixth.valid() || errno == EAFNOSUPPORT);
  });
  const os::Fd accepted(::accept4(other.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  char text[4] = {};
  EXPECT_EQ(::recv(accepted.get(), text, sizeof text, 0), 3);
}

}  // namespace
}  // namespace wasmoor::seccomp
