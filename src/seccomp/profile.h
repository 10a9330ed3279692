#pragma once

#include <seccomp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

// A profile with its words understood: numbers of libseccomp's.
namespace wasmoor::seccomp {

// One system call's part of a rule.
struct Rule {
  size_t index = 0;            // In linux.seccomp.syscalls.
  int call = 0;                // As seccomp_rule_add(3) takes it.
  const char* name = nullptr;  // The profile's own string.
  uint32_t action = 0;
  std::vector<scmp_arg_cmp> conditions;  // All must hold.

  std::string Field() const;  // "linux.seccomp.syscalls[3]"
};

struct Profile {
  uint32_t default_action = 0;
  // This machine's own and those of the profile that it can run, as seccomp_arch_add(3) has them.
  std::vector<uint32_t> architectures;
  // Of calls that libseccomp knows, each once, in their order. Bounded: libseccomp's work grows
  // with the square of their number.
  std::vector<Rule> rules;
  uint32_t flags = 0;  // SECCOMP_FILTER_FLAG_*
};

// Borrows names from `profile`. Errors as Compile has them.
Result<Profile> ReadProfile(const oci::Seccomp& profile);

}  // namespace wasmoor::seccomp
