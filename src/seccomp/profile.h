#pragma once

#include <seccomp.h>

#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

// A profile with its words understood: numbers of libseccomp's.
namespace wasmoor::seccomp {

struct Rule {
  std::string field;  // "linux.seccomp.syscalls[3]"
  std::string action_name;
  uint32_t action = 0;
  std::vector<scmp_arg_cmp> conditions;
  // Any condition suffices, as in runc, where several are about one argument; else all must hold.
  bool any_condition = false;
  // System calls that libseccomp knows, as seccomp_rule_add(3) takes them, with their names.
  std::vector<int> calls;
  std::vector<const char*> names;  // The profile's own strings.
};

struct Profile {
  uint32_t default_action = 0;
  // This machine's own and those of the profile that it can run, as seccomp_arch_add(3) has them.
  std::vector<uint32_t> architectures;
  std::vector<Rule> rules;
  uint32_t flags = 0;  // SECCOMP_FILTER_FLAG_*
};

// Borrows names from `profile`. Errors as Compile has them.
Result<Profile> ReadProfile(const oci::Seccomp& profile);

}  // namespace wasmoor::seccomp
