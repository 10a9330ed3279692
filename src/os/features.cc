#include "wasmoor/os/features.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "wasmoor/os/fd.h"

namespace wasmoor::os {
namespace {

Support From(int error_number) {
  switch (error_number) {
    case 0: return {Answer::kYes, 0};
    case EPERM:
    case EACCES: return {Answer::kForbidden, error_number};
    default: return {Answer::kNo, error_number};
  }
}

// The support of what a call that gives a descriptor gave; closes it.
Support FromDescriptor(long result) {
  if (result < 0) return From(errno);
  const Fd closed(static_cast<int>(result));
  return From(0);
}

// For calls that are asked for something impossible, so that they do nothing: whatever a kernel
// that has them objects to (`objection`) proves that it has them.
Support FromObjection(long result, int objection) {
  return From(result >= 0 || errno == objection ? 0 : errno);
}

Support ProbeSeccompAction(uint32_t action) {
  return From(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ? 0 : errno);
}

}  // namespace

std::string KernelRelease() {
  struct utsname names = {};
  uname(&names);
  return names.release;
}

Support ProbeOpenat2() {
  struct open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH;
  return FromDescriptor(syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how));
}

Support ProbePidfd() { return FromDescriptor(syscall(SYS_pidfd_open, getpid(), 0)); }

Support ProbeClone3() { return FromObjection(syscall(SYS_clone3, nullptr, 0), EINVAL); }

Support ProbeSeccompFilter() { return ProbeSeccompAction(SECCOMP_RET_ERRNO); }

Support ProbeSeccompNotify() { return ProbeSeccompAction(SECCOMP_RET_USER_NOTIF); }

Support ProbeMountApi() {
  return FromDescriptor(syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLOEXEC));
}

Support ProbeIdmappedMounts() {
  // EINVAL for a structure of no size comes before every other check.
  return FromObjection(syscall(SYS_mount_setattr, -1, "", 0, nullptr, 0), EINVAL);
}

Support ProbeUserfaultfd() {
  return FromDescriptor(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
}

Support ProbeIoUring() {
  struct io_uring_params parameters = {};
  return FromDescriptor(syscall(SYS_io_uring_setup, 1, &parameters));
}

Support ProbeProtectionKeys() {
  const int key = pkey_alloc(0, 0);
  if (key < 0) return From(errno);
  pkey_free(key);
  return From(0);
}

Support ProbeKvm() {
  const Fd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) return From(errno);
  const int version = ioctl(kvm.get(), KVM_GET_API_VERSION, 0);
  if (version < 0) return From(errno);
  return From(version == KVM_API_VERSION ? 0 : ENOTSUP);
}

Landlock ProbeLandlock() {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 0) return {From(errno), 0};
  return {From(0), static_cast<int>(abi)};
}

Status ProbeAddressSpace(uint64_t bytes) {
  void* reserved =
      mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return FailErrno(errno, "reserve {} bytes of address space", bytes);
  munmap(reserved, bytes);
  return {};
}

std::optional<int64_t> ReadSysctl(const std::string& name) {
  std::ifstream file("/proc/sys/" + name);
  int64_t value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

ResourceLimit GetLimit(int resource) {
  struct rlimit limit = {};
  getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
  return {limit.rlim_cur, limit.rlim_max};
}

Support ProbeUnixSocket(const std::string& path) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return From(ENAMETOOLONG);
  path.copy(address.sun_path, path.size());
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return From(errno);
  const auto* at = reinterpret_cast<const struct sockaddr*>(&address);
  return From(connect(socket.get(), at, sizeof address) == 0 ? 0 : errno);
}

Result<uint64_t> FreeSpace(const std::string& path) {
  struct statvfs space = {};
  if (statvfs(path.c_str(), &space) != 0) return FailErrno(errno, "{}", path);
  return uint64_t{space.f_bavail} * space.f_frsize;
}

}  // namespace wasmoor::os
