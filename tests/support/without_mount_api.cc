// without_mount_api ENOSYS|EPERM PROGRAM ARGUMENT...: runs a program as on a kernel before
// Linux 5.2, or in a container that has only mount(2): what mounts by descriptor is answered with
// that error.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string_view>
#include <vector>

#include "wasmoor/os/seccomp.h"

namespace {

using wasmoor::os::FilterInstruction;

constexpr long kCalls[] = {SYS_open_tree, SYS_move_mount, SYS_fsopen,
                           SYS_fsconfig,  SYS_fsmount,    SYS_mount_setattr};

std::vector<FilterInstruction> Answer(int error) {
  std::vector<FilterInstruction> filter = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)}};
  for (const long call : kCalls) {
    filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<uint32_t>(call)});
    filter.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)});
  }
  filter.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  return filter;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 2;
  const int error = std::string_view(arguments[1]) == "EPERM" ? EPERM : ENOSYS;
  const auto installed = wasmoor::os::InstallFilter(Answer(error), 0);
  if (!installed) {
    fprintf(stderr, "without_mount_api: no filter can be installed: errno %d\n", installed.error());
    return 77;
  }
  execv(arguments[2], arguments + 2);
  perror(arguments[2]);
  return 1;
}
