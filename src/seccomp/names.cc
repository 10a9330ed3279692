#include "seccomp/names.h"

#include <linux/seccomp.h>

#include <array>

#include "wasmoor/os/seccomp.h"

namespace wasmoor::seccomp {
namespace {

template <typename Value>
struct Name {
  std::string_view name;
  Value value;
};

template <typename Value, size_t kSize>
std::optional<Value> Find(const std::array<Name<Value>, kSize>& names, std::string_view name) {
  for (const Name<Value>& one : names) {
    if (one.name == name) return one.value;
  }
  return std::nullopt;
}

template <typename Value, size_t kSize>
std::vector<std::string_view> NamesOf(const std::array<Name<Value>, kSize>& names) {
  std::vector<std::string_view> all;
  for (const Name<Value>& one : names) all.push_back(one.name);
  return all;
}

constexpr auto kActions = std::to_array<Name<uint32_t>>({
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY},
    {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0)},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
});

constexpr auto kArchitectures = std::to_array<Name<uint32_t>>({
    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
    {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},
    {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
    {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32},
    {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
    {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},
    {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
    {"SCMP_ARCH_PARISC", SCMP_ARCH_PARISC},
    {"SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64},
    {"SCMP_ARCH_PPC", SCMP_ARCH_PPC},
    {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
    {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
    {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
    {"SCMP_ARCH_S390", SCMP_ARCH_S390},
    {"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
    {"SCMP_ARCH_X32", SCMP_ARCH_X32},
    {"SCMP_ARCH_X86", SCMP_ARCH_X86},
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
});

constexpr auto kOperators = std::to_array<Name<scmp_compare>>({
    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    {"SCMP_CMP_NE", SCMP_CMP_NE},
});

constexpr auto kFlags = std::to_array<Name<uint32_t>>({
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
});

}  // namespace

std::optional<uint32_t> ActionByName(std::string_view name) { return Find(kActions, name); }

std::optional<uint32_t> ArchitectureByName(std::string_view name) {
  return Find(kArchitectures, name);
}

std::optional<scmp_compare> OperatorByName(std::string_view name) { return Find(kOperators, name); }

std::optional<uint32_t> FlagByName(std::string_view name) { return Find(kFlags, name); }

bool CarriesErrno(uint32_t action) {
  return action == SCMP_ACT_ERRNO(0) || action == SCMP_ACT_TRACE(0);
}

std::vector<std::string_view> ActionNames() { return NamesOf(kActions); }
std::vector<std::string_view> ArchitectureNames() { return NamesOf(kArchitectures); }
std::vector<std::string_view> OperatorNames() { return NamesOf(kOperators); }
std::vector<std::string_view> FlagNames() { return NamesOf(kFlags); }

std::vector<std::string_view> SupportedFlagNames() {
  std::vector<std::string_view> names;
  for (const Name<uint32_t>& flag : kFlags) {
    // This one is for filters that have a listener.
    const bool needs_listener = flag.value == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    if (os::HasFilterFlags(flag.value | (needs_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0)))
      names.push_back(flag.name);
  }
  return names;
}

}  // namespace wasmoor::seccomp
