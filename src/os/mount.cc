#include "wasmoor/os/mount.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string_view>

#include "os/mount_classic.h"
#include "wasmoor/os/features.h"

namespace wasmoor::os {
namespace {

// openat2(2) answers EAGAIN when a rename or mount anywhere raced with a path that has ".." in it.
constexpr int kTriesAgainstRenames = 256;
constexpr size_t kMessageBytes = 512;

// A system call that this process may turn out not to have.
class MaybeMissing {
 public:
  using Probe = Support (*)();
  constexpr explicit MaybeMissing(Probe probe) : probe_(probe) {}

  bool missing() const { return missing_; }
  // Takes note of what a call failed with. EPERM may also be a lack of rights, which the probe
  // needs none of.
  bool IsMissing(int error) {
    if (error == EPERM && !probed_.exchange(true)) missing_ = !probe_().yes();
    if (error == ENOSYS) missing_ = true;
    return missing_;
  }

 private:
  Probe probe_;
  std::atomic<bool> missing_ = false, probed_ = false;
};
// fsopen(2) is as old as open_tree(2), and a filter that forbids one of them forbids both.
constinit MaybeMissing trees{ProbeMountApi}, contexts{ProbeMountApi},
    attributes_call{ProbeIdmappedMounts};

constexpr const char* kMissing = "is missing in this kernel, or a seccomp filter forbids it";

unsigned Recursive(Depth depth) { return depth == Depth::kWholeTree ? AT_RECURSIVE : 0; }

Result<Fd> Clone(int directory, const char* path, Depth depth) {
  const unsigned flags =
      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | Recursive(depth) | (*path == '\0' ? AT_EMPTY_PATH : 0);
  if (!trees.missing()) {
    Fd tree(open_tree(directory, path, flags));
    if (tree.valid()) return tree;
    const int error = errno;
    if (!trees.IsMissing(error)) return FailErrno(error, "open_tree {}", path);
  }
  return FailErrno(ENOSYS, "needs open_tree(2) (Linux 5.2), which {}", kMissing);
}

Result<BindSource> OpenSource(int directory, const char* path, Depth depth) {
  auto clone = Clone(directory, path, depth);
  if (clone) return BindSource{std::move(*clone), depth, true};
  if (clone.error().error_number() != ENOSYS) return tl::unexpected(std::move(clone).error());
  Fd place(*path == '\0' ? fcntl(directory, F_DUPFD_CLOEXEC, 0)
                         : openat(directory, path, O_PATH | O_CLOEXEC));
  if (!place.valid()) return FailErrno(errno, "open {}", path);
  return BindSource{std::move(place), depth, false};
}

Status SetAttributes(const Fd& mount, struct mount_attr* attributes, Depth depth) {
  if (!attributes_call.missing()) {
    if (mount_setattr(mount.get(), "", AT_EMPTY_PATH | Recursive(depth), attributes,
                      sizeof(*attributes)) == 0)
      return {};
    const int error = errno;
    if (!attributes_call.IsMissing(error)) return FailErrno(error, "mount_setattr");
  }
  return FailErrno(ENOSYS, "needs mount_setattr(2) (Linux 5.12), which {}", kMissing);
}

Status ChangeByDescriptor(const Fd& mount, const MountAttributes& attributes, Depth depth) {
  struct mount_attr raw = {};
  raw.attr_set = attributes.set;
  raw.attr_clr = attributes.clear;
  raw.propagation = attributes.propagation;
  return SetAttributes(mount, &raw, depth);
}

Status Enter(const Fd& directory) {
  if (fchdir(directory.get()) != 0) return FailErrno(errno, "fchdir");
  return {};
}

// The current directory becomes the root.
Status RootHere() {
  if (chroot(".") != 0) return FailErrno(errno, "chroot");
  if (chdir("/") != 0) return FailErrno(errno, "chdir /");
  return {};
}

}  // namespace

Result<Fd> CloneMount(const Fd& directory, const char* path, Depth depth) {
  return Clone(directory.get(), path, depth);
}

Result<Fd> CloneMount(const char* path, Depth depth) { return Clone(AT_FDCWD, path, depth); }

Result<BindSource> OpenBindSource(const Fd& directory, const char* path, Depth depth) {
  return OpenSource(directory.get(), path, depth);
}

Result<BindSource> OpenBindSource(const char* path, Depth depth) {
  return OpenSource(AT_FDCWD, path, depth);
}

Status AttachMount(const Fd& mount, const Fd& target) {
  if (move_mount(mount.get(), "", target.get(), "",
                 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    return FailErrno(errno, "move_mount");
  return {};
}

Result<Fd> AttachBindSource(BindSource source, std::span<const MountChange> changes,
                            const Fd& target) {
  if (source.unattached) {
    // Linux 5.2 can attach what it cannot change before 5.12.
    while (!changes.empty()) {
      const MountChange& change = changes.front();
      const Status changed = ChangeByDescriptor(source.file, change.attributes, change.depth);
      if (!changed) {
        if (changed.error().error_number() == ENOSYS) break;
        return tl::unexpected(changed.error());
      }
      changes = changes.subspan(1);
    }
    TRY(AttachMount(source.file, target));
  } else {
    source.file = TRY(BindOnto(source.file, source.depth, target));
  }
  for (const MountChange& change : changes)
    TRY(SetMountAttributes(source.file, change.attributes, change.depth));
  return std::move(source.file);
}

Result<FilesystemContext> FilesystemContext::Open(const char* type) {
  if (!contexts.missing()) {
    Fd context(fsopen(type, FSOPEN_CLOEXEC));
    if (context.valid()) return FilesystemContext(std::move(context));
    const int error = errno;
    if (!contexts.IsMissing(error)) return FailErrno(error, "fsopen {}", type);
  }
  return FailErrno(ENOSYS, "{}: needs fsopen(2) (Linux 5.2), which {}", type, kMissing);
}

// The context holds what the filesystem has to say, one message a read, each after a letter that
// says how grave it is: "e tmpfs: Unknown parameter 'x'".
tl::unexpected<Error> FilesystemContext::Explain(int error_number, std::string what) const {
  std::array<char, kMessageBytes> message;
  for (;;) {
    const ssize_t size = read(context_.get(), message.data(), message.size());
    if (size <= 2) break;
    what +=
        fmt::format(": {}", std::string_view(message.data() + 2, static_cast<size_t>(size) - 2));
    while (what.ends_with('\n')) what.pop_back();
  }
  return FailErrnoText(error_number, std::move(what));
}

Status FilesystemContext::Set(const char* name, const char* value) {
  if (fsconfig(context_.get(), FSCONFIG_SET_STRING, name, value, 0) != 0)
    return Explain(errno, fmt::format("{}={}", name, value));
  return {};
}

Status FilesystemContext::SetFile(const char* name, const Fd& file) {
  if (fsconfig(context_.get(), FSCONFIG_SET_FD, name, nullptr, file.get()) != 0)
    return Explain(errno, fmt::format("{} by its descriptor", name));
  return {};
}

Status FilesystemContext::SetFlag(const char* name) {
  if (fsconfig(context_.get(), FSCONFIG_SET_FLAG, name, nullptr, 0) != 0)
    return Explain(errno, name);
  return {};
}

Result<Fd> FilesystemContext::Mount(uint64_t attributes) {
  if (fsconfig(context_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return Explain(errno, "make the filesystem");
  Fd mount(fsmount(context_.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
  if (!mount.valid()) return Explain(errno, "fsmount");
  return mount;
}

Status SetMountAttributes(const Fd& mount, const MountAttributes& attributes, Depth depth) {
  Status changed = ChangeByDescriptor(mount, attributes, depth);
  if (changed || changed.error().error_number() != ENOSYS) return changed;
  return ChangeAttached(mount, attributes, depth);
}

Status SetMountIds(const Fd& mount, const Fd& user_namespace, Depth depth) {
  struct mount_attr raw = {};
  raw.attr_set = MOUNT_ATTR_IDMAP;
  raw.userns_fd = static_cast<uint64_t>(user_namespace.get());
  return SetAttributes(mount, &raw, depth);
}

Result<Fd> MountOnto(const Fd& target, const char* source, const char* type, unsigned long flags,
                     const char* data) {
  if (mount(source, PathOf(target).c_str(), type, flags, data) != 0)
    return FailErrno(errno, "mount {} ({})", type, data);
  return OpenTop(target, target);
}

Status SetPropagation(const char* path, unsigned long propagation, Depth depth) {
  const unsigned long recursive = depth == Depth::kWholeTree ? MS_REC : 0;
  if (mount(nullptr, path, nullptr, propagation | recursive, nullptr) != 0)
    return FailErrno(errno, "propagation of {}", path);
  return {};
}

Status DetachMount(const char* path) {
  if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0) return FailErrno(errno, "unmount {}", path);
  return {};
}

// pivot_root(2), "pivot_root(".", ".")": the old root then lies on top of the new one.
Status PivotRoot(const Fd& root) {
  Fd old_root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!old_root.valid()) return FailErrno(errno, "open /");
  TRY(Enter(root));
  if (syscall(SYS_pivot_root, ".", ".") != 0) return FailErrno(errno, "pivot_root");
  TRY(Enter(old_root));
  // Or the mounts would be taken away where the old root is shared with, too.
  TRY(SetPropagation(".", MS_SLAVE, Depth::kWholeTree));
  if (umount2(".", MNT_DETACH) != 0) return FailErrno(errno, "unmount the old root");
  if (chdir("/") != 0) return FailErrno(errno, "chdir /");
  return {};
}

Status MoveRoot(const Fd& root) {
  TRY(Enter(root));
  if (mount(".", "/", nullptr, MS_MOVE, nullptr) != 0) return FailErrno(errno, "move the root");
  return RootHere();
}

Status ChangeRoot(const Fd& root) {
  TRY(Enter(root));
  return RootHere();
}

Result<Fd> OpenInRoot(const Fd& root, const std::string& path, int flags, Links links) {
  struct open_how how = {};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  if (links == Links::kNoLinks) how.resolve |= RESOLVE_NO_SYMLINKS;
  for (int attempt = 1;; ++attempt) {
    const long file = syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof(how));
    if (file >= 0) return Fd(static_cast<int>(file));
    if ((errno != EAGAIN && errno != EINTR) || attempt == kTriesAgainstRenames)
      return FailErrno(errno, "open {}", path);
  }
}

Result<bool> IsMountRoot(const Fd& file) {
  struct statx status = {};
  if (statx(file.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) != 0)
    return FailErrno(errno, "statx");
  if ((status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0)
    return FailErrno(ENOSYS, "the top of a mount is only told by Linux 5.8 and later");
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace wasmoor::os
