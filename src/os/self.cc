#include "wasmoor/os/self.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <cerrno>

#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::os {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// A read-only mount says EROFS here, as do rights say EACCES. A file in memory says nothing.
bool IsProtected() {
  if (::faccessat(AT_FDCWD, kSelf, W_OK, AT_EACCESS) != 0) return true;
  const auto self = OpenAt(Fd(), kSelf, O_RDONLY);
  const int seals = self ? ::fcntl(self->get(), F_GET_SEALS) : -1;
  return seals >= 0 && (seals & F_SEAL_WRITE) != 0;
}

Result<Fd> MountReadOnly() {
  Fd mount = TRY(CloneMount(kSelf, Depth::kThisMount));
  TRY(SetMountAttributes(mount, {.set = MOUNT_ATTR_RDONLY}, Depth::kThisMount));
  return mount;
}

Result<Fd> CopyToMemory() {
  const Fd self = TRY(OpenAt(Fd(), kSelf, O_RDONLY));
  Fd copy(::memfd_create("self", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy.valid()) return FailErrno(errno, "memory file");
  auto left = static_cast<size_t>(TRY(Stat(self)).st_size);
  while (left > 0) {
    const ssize_t sent = ::sendfile(copy.get(), self.get(), nullptr, left);
    if (sent < 0) return FailErrno(errno, "copy {}", kSelf);
    if (sent == 0) return Fail(Code::kDataLoss, "copy {}: it became shorter", kSelf);
    left -= static_cast<size_t>(sent);
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) return FailErrno(errno, "seal a memory file");
  return copy;
}

}  // namespace

Status ProtectSelf(char* const* arguments) {
  if (IsProtected()) return {};
  auto file = MountReadOnly();
  if (!file) file = CopyToMemory();
  if (!file) return tl::unexpected(std::move(file).error());
  ::execveat(file->get(), "", arguments, environ, AT_EMPTY_PATH);
  return FailErrno(errno, "run from a file that nobody can write");
}

}  // namespace wasmoor::os
