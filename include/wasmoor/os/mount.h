#pragma once

#include <sys/mount.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// Mounts by descriptor (mount_setattr(2), open_tree(2), move_mount(2), fsopen(2): Linux 5.12 and
// later), and mount(2) where it can do what they cannot, or where they are missing: ENOSYS, or
// EPERM of a seccomp filter around this process. The first call that is answered so settles it for
// the process. They change the mount namespace of the calling thread. An Error carries the errno of
// the call; ENOSYS is also that of a filter.
namespace wasmoor::os {

enum class Depth : uint8_t { kThisMount, kWholeTree };

// A descriptor of a new, unattached copy of the mount that `path` (below `directory`; empty:
// itself) lies on, from that path downwards; with kWholeTree also of the mounts below. It vanishes
// with the descriptor unless it is attached. A symbolic link at the end is followed. ENOSYS:
// nothing else than open_tree(2) can do this.
Result<Fd> CloneMount(const Fd& directory, const char* path, Depth depth);
// The same of a path from the current directory.
Result<Fd> CloneMount(const char* path, Depth depth);

// Attaches an unattached mount, or moves one that is attached, onto the file or directory `target`.
// The descriptor stays valid and means the mount where it is now.
Status AttachMount(const Fd& mount, const Fd& target);

// What a bind mount is to show: an unattached copy, or, where there can be none, the place itself.
// Then it must be in the mount namespace that it is attached in.
struct BindSource {
  Fd file;
  Depth depth = Depth::kThisMount;
  bool unattached = true;
};
// As CloneMount, but without its ENOSYS.
Result<BindSource> OpenBindSource(const Fd& directory, const char* path, Depth depth);
Result<BindSource> OpenBindSource(const char* path, Depth depth);

// mount_setattr(2) of the mount that a descriptor stands at the top of. Bits in neither stay.
struct MountAttributes {
  uint64_t set = 0, clear = 0;  // MOUNT_ATTR_*.
  uint64_t propagation = 0;     // MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE; 0: as it is.
};
struct MountChange {
  MountAttributes attributes;
  Depth depth = Depth::kThisMount;
};
// Attaches `source` onto `target` with these changes, which are made in order: before it is
// attached, or right afterwards where mount(2) has to do it. The top of the mount where it is now.
Result<Fd> AttachBindSource(BindSource source, std::span<const MountChange> changes,
                            const Fd& target);

// A filesystem that is being set up (fsopen(2)). Not thread-safe.
class FilesystemContext {
 public:
  // ENODEV: the kernel has no such type. ENOSYS: MountOnto is all there is.
  static Result<FilesystemContext> Open(const char* type);
  // A parameter of the filesystem; kInvalidArgument says what the filesystem itself says about it.
  // A value has at most kMaxParameter bytes: a limit of fsconfig(2), not of mount(2).
  Status Set(const char* name, const char* value);
  Status SetFlag(const char* name);
  // A file or directory as a parameter, for filesystems and kernels that know of it.
  Status SetFile(const char* name, const Fd& file);
  // Makes the filesystem and a mount of it that is attached nowhere, with these MOUNT_ATTR_*.
  Result<Fd> Mount(uint64_t attributes);

  static constexpr size_t kMaxParameter = 255;

 private:
  explicit FilesystemContext(Fd context) : context_(std::move(context)) {}
  tl::unexpected<Error> Explain(int error_number, std::string what) const;

  Fd context_;
};

// Where mount(2) has to do it: only of an attached mount, and with kWholeTree of one mount after
// another, where an error leaves some changed.
Status SetMountAttributes(const Fd& mount, const MountAttributes& attributes, Depth depth);
// Lets the mount show owners as the user namespace maps them. Only for a mount that is not attached
// yet; EINVAL: the filesystem cannot do it. ENOSYS: nothing else than mount_setattr(2) can.
Status SetMountIds(const Fd& mount, const Fd& user_namespace, Depth depth);

// mount(2) of a new filesystem onto the directory `target`, for parameters that fsconfig(2) cannot
// take; the top of the mount. Needs /proc, to name the target.
Result<Fd> MountOnto(const Fd& target, const char* source, const char* type, unsigned long flags,
                     const char* data);
// MOUNT_ATTR_* as MS_* of mount(2).
unsigned long ClassicMountFlags(uint64_t attributes);

// Propagation of the mount at `path` (MS_SLAVE, …) and with kWholeTree of all below it.
Status SetPropagation(const char* path, unsigned long propagation, Depth depth);

// Detaches the mount at `path` and all below it at once; what is in use ends with its last user
// (MNT_DETACH). The path is not followed if it is a symbolic link.
Status DetachMount(const char* path);

// Makes `root`, the top of a mount, the root of this mount namespace and of this process, and lets
// go of the old one. The current directory is "/" afterwards.
Status PivotRoot(const Fd& root);
// The same by MS_MOVE and chroot(2), for an initial ramdisk, whose root cannot be pivoted. The old
// root stays mounted beneath: weaker, since it can be reached by whoever may chroot(2).
Status MoveRoot(const Fd& root);
// chroot(2) alone: of this process, not of its mount namespace, which may be another than that of
// `root`. The current directory is "/" afterwards.
Status ChangeRoot(const Fd& root);

// openat2(2) of a path as if `root` were "/" (RESOLVE_IN_ROOT): symbolic links and ".." cannot lead
// out of it, /proc's magic links are not followed. Close-on-exec. kNoLinks: ELOOP if any part of
// the path is a symbolic link.
enum class Links : uint8_t { kFollow, kNoLinks };
Result<Fd> OpenInRoot(const Fd& root, const std::string& path, int flags, Links links);

// Does `file` stand at the top of a mount? statx(2), STATX_ATTR_MOUNT_ROOT.
Result<bool> IsMountRoot(const Fd& file);

}  // namespace wasmoor::os
