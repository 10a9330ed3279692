#include "wasmoor/seccomp/guest.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>

#include "seccomp/decision.h"

// Worked out by the compiler and not left to libseccomp: every start of a guest needs one.
namespace wasmoor::seccomp {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the system calls of this architecture are not known here"
#endif

// Made by every guest, with any arguments.
constexpr auto kCalls = std::to_array<uint32_t>({
    // Descriptors that are open.
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_lseek,
    SYS_close,
    SYS_fstat,
    SYS_newfstatat,
    SYS_fstatfs,
    SYS_getdents64,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_fsync,
    SYS_fdatasync,
    // Names.
    SYS_openat2,
    SYS_readlinkat,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_utimensat,
    // Connections of a socket that was granted.
    SYS_accept4,
    SYS_recvmsg,
    SYS_shutdown,
    // Time, waiting and chance.
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_ppoll,
    SYS_getrandom,
    SYS_sched_yield,
    SYS_futex,
    SYS_restart_syscall,
    // Memory, and the signals by which the engine learns of a trap.
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_sigaltstack,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_getpid,
    SYS_gettid,
    SYS_exit,
#ifdef SYS_poll
    SYS_poll,
#endif
});

// What is a whole process's: its end, and what its signals do.
constexpr auto kProcessCalls = std::to_array<uint32_t>({
    SYS_exit_group,
    SYS_rt_sigaction,
});

// Made by the engine's WASI of components besides: its threads and what they wait with.
constexpr auto kComponentCalls = std::to_array<uint32_t>({
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_eventfd2,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_sched_getaffinity,
    SYS_statx,
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
#endif
});

// Made by a server of ours besides: by its event loops.
constexpr auto kServerCalls = std::to_array<uint32_t>({
    SYS_recvfrom,
    SYS_getpeername,
    SYS_timerfd_settime,
});

// And by one whose guests ask others: of sockets that it makes.
constexpr auto kClientCalls = std::to_array<uint32_t>({
    SYS_connect,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
});

// Made by a process that makes the threads which guests run on: of itself, of control groups, and
// of code, which becomes executable.
constexpr auto kWorkerCalls = std::to_array<uint32_t>({
    SYS_mmap,
    SYS_mprotect,
    SYS_tgkill,
    SYS_openat,
    SYS_mkdirat,
    SYS_prlimit64,
    SYS_getrusage,
    SYS_getuid,
    SYS_geteuid,
    SYS_timerfd_create,
    SYS_seccomp,
    SYS_prctl,
    SYS_capget,
    SYS_capset,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
#ifdef SYS_mkdir
    SYS_mkdir,
#endif
#ifdef SYS_rmdir
    SYS_rmdir,
#endif
});

// A call that is allowed if (argument & mask) == value. Several for one call: any of them.
struct Condition {
  uint32_t call;
  uint32_t argument;
  uint64_t mask, value;
};

constexpr uint64_t kWord = UINT32_MAX;  // Of arguments that the kernel takes 32 bits of.

constexpr auto kConditions = std::to_array<Condition>({
    {SYS_mmap, 2, PROT_EXEC, 0},
    {SYS_mprotect, 2, PROT_EXEC, 0},
    {SYS_fcntl, 1, kWord, F_GETFD},
    {SYS_fcntl, 1, kWord, F_GETFL},
    {SYS_fcntl, 1, kWord, F_SETFL},
    {SYS_fcntl, 1, kWord, F_DUPFD_CLOEXEC},
    {SYS_ioctl, 1, kWord, TCGETS},
    {SYS_ioctl, 1, kWord, FIONREAD},
    {SYS_prlimit64, 2, UINT64_MAX, 0},  // Limits are read, not set.
    // A listening socket that is shut down can be connected by what it sends first (tcp(7), TCP
    // Fast Open), which is no connect(2) for Landlock either.
    {SYS_sendmsg, 2, MSG_FASTOPEN, 0},
});

constexpr uint64_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
constexpr uint64_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
// O_TMPFILE has the bit of O_DIRECTORY in it.
constexpr uint64_t kListingMask = O_TMPFILE | O_ACCMODE | O_CREAT;

constexpr auto kComponentConditions = std::to_array<Condition>({
    // clone3(2), whose flags are in memory, is not there: the C library takes clone(2) then.
    {SYS_clone, 0, kThreadFlags | kNamespaceFlags, kThreadFlags},
    {SYS_prctl, 0, kWord, PR_SET_NAME},
    {SYS_openat, 2, kListingMask, O_DIRECTORY},
    {SYS_ioctl, 1, kWord, FIONBIO},
});

// PAGEMAP_SCAN of linux/fs.h, which is newer than many such headers: the engine's pool looks which
// pages of its own a guest has written.
constexpr uint64_t kPagemapScan = _IOC(_IOC_READ | _IOC_WRITE, 'f', 16, 12 * sizeof(uint64_t));

constexpr auto kServerConditions = std::to_array<Condition>({
    {SYS_ioctl, 1, kWord, kPagemapScan},
    {SYS_sendto, 3, MSG_FASTOPEN, 0},
});

constexpr auto kClientConditions = std::to_array<Condition>({
    {SYS_socket, 0, kWord, AF_INET},
    {SYS_socket, 0, kWord, AF_INET6},
});

// What is allowed, by the numbers of the calls.
class Table {
 public:
  constexpr void Allow(std::span<const uint32_t> calls) {
    for (const uint32_t call : calls) CodeOf(call) = Answer(SECCOMP_RET_ALLOW);
  }

  constexpr void Allow(std::span<const Condition> conditions) {
    for (const Condition& one : conditions) {
      Instructions& code = CodeOf(one.call);
      const uint32_t low = offsetof(seccomp_data, args) + one.argument * sizeof(uint64_t);
      // Both architectures have the low half first. To the end of the condition if it differs.
      Half(&code, low, one.mask, one.value, 4);
      Half(&code, low + sizeof(uint32_t), one.mask >> 32, one.value >> 32, 1);
      code::Append(&code, Answer(SECCOMP_RET_ALLOW));
    }
  }

  constexpr Instructions Filter() {
    std::sort(calls_.begin(), calls_.end(),
              [](const Call& left, const Call& right) { return left.number < right.number; });
    const Instructions refusal = Answer(SECCOMP_RET_ERRNO | ENOSYS);
    Decisions decisions = {.architecture = kArchitecture, .ranges = {}};
    uint32_t next = 0;
    for (Call& call : calls_) {
      if (call.number != next) Add(&decisions.ranges, next, refusal);
      // Where no condition holds.
      if (call.code.size() > 1) code::Append(&call.code, refusal);
      Add(&decisions.ranges, call.number, call.code);
      next = call.number + 1;
    }
    Add(&decisions.ranges, next, refusal);
    return Assemble(std::span(&decisions, 1), Answer(SECCOMP_RET_KILL_PROCESS));
  }

 private:
  struct Call {
    uint32_t number = 0;
    Instructions code;
  };

  constexpr Instructions& CodeOf(uint32_t number) {
    for (Call& one : calls_) {
      if (one.number == number) return one.code;
    }
    calls_.push_back({number, {}});
    return calls_.back().code;
  }

  static constexpr void Half(Instructions* code, uint32_t offset, uint64_t mask, uint64_t value,
                             uint8_t over) {
    code->push_back({.code = code::kLoad, .k = offset});
    code->push_back({.code = BPF_ALU | BPF_AND | BPF_K, .k = static_cast<uint32_t>(mask)});
    code->push_back({.code = code::kIfEqual, .if_false = over, .k = static_cast<uint32_t>(value)});
  }

  std::vector<Call> calls_;
};

constexpr bool IsOfThread(GuestKind kind) {
  return kind == GuestKind::kThread || kind == GuestKind::kThreadServer ||
         kind == GuestKind::kThreadClientServer;
}

constexpr bool Works(GuestKind kind) {
  return kind == GuestKind::kWorker || kind == GuestKind::kClientWorker;
}

constexpr bool AsksOthers(GuestKind kind) {
  return kind == GuestKind::kClientServer || kind == GuestKind::kThreadClientServer ||
         kind == GuestKind::kClientWorker;
}

constexpr bool Serves(GuestKind kind) {
  return kind == GuestKind::kServer || kind == GuestKind::kThreadServer || AsksOthers(kind) ||
         Works(kind);
}

constexpr Instructions FilterFor(GuestKind kind) {
  Table table;
  table.Allow(kCalls);
  table.Allow(kConditions);
  if (!IsOfThread(kind)) table.Allow(kProcessCalls);
  if (kind == GuestKind::kComponent || Serves(kind)) {
    table.Allow(kComponentCalls);
    table.Allow(kComponentConditions);
  }
  if (Serves(kind)) {
    table.Allow(kServerCalls);
    table.Allow(kServerConditions);
  }
  if (AsksOthers(kind)) {
    table.Allow(kClientCalls);
    table.Allow(kClientConditions);
  }
  // Whatever a condition said of them before.
  if (Works(kind)) table.Allow(kWorkerCalls);
  return table.Filter();
}

constexpr size_t SizeFor(GuestKind kind) { return FilterFor(kind).size(); }

template <GuestKind kKind>
constexpr auto Constant() {
  std::array<os::FilterInstruction, SizeFor(kKind)> constant = {};
  const Instructions filter = FilterFor(kKind);
  std::copy(filter.begin(), filter.end(), constant.begin());
  return constant;
}

constexpr auto kThreadFilter = Constant<GuestKind::kThread>();
constexpr auto kModuleFilter = Constant<GuestKind::kModule>();
constexpr auto kComponentFilter = Constant<GuestKind::kComponent>();
constexpr auto kServerFilter = Constant<GuestKind::kServer>();
constexpr auto kClientServerFilter = Constant<GuestKind::kClientServer>();
constexpr auto kThreadServerFilter = Constant<GuestKind::kThreadServer>();
constexpr auto kThreadClientServerFilter = Constant<GuestKind::kThreadClientServer>();
constexpr auto kWorkerFilter = Constant<GuestKind::kWorker>();
constexpr auto kClientWorkerFilter = Constant<GuestKind::kClientWorker>();

std::span<const os::FilterInstruction> InstructionsFor(GuestKind kind) {
  switch (kind) {
    case GuestKind::kThread: return kThreadFilter;
    case GuestKind::kComponent: return kComponentFilter;
    case GuestKind::kServer: return kServerFilter;
    case GuestKind::kClientServer: return kClientServerFilter;
    case GuestKind::kThreadServer: return kThreadServerFilter;
    case GuestKind::kThreadClientServer: return kThreadClientServerFilter;
    case GuestKind::kWorker: return kWorkerFilter;
    case GuestKind::kClientWorker: return kClientWorkerFilter;
    default: return kModuleFilter;
  }
}

}  // namespace

Program GuestProgram(GuestKind kind) {
  const auto instructions = InstructionsFor(kind);
  return {.instructions = {instructions.begin(), instructions.end()}};
}

}  // namespace wasmoor::seccomp
