#include "wasmoor/os/limit.h"

#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <string>

namespace wasmoor::os {
namespace {

struct Name {
  std::string_view name;
  int resource;
};

constexpr auto kNames = std::to_array<Name>({
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
});

std::string Text(uint64_t value) {
  return value == UINT64_MAX ? "unlimited" : std::to_string(value);
}

}  // namespace

Result<int> ParseLimitName(std::string_view name) {
  for (const Name& one : kNames) {
    if (one.name == name) return one.resource;
  }
  return Fail(Code::kInvalidArgument, "'{}' is no limit of a process (RLIMIT_NOFILE is one)", name);
}

Status SetLimit(pid_t process, int resource, const ResourceLimit& limit) {
  // RLIM_INFINITY is UINT64_MAX.
  const struct rlimit wanted = {.rlim_cur = limit.soft, .rlim_max = limit.hard};
  if (::prlimit(process, static_cast<__rlimit_resource>(resource), &wanted, nullptr) == 0)
    return {};
  const int error = errno;
  struct rlimit now = {};
  ::prlimit(process, static_cast<__rlimit_resource>(resource), nullptr, &now);
  if (error == EPERM && limit.hard > now.rlim_max)
    return FailErrno(error,
                     "a hard limit of {} is above the present one, {}, which only CAP_SYS_RESOURCE "
                     "may raise",
                     Text(limit.hard), Text(now.rlim_max));
  return FailErrno(error, "limits of {} and {}", Text(limit.soft), Text(limit.hard));
}

}  // namespace wasmoor::os
