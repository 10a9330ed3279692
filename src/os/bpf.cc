#include "wasmoor/os/bpf.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

constexpr uint32_t kMostPrograms = 64;  // Of one group: the kernel's own limit.

uint64_t Address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

int Bpf(int command, bpf_attr* attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, attributes, sizeof *attributes));
}

Result<Fd> Load(const char* name, std::span<const bpf_insn> program) {
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = Address(program.data());
  attributes.insn_cnt = static_cast<uint32_t>(program.size());
  // No helper of the kernel is called, so its licence does not matter.
  attributes.license = Address("Apache-2.0");
  strncpy(attributes.prog_name, name, sizeof attributes.prog_name - 1);
  const int descriptor = Bpf(BPF_PROG_LOAD, &attributes);
  if (descriptor < 0) return FailErrno(errno, "load a program for devices");
  return Fd(descriptor);  // Close-on-exec by itself.
}

// The programs of that name that are attached to the group itself.
std::vector<Fd> FindAttached(const Fd& group, std::string_view name) {
  std::vector<Fd> found;
  uint32_t ids[kMostPrograms];
  bpf_attr query{};
  query.query.target_fd = static_cast<uint32_t>(group.get());
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = Address(ids);
  query.query.prog_cnt = kMostPrograms;
  if (Bpf(BPF_PROG_QUERY, &query) != 0) return found;
  for (uint32_t i = 0; i < query.query.prog_cnt; ++i) {
    bpf_attr by_id{};
    by_id.prog_id = ids[i];
    Fd program(Bpf(BPF_PROG_GET_FD_BY_ID, &by_id));
    if (!program.valid()) continue;
    bpf_prog_info information{};
    bpf_attr about{};
    about.info.bpf_fd = static_cast<uint32_t>(program.get());
    about.info.info_len = sizeof information;
    about.info.info = Address(&information);
    if (Bpf(BPF_OBJ_GET_INFO_BY_FD, &about) == 0 && name == information.name)
      found.push_back(std::move(program));
  }
  return found;
}

}  // namespace

Status AttachDeviceProgram(const Fd& group, const char* name, std::span<const bpf_insn> program) {
  // bpf(2) does not take a descriptor that was opened O_PATH.
  const Fd readable = TRY(OpenAt(group, ".", O_RDONLY | O_DIRECTORY));
  const Fd loaded = TRY(Load(name, program));
  const std::vector<Fd> before = FindAttached(readable, name);
  bpf_attr attach{};
  attach.target_fd = static_cast<uint32_t>(readable.get());
  attach.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (Bpf(BPF_PROG_ATTACH, &attach) != 0) return FailErrno(errno, "attach a program for devices");
  // All attached programs must allow an access, so nothing is open between these calls.
  for (const Fd& old : before) {
    bpf_attr detach{};
    detach.target_fd = attach.target_fd;
    detach.attach_bpf_fd = static_cast<uint32_t>(old.get());
    detach.attach_type = BPF_CGROUP_DEVICE;
    if (Bpf(BPF_PROG_DETACH, &detach) != 0)
      return FailErrno(errno, "detach the program for devices that was there before");
  }
  return {};
}

}  // namespace wasmoor::os
