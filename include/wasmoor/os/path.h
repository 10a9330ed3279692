#pragma once

#include <sys/types.h>

#include <span>
#include <tl/expected.hpp>

#include "wasmoor/os/fd.h"

// Names that somebody else chose, resolved by the kernel below a directory that they may not leave.
// For callers that answer a guest: a failure is its errno and nothing else, since a sentence would
// be built on every "no such file" and read by nobody.
namespace wasmoor::os {

using FdOrErrno = tl::expected<Fd, int>;

// open(2) of `path` below `directory`, close-on-exec, for whoever controls the path and may change
// what lies below while it is resolved. openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS:
// symbolic links and ".." are followed as long as they stay below, mounts are crossed, /proc's
// magic links are not followed. EXDEV: the path or a link in it is absolute or leads out. ELOOP: it
// met a magic link. EAGAIN: the tree was being renamed under it at every one of many tries. EINTR:
// a signal arrived while it blocked, in a FIFO say. ENOSYS: the kernel is older than Linux 5.6.
// `mode` counts with O_CREAT.
FdOrErrno OpenBeneath(const Fd& directory, const char* path, int flags, mode_t mode = 0);

// The next entries of a directory as getdents64(2) lays them out, from where the descriptor stands;
// empty at the end.
tl::expected<std::span<char>, int> ReadEntries(const Fd& directory, std::span<char> buffer);

}  // namespace wasmoor::os
