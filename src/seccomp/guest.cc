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
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <span>

// Written out here and not left to libseccomp, which takes a hundred times as long: every start of
// a guest makes one.
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
    SYS_sendmsg,
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
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_getpid,
    SYS_gettid,
    SYS_exit,
    SYS_exit_group,
#ifdef SYS_poll
    SYS_poll,
#endif
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

class Writer {
 public:
  explicit Writer(Program* program) : out_(&program->instructions) {
    Load(offsetof(seccomp_data, arch));
    Add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
    Return(SECCOMP_RET_KILL_PROCESS);
    Load(offsetof(seccomp_data, nr));
  }

  void Allow(std::span<const uint32_t> calls) {
    for (const uint32_t call : calls) {
      Add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
      Return(SECCOMP_RET_ALLOW);
    }
  }

  void Allow(std::span<const Condition> conditions) {
    constexpr uint8_t kPastBothHalves = 8;
    for (const Condition& one : conditions) {
      Add(BPF_JMP | BPF_JEQ | BPF_K, one.call, 0, kPastBothHalves);
      const uint32_t low = offsetof(seccomp_data, args) + one.argument * sizeof(uint64_t);
      // Both architectures have the low half first. To the end of the condition if it differs.
      Half(low, one.mask, one.value, 4);
      Half(low + sizeof(uint32_t), one.mask >> 32, one.value >> 32, 1);
      Return(SECCOMP_RET_ALLOW);
      Load(offsetof(seccomp_data, nr));
    }
  }

  void Return(uint32_t answer) { Add(BPF_RET | BPF_K, answer, 0, 0); }

 private:
  void Half(uint32_t offset, uint64_t mask, uint64_t value, uint8_t over) {
    Load(offset);
    Add(BPF_ALU | BPF_AND | BPF_K, static_cast<uint32_t>(mask), 0, 0);
    Add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(value), 0, over);
  }
  void Load(size_t offset) { Add(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
  void Add(uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false) {
    out_->push_back({.code = code, .if_true = if_true, .if_false = if_false, .k = k});
  }

  std::vector<os::FilterInstruction>* out_;
};

}  // namespace

Program GuestProgram(GuestKind kind) {
  Program program;
  program.instructions.reserve(512);
  Writer writer(&program);
  writer.Allow(kCalls);
  writer.Allow(kConditions);
  if (kind == GuestKind::kComponent) {
    writer.Allow(kComponentCalls);
    writer.Allow(kComponentConditions);
  }
  writer.Return(SECCOMP_RET_ERRNO | ENOSYS);
  return program;
}

}  // namespace wasmoor::seccomp
