#include <fcntl.h>
#include <linux/audit.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <thread>

#include "seccomp/child_test.h"
#include "seccomp/filter_for_test.h"
#include "support/scratch.h"
#include "wasmoor/seccomp/guest.h"

// The filters of guests that are threads of a process of many, each on a real thread of one: what
// they let pass works there, and what they refuse the kernel does not look at.
namespace wasmoor::seccomp {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif
constexpr size_t kPage = 4096;
constexpr uint64_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

// One that fails, or changes nothing, where the kernel does look at it.
struct Call {
  long number;
  std::array<uint64_t, 6> arguments = {};
};
using Calls = std::vector<Call>;

uint64_t At(const void* object) { return reinterpret_cast<uint64_t>(object); }

std::string NameOf(const Call& call) {
  const std::unique_ptr<char, decltype(&::free)> name(
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(call.number)), &::free);
  return name ? name.get() : std::to_string(call.number);
}

// Runs `body` on a thread below the filter, beside another, of a process of its own; expectations
// that fail there fail the test.
void OnGuestThread(GuestKind kind, const std::function<void()>& body) {
  const std::string ended = test::Child([&] {
                              std::thread([&] {
                                ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                                ASSERT_TRUE(Install(GuestProgram(kind)));
                                body();
                              }).join();
                            }).Wait();
  EXPECT_EQ(ended, "exit 0");
}

// By what the filter says, for a kernel may lack a call, and by what the kernel then does.
void ExpectRefused(GuestKind kind, const Calls& calls) {
  const Program program = GuestProgram(kind);
  for (const Call& call : calls) {
    seccomp_data data = {.nr = static_cast<int>(call.number), .arch = kArchitecture};
    std::copy(call.arguments.begin(), call.arguments.end(), data.args);
    EXPECT_EQ(AnswerOf(program.instructions, data), uint32_t{SECCOMP_RET_ERRNO | ENOSYS})
        << NameOf(call);
  }
  OnGuestThread(kind, [&] {
    const pid_t self = ::getpid();
    for (const Call& call : calls) {
      const auto& a = call.arguments;
      errno = 0;
      const long result = ::syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
      if (::getpid() != self) ::_exit(0);
      EXPECT_TRUE(result == -1 && errno == ENOSYS)
          << NameOf(call) << ": " << result << " " << errno;
    }
  });
}

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

// kThread: a core module, or a component of wasi:cli. The others: one of wasi:http, which asks
// nobody, or does.
class GuestThreadTest : public ::testing::TestWithParam<GuestKind> {
 protected:
  void Run(const std::function<void()>& body) { OnGuestThread(GetParam(), body); }
  void ExpectRefused(const Calls& calls) { seccomp::ExpectRefused(GetParam(), calls); }
};

INSTANTIATE_TEST_SUITE_P(Kinds, GuestThreadTest,
                         ::testing::Values(GuestKind::kThread, GuestKind::kThreadServer,
                                           GuestKind::kThreadClientServer),
                         [](const auto& kind) -> std::string {
                           switch (kind.param) {
                             case GuestKind::kThread: return "Program";
                             case GuestKind::kThreadServer: return "Server";
                             default: return "ClientServer";
                           }
                         });

TEST_P(GuestThreadTest, UsesFilesThatAreOpen) {
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

TEST_P(GuestThreadTest, ChangesNamesBeneathADirectoryThatItWasGranted) {
  const test::ScratchDirectory scratch;
  Run([root = scratch.Open()] {
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

TEST_P(GuestThreadTest, AnswersConnectionsOfASocketThatItWasGranted) {
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

TEST_P(GuestThreadTest, WaitsAndTellsTheTime) {
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

char* trapping_page = nullptr;

// As the engine's traps are: the process's handler runs on the thread, and returns to it.
TEST_P(GuestThreadTest, HasMemoryAndTheProcesssHandlerOfItsTraps) {
  struct sigaction on_trap = {}, before = {};
  on_trap.sa_handler = [](int) { ::mprotect(trapping_page, kPage, PROT_READ | PROT_WRITE); };
  on_trap.sa_flags = SA_ONSTACK;
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

TEST_P(GuestThreadTest, ExecutesNothingAndMakesNoProcess) {
  const char* const words[] = {"false", nullptr};
  ExpectRefused({
      {SYS_execve, {At("/bin/false"), At(words), At(words + 1)}},
      {SYS_execveat, {~0u, At("/bin/false"), At(words), At(words + 1)}},
      {SYS_clone, {SIGCHLD}},
      {SYS_clone, {kThreadFlags & ~uint64_t{CLONE_THREAD}}},
      {SYS_clone, {kThreadFlags | CLONE_NEWUSER}},
      {SYS_clone3},
      {SYS_unshare, {CLONE_NEWNS}},
      {SYS_unshare, {CLONE_NEWUSER}},
      {SYS_setns, {~0u}},
      {SYS_wait4, {~0u}},
#ifdef SYS_fork
      {SYS_fork},
      {SYS_vfork},
#endif
  });
}

TEST_P(GuestThreadTest, ReachesNoOtherProcessOrThread) {
  const auto parent = static_cast<uint64_t>(::getpid());  // Of the process that the thread is of.
  ExpectRefused({
      {SYS_kill, {parent, 0}},
      {SYS_kill, {1, 0}},
      {SYS_tkill, {parent, 0}},
      {SYS_tgkill, {parent, parent, 0}},
      {SYS_rt_sigqueueinfo, {parent}},
      {SYS_rt_tgsigqueueinfo, {parent, parent}},
      {SYS_pidfd_open, {parent}},
      {SYS_pidfd_send_signal, {~0u}},
      {SYS_pidfd_getfd, {~0u}},
      {SYS_ptrace, {PTRACE_TRACEME}},
      {SYS_ptrace, {PTRACE_PEEKDATA, parent}},
      {SYS_process_vm_readv, {parent}},
      {SYS_process_vm_writev, {parent}},
      {SYS_process_madvise, {~0u}},
      {SYS_kcmp, {parent, parent}},
      {SYS_setpriority, {PRIO_PROCESS, parent}},
      {SYS_sched_setscheduler, {parent}},
      {SYS_sched_setaffinity, {parent}},
  });
}

// Its other threads are the host's and the guests'.
TEST_P(GuestThreadTest, ChangesNothingOfItsProcess) {
  const rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
  ExpectRefused({
      {SYS_exit_group, {77}},
      {SYS_rt_sigaction, {SIGUSR2, 0, 0, 8}},
      {SYS_seccomp, {SECCOMP_GET_ACTION_AVAIL}},
      {SYS_prctl, {PR_GET_DUMPABLE}},
      {SYS_prctl, {PR_GET_SECCOMP}},
      {SYS_prlimit64, {0, RLIMIT_NOFILE, At(&limit), 0}},
      {SYS_setrlimit, {RLIMIT_NOFILE, At(&limit)}},
      {SYS_setuid, {~0u}},
      {SYS_setgid, {~0u}},
      {SYS_setresuid, {~0u, ~0u, ~0u}},
      {SYS_setfsuid, {~0u}},
      {SYS_setgroups, {~0u}},
      {SYS_capset},
      {SYS_setsid},
      {SYS_setpgid},
      {SYS_umask, {022}},
      {SYS_chdir},
      {SYS_fchdir, {~0u}},
      {SYS_personality, {~0u}},
      {SYS_setitimer, {~0u}},
      {SYS_timer_create, {~0u}},
  });
}

TEST_P(GuestThreadTest, MountsNothing) {
  ExpectRefused({
      {SYS_mount},
      {SYS_umount2},
      {SYS_pivot_root},
      {SYS_chroot},
      {SYS_open_tree, {~0u}},
      {SYS_move_mount, {~0u, 0, ~0u}},
      {SYS_fsopen},
      {SYS_fsmount, {~0u}},
      {SYS_fspick, {~0u}},
      {SYS_mount_setattr, {~0u}},
  });
}

TEST_P(GuestThreadTest, OpensNoFileButByOpenat2) {
  const auto here = static_cast<uint64_t>(AT_FDCWD);
  ExpectRefused({
      {SYS_openat, {here, At("/etc/passwd"), O_RDONLY}},
      {SYS_openat, {here, At("/tmp"), O_TMPFILE | O_RDWR, 0600}},
      {SYS_openat, {here, At("/tmp"), O_DIRECTORY | O_CREAT, 0600}},
      {SYS_open_by_handle_at, {~0u}},
      {SYS_name_to_handle_at, {~0u}},
      {SYS_mknodat, {~0u}},
      {SYS_fchmod, {~0u}},
      {SYS_fchmodat, {~0u}},
      {SYS_fchown, {~0u}},
      {SYS_fchownat, {~0u}},
      {SYS_fsetxattr, {~0u}},
      {SYS_memfd_create},
      {SYS_inotify_init1, {~0u}},
      {SYS_fanotify_init, {~0u, ~0u}},
      {SYS_dup3, {0, 0}},
      {SYS_fcntl, {0, F_DUPFD, 0}},
      {SYS_fcntl, {0, F_SETOWN, 0}},
      {SYS_fcntl, {0, F_GETLK, 0}},
      {SYS_ioctl, {0, TIOCSTI, At("x")}},
      {SYS_ioctl, {0, TIOCSCTTY, 0}},
#ifdef SYS_open
      {SYS_open, {At("/etc/passwd"), O_RDONLY}},
      {SYS_creat},
      {SYS_mknod},
      {SYS_dup2, {0, 0}},
#endif
  });
}

TEST_P(GuestThreadTest, ReachesNoOtherPartOfTheKernel) {
  ExpectRefused({
      {SYS_bpf, {~0u}},
      {SYS_io_uring_setup, {1}},
      {SYS_io_uring_enter, {~0u}},
      {SYS_io_uring_register, {~0u}},
      {SYS_perf_event_open},
      {SYS_userfaultfd, {~0u}},
      {SYS_keyctl, {~0u}},
      {SYS_add_key},
      {SYS_request_key},
      {SYS_init_module},
      {SYS_finit_module, {~0u}},
      {SYS_delete_module},
      {SYS_kexec_load, {~0u, ~0u}},
      {SYS_reboot},
      {SYS_sethostname, {0, ~0u}},
      {SYS_clock_settime, {~0u}},
      {SYS_swapon},
      {SYS_acct, {At("")}},
      {SYS_syslog, {~0u}},
      {SYS_shmget, {0, 0}},
      {SYS_mq_open},
#ifdef SYS_iopl
      {SYS_iopl, {~0u}},
      {SYS_modify_ldt, {~0u}},
#endif
  });
}

TEST_P(GuestThreadTest, MakesNoMemoryExecutable) {
  ExpectRefused({
      {SYS_mmap, {0, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~uint64_t{0}}},
      {SYS_mprotect, {0, kPage, PROT_READ | PROT_EXEC}},
      {SYS_pkey_mprotect, {0, kPage, PROT_READ | PROT_EXEC}},
      {SYS_remap_file_pages, {0, kPage, PROT_EXEC}},
      {SYS_shmat, {~0u}},
  });
}

TEST_P(GuestThreadTest, MakesNoSocketButThoseOfAClient) {
  Calls calls = {
      {SYS_socketpair, {AF_UNIX, SOCK_STREAM}},
      {SYS_bind, {~0u}},
      {SYS_listen, {~0u}},
      {SYS_sendmmsg, {~0u}},
      {SYS_recvmmsg, {~0u}},
  };
  for (const uint64_t family : {AF_UNIX, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG, AF_KEY, AF_XDP})
    calls.push_back({SYS_socket, {family, SOCK_RAW}});
  if (GetParam() != GuestKind::kThreadClientServer) {
    for (const uint64_t family : {AF_INET, AF_INET6}) {
      for (const uint64_t type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW})
        calls.push_back({SYS_socket, {family, type}});
    }
    for (const long call :
         {SYS_connect, SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername})
      calls.push_back({call, {~0u}});
  }
  ExpectRefused(calls);
}

// A listening socket that is shut down is a socket again that anybody can be asked by, with the
// first bytes to send.
TEST_P(GuestThreadTest, ConnectsNoSocketThatItWasGranted) {
  Listener granted, other;
  Run([&] {
    EXPECT_EQ(::shutdown(granted.socket.get(), SHUT_RDWR), 0);
    char text[] = "x";
    iovec part = {.iov_base = text, .iov_len = 1};
    msghdr message = {};
    message.msg_name = other.name();
    message.msg_namelen = sizeof other.address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    for (const int flags : {int{MSG_FASTOPEN}, MSG_FASTOPEN | MSG_NOSIGNAL}) {
      EXPECT_EQ(::sendmsg(granted.socket.get(), &message, flags), -1);
      EXPECT_EQ(errno, ENOSYS);
      EXPECT_EQ(::sendto(granted.socket.get(), text, 1, flags, other.name(), sizeof other.address),
                -1);
      EXPECT_EQ(errno, ENOSYS);
    }
  });
  EXPECT_LT(::accept4(other.socket.get(), nullptr, nullptr, SOCK_CLOEXEC), 0);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_P(GuestThreadTest, LeavesTheThreadsBesideItAsTheyAre) {
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

// Modules and components of wasi:cli.
TEST(GuestThreadProgramTest, MakesNoThreadAndWaitsInNoLoopOfEvents) {
  ExpectRefused(GuestKind::kThread,
                {
                    {SYS_clone, {kThreadFlags}},
                    {SYS_epoll_create1, {~0u}},
                    {SYS_epoll_ctl, {~0u}},
                    {SYS_epoll_pwait, {~0u}},
                    {SYS_eventfd2, {0, ~0u}},
                    {SYS_timerfd_create, {~0u}},
                    {SYS_timerfd_settime, {~0u}},
                    {SYS_recvfrom, {~0u}},
                    {SYS_sendto, {~0u}},
                    {SYS_prctl, {PR_SET_NAME, At("name")}},
                    {SYS_ioctl, {~0u, FIONBIO}},
                    {SYS_openat, {static_cast<uint64_t>(AT_FDCWD), At("/"), O_DIRECTORY}},
                });
  OnGuestThread(GuestKind::kThread, [] {
    pthread_t other = {};
    EXPECT_NE(::pthread_create(&other, nullptr, [](void* p) { return p; }, nullptr), 0);
  });
}

class GuestThreadServerTest : public GuestThreadTest {};

INSTANTIATE_TEST_SUITE_P(Kinds, GuestThreadServerTest,
                         ::testing::Values(GuestKind::kThreadServer,
                                           GuestKind::kThreadClientServer));

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
