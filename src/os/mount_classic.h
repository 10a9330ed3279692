#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/mount.h"

// What mount(2) can do of mounts by descriptor, for kernels and filters that leave nothing else. It
// names both ends through /proc/self/fd, so that whoever renames or replaces a path meanwhile
// changes nothing. Needs /proc, and the ends in the mount namespace of the calling thread.
namespace wasmoor::os {

// How mount(2) is told what `file` stands for.
std::string PathOf(const Fd& file);

// Binds `source` onto `target`; the top of the new mount.
Result<Fd> BindOnto(const Fd& source, Depth depth, const Fd& target);

// The top of what was mounted onto `target` since it was opened. `what` is mounted there: only a
// file is looked at, whose mount has no other way to it than a name.
Result<Fd> OpenTop(const Fd& target, const Fd& what);

// SetMountAttributes for attached mounts. With kWholeTree one mount after another: an error leaves
// some changed.
Status ChangeAttached(const Fd& mount, const MountAttributes& attributes, Depth depth);

// A field of /proc/self/mountinfo, where spaces and the like stand as \040 (proc(5)).
std::string UnescapeMountField(const std::string& text);

}  // namespace wasmoor::os
