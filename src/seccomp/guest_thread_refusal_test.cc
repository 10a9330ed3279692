#include <fcntl.h>
#include <linux/audit.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <vector>

#include "seccomp/filter_for_test.h"
#include "seccomp/guest_thread_for_test.h"

// What the filters of guests that are threads refuse, the kernel does not look at.
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

class GuestThreadRefusalTest : public GuestThreadTest {
 protected:
  void ExpectRefused(const Calls& calls) { seccomp::ExpectRefused(GetParam(), calls); }
};
INSTANTIATE_TEST_SUITE_P(Kinds, GuestThreadRefusalTest, AllThreadKinds(), NameOfKind);

TEST_P(GuestThreadRefusalTest, ExecutesNothingAndMakesNoProcess) {
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

TEST_P(GuestThreadRefusalTest, ReachesNoOtherProcessOrThread) {
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
TEST_P(GuestThreadRefusalTest, ChangesNothingOfItsProcess) {
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

TEST_P(GuestThreadRefusalTest, MountsNothing) {
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

TEST_P(GuestThreadRefusalTest, OpensNoFileButByOpenat2) {
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

TEST_P(GuestThreadRefusalTest, ReachesNoOtherPartOfTheKernel) {
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

TEST_P(GuestThreadRefusalTest, MakesNoMemoryExecutable) {
  ExpectRefused({
      {SYS_mmap, {0, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~uint64_t{0}}},
      {SYS_mprotect, {0, kPage, PROT_READ | PROT_EXEC}},
      {SYS_pkey_mprotect, {0, kPage, PROT_READ | PROT_EXEC}},
      {SYS_remap_file_pages, {0, kPage, PROT_EXEC}},
      {SYS_shmat, {~0u}},
  });
}

TEST_P(GuestThreadRefusalTest, MakesNoSocketButThoseOfAClient) {
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
    for (const long call : {SYS_connect, SYS_getsockopt, SYS_setsockopt, SYS_getsockname})
      calls.push_back({call, {~0u}});
  }
  if (GetParam() == GuestKind::kThread) calls.push_back({SYS_getpeername, {~0u}});
  ExpectRefused(calls);
}

// A listening socket that is shut down is an unconnected one, and what it sends first may connect
// it.
TEST_P(GuestThreadRefusalTest, ConnectsNoSocketThatItWasGranted) {
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

}  // namespace
}  // namespace wasmoor::seccomp
