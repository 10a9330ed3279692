#pragma once

#include <seccomp.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

// The words of a profile and libseccomp's numbers for them. An action that carries an errno is
// given with that part empty.
namespace wasmoor::seccomp {

std::optional<uint32_t> ActionByName(std::string_view name);        // "SCMP_ACT_ERRNO"
std::optional<uint32_t> ArchitectureByName(std::string_view name);  // "SCMP_ARCH_X86_64"
std::optional<scmp_compare> OperatorByName(std::string_view name);  // "SCMP_CMP_EQ"
std::optional<uint32_t> FlagByName(std::string_view name);          // "SECCOMP_FILTER_FLAG_LOG"

// Whether an action carries a number of the profile's (errnoRet).
bool CarriesErrno(uint32_t action);

// All of each kind, sorted, for who asks what is supported; and the flags that this kernel has.
std::vector<std::string_view> ActionNames();
std::vector<std::string_view> ArchitectureNames();
std::vector<std::string_view> OperatorNames();
std::vector<std::string_view> FlagNames();
std::vector<std::string_view> SupportedFlagNames();

}  // namespace wasmoor::seccomp
