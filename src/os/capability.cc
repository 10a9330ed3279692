#include "wasmoor/os/capability.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

// In the order of their numbers, without CAP_.
constexpr auto kNames = std::to_array<std::string_view>({
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
});
static_assert(kNames.size() == CAP_CHECKPOINT_RESTORE + 1);
static_assert(kNames[CAP_SYS_RESOURCE] == "SYS_RESOURCE" && kNames[CAP_SYSLOG] == "SYSLOG");

constexpr std::string_view kPrefix = "CAP_";
constexpr int kHalf = 32;  // capset(2) has each set in two halves.

Status Ambient(int operation, int capability) {
  if (::prctl(PR_CAP_AMBIENT, operation, capability, 0, 0) == 0) return {};
  if (errno == EPERM)
    return Fail(Code::kInvalidArgument,
                "{} cannot be ambient: it is not both permitted and inheritable",
                CapabilityName(capability));
  return FailErrno(errno, "ambient capabilities");
}

std::string Names(uint64_t set) {
  std::string names;
  for (int i = 0; i <= CAP_LAST_CAP; ++i) {
    if ((set & CapabilityBit(i)) != 0) names += (names.empty() ? "" : ", ") + CapabilityName(i);
  }
  return names;
}

}  // namespace

int LastCapability() {
  // The kernel's, and so the same for as long as this process lives.
  static const int kLast = [] {
    int last = CAP_LAST_CAP;
    while (last > 0 && ::prctl(PR_CAPBSET_READ, last) < 0) --last;
    while (last + 1 < 2 * kHalf && ::prctl(PR_CAPBSET_READ, last + 1) >= 0) ++last;
    return last;
  }();
  return kLast;
}

Result<int> ParseCapability(std::string_view name) {
  if (name.starts_with(kPrefix)) {
    for (size_t i = 0; i < kNames.size(); ++i) {
      if (kNames[i] != name.substr(kPrefix.size())) continue;
      const int capability = static_cast<int>(i);
      if (capability > LastCapability())
        return Fail(Code::kUnimplemented, "this kernel does not know {}", name);
      return capability;
    }
  }
  return Fail(Code::kInvalidArgument, "'{}' is no capability (CAP_CHOWN is one)", name);
}

std::string CapabilityName(int capability) {
  if (capability < 0 || static_cast<size_t>(capability) >= kNames.size())
    return "capability " + std::to_string(capability);
  return std::string(kPrefix) + std::string(kNames[capability]);
}

CapabilitySets GetCapabilities() {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  std::array<__user_cap_data_struct, 2> halves = {};
  syscall(SYS_capget, &header, halves.data());
  const auto join = [](uint32_t low, uint32_t high) { return low | uint64_t{high} << kHalf; };
  CapabilitySets sets;
  sets.effective = join(halves[0].effective, halves[1].effective);
  sets.permitted = join(halves[0].permitted, halves[1].permitted);
  sets.inheritable = join(halves[0].inheritable, halves[1].inheritable);
  for (int i = 0; i <= LastCapability(); ++i) {
    if (::prctl(PR_CAPBSET_READ, i) == 1) sets.bounding |= CapabilityBit(i);
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
      sets.ambient |= CapabilityBit(i);
  }
  return sets;
}

bool IsRootOfMachine() {
  if (::geteuid() != 0) return false;
  const auto file = OpenAt(Fd(), "/proc/self/uid_map", O_RDONLY);
  if (!file) return true;  // No user namespaces in this kernel.
  std::array<uint8_t, 4096> text;
  const size_t size = ReadAt(*file, text, 0).value_or(0);
  // All of the 2^32 - 1 ids there are, as the machine itself has them (user_namespaces(7)).
  constexpr std::string_view kAll = "4294967295";
  return std::string_view(reinterpret_cast<const char*>(text.data()), size).find(kAll) !=
         std::string_view::npos;
}

Status KeepCapabilities() {
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0) return {};
  return FailErrno(errno, "keep capabilities over a change of user");
}

Status LimitBounding(uint64_t keep) {
  const int last = LastCapability();
  for (int i = 0; i <= last; ++i) {
    if ((keep & CapabilityBit(i)) != 0 || ::prctl(PR_CAPBSET_READ, i) == 0) continue;
    if (::prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0)
      return FailErrno(errno, "drop {} from the bounding set", CapabilityName(i));
  }
  return {};
}

Status SetCapabilities(const CapabilitySets& sets) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  std::array<__user_cap_data_struct, 2> halves = {};
  for (int i = 0; i < 2; ++i) {
    halves[i].effective = static_cast<uint32_t>(sets.effective >> (i * kHalf));
    halves[i].permitted = static_cast<uint32_t>(sets.permitted >> (i * kHalf));
    halves[i].inheritable = static_cast<uint32_t>(sets.inheritable >> (i * kHalf));
  }
  if (syscall(SYS_capset, &header, halves.data()) != 0) {
    const int error = errno;
    const uint64_t lacking = sets.permitted & ~GetCapabilities().permitted;
    if (lacking != 0)
      return FailErrno(error, "this process cannot give {}, which it does not have",
                       Names(lacking));
    if (const uint64_t outside = sets.effective & ~sets.permitted; outside != 0)
      return FailErrno(error, "{} cannot be effective: it is not permitted", Names(outside));
    return FailErrno(error, "set effective, permitted and inheritable capabilities");
  }
  TRY(Ambient(PR_CAP_AMBIENT_CLEAR_ALL, 0));
  for (int i = 0; i <= CAP_LAST_CAP; ++i) {
    if ((sets.ambient & CapabilityBit(i)) != 0) TRY(Ambient(PR_CAP_AMBIENT_RAISE, i));
  }
  return {};
}

}  // namespace wasmoor::os
