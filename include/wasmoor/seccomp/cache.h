#pragma once

#include <filesystem>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/seccomp/program.h"

namespace wasmoor::seccomp {

// As Compile, but what it makes is kept in `directory` for the next container with the same
// profile: to find it takes a hundredth of the time of making it. The directory is made if it is
// not there; a good place is one of the runtime's own in its state root (such as ROOT/.seccomp,
// which can be no container's), on a filesystem in memory.
//
// Nothing that somebody else could have written is used: the directory and all above it must belong
// to this user or root and be writable to them only, and so must an entry, which says itself which
// profile, libseccomp and kernel it is for and carries a checksum. Whatever is not so, and whatever
// fails (a full disk, no rights, processes that do the same), costs no more than the compilation.
// At most 64 filters are kept; the oldest goes first. Any thread, any number of processes.
Result<Program> CompileCached(const oci::Seccomp& profile, const std::filesystem::path& directory);

}  // namespace wasmoor::seccomp
