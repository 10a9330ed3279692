// From a profile to a filter.
//
// libseccomp makes a filter of each architecture alone, which takes it a third of the time that it
// needs for all of them in one (its work grows with the square of what it has made). What each of
// those filters decides is then put together (decision.h). For the long lists of allowed calls that
// engines have, that halves the filter and the time that the kernel takes to install it, and it is
// where the rule for new system calls is put in.

#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>

#include "seccomp/decision.h"
#include "seccomp/profile.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"
#include "wasmoor/seccomp/program.h"

namespace wasmoor::seccomp {
namespace {

constexpr uint32_t kBinarySearch = 2;  // seccomp_attr_set(3): logarithmic in the number of rules.
// Calls of x32 come as such of x86-64 with this bit, but for -1, which is a call that a tracer
// called off (syscall(2); __X32_SYSCALL_BIT).
constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kNoCall = UINT32_MAX;

struct ReleaseContext {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ReleaseContext>;

Status AddRule(void* context, const Rule& rule) {
  const int error = -seccomp_rule_add_array(context, rule.action, rule.call, rule.conditions.size(),
                                            rule.conditions.data());
  // One that holds in more cases is there already: the first one counts.
  if (error == 0 || error == EEXIST) return {};
  if (error == EOPNOTSUPP)
    return Fail(Code::kUnimplemented, "{}.action: this kernel does not know it", rule.Field());
  return FailErrno(error, "{}: a rule for {}", rule.Field(), rule.name);
}

Result<Instructions> Export(void* context) {
  // libseccomp 2.5 writes to descriptors only.
  const os::Fd file = TRY(os::FileInMemory("seccomp", {}));
  if (const int error = -seccomp_export_bpf(context, file.get()); error != 0)
    return FailErrno(error, "linux.seccomp: make a filter of the profile");
  const size_t size = TRY(os::Stat(file)).st_size;
  Instructions instructions(size / sizeof(os::FilterInstruction));
  const std::span bytes(reinterpret_cast<uint8_t*>(instructions.data()), size);
  TRY(os::ReadAt(file, bytes, 0));
  return instructions;
}

// The filter of one architecture.
Result<Instructions> FilterFor(uint32_t architecture, const Profile& profile) {
  const Context context(seccomp_init(profile.default_action));
  if (!context)
    return Fail(Code::kUnimplemented, "linux.seccomp.defaultAction: this kernel does not know it");
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, kBinarySearch);
  if (const uint32_t native = seccomp_arch_native(); architecture != native) {
    seccomp_arch_remove(context.get(), native);
    if (const int error = -seccomp_arch_add(context.get(), architecture); error != 0)
      return FailErrno(error, "linux.seccomp.architectures: number {:#x}", architecture);
  }
  for (const Rule& rule : profile.rules) {
    // libseccomp refuses a rule that changes nothing.
    if (rule.action != profile.default_action) TRY(AddRule(context.get(), rule));
  }
  return Export(context.get());
}

// What a filter is asked about a call of an architecture.
uint32_t AuditArchitecture(uint32_t architecture) {
  return architecture == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : architecture;
}

// The largest number of a system call that the profile has a rule for.
std::optional<uint32_t> LargestNumber(uint32_t architecture, const Profile& profile) {
  int largest = -1;
  for (const Rule& rule : profile.rules)
    largest = std::max(largest, seccomp_syscall_resolve_name_arch(architecture, rule.name));
  return largest < 0 ? std::nullopt : std::optional<uint32_t>(largest);
}

Result<Ranges> RangesFor(uint32_t architecture, const Profile& profile) {
  const Instructions filter = TRY(FilterFor(architecture, profile));
  const Ranges all = RangesOf(filter, AuditArchitecture(architecture));
  const auto largest = LargestNumber(architecture, profile);
  const bool refuses = (profile.default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
  if (!refuses || !largest) return all;
  return Join(all, *largest + 1, {{.code = Answer(SECCOMP_RET_ERRNO | ENOSYS)}});
}

Result<std::vector<Decisions>> Decide(const Profile& profile) {
  std::vector<Decisions> decisions;
  std::optional<Ranges> x32;
  for (const uint32_t architecture : profile.architectures) {
    Ranges ranges = TRY(RangesFor(architecture, profile));
    if (architecture == SCMP_ARCH_X32) {
      x32 = std::move(ranges);
    } else {
      decisions.push_back({architecture, std::move(ranges)});
    }
  }
  for (Decisions& one : decisions) {
    if (one.architecture != AUDIT_ARCH_X86_64) continue;
    const Ranges no_call = one.ranges;
    const Ranges foreign = {{.code = Answer(SECCOMP_RET_KILL)}};
    one.ranges = Join(one.ranges, kX32Bit, x32 ? *x32 : foreign);
    one.ranges = Join(one.ranges, kNoCall, no_call);
  }
  return decisions;
}

}  // namespace

Result<Program> Compile(const oci::Seccomp& profile) {
  const Profile read = TRY(ReadProfile(profile));
  // As libseccomp has it (SCMP_FLTATR_ACT_BADARCH).
  Program program{.instructions = Assemble(TRY(Decide(read)), Answer(SECCOMP_RET_KILL)),
                  .flags = read.flags};
  if (program.instructions.size() > BPF_MAXINSNS)
    return Fail(Code::kOutOfRange,
                "linux.seccomp: the profile makes a filter of {} instructions; the kernel takes "
                "{}. Fewer rules with args or fewer architectures make it smaller",
                program.instructions.size(), BPF_MAXINSNS);
  return program;
}

}  // namespace wasmoor::seccomp
