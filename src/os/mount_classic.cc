#include "os/mount_classic.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

constexpr unsigned long kNoSymlinks = 256;      // MS_NOSYMFOLLOW of linux/mount.h.
constexpr unsigned long kHasNoSymlinks = 8192;  // ST_NOSYMFOLLOW of linux/statfs.h.

struct Flag {
  uint64_t attribute;
  unsigned long mount, status;  // MS_*, ST_*.
};
constexpr std::array<Flag, 6> kFlags = {{
    {MOUNT_ATTR_RDONLY, MS_RDONLY, ST_RDONLY},
    {MOUNT_ATTR_NOSUID, MS_NOSUID, ST_NOSUID},
    {MOUNT_ATTR_NODEV, MS_NODEV, ST_NODEV},
    {MOUNT_ATTR_NOEXEC, MS_NOEXEC, ST_NOEXEC},
    {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME, ST_NODIRATIME},
    {MOUNT_ATTR_NOSYMFOLLOW, kNoSymlinks, kHasNoSymlinks},
}};

struct MountLine {
  uint64_t id = 0, parent = 0;
  std::string path;
};

std::vector<MountLine> ReadMounts() {
  std::vector<MountLine> mounts;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string text; std::getline(file, text);) {
    std::istringstream fields(text);
    MountLine line;
    std::string device, root;
    fields >> line.id >> line.parent >> device >> root >> line.path;
    line.path = UnescapeMountField(line.path);
    mounts.push_back(std::move(line));
  }
  return mounts;
}

Result<uint64_t> MountId(const Fd& file) {
  struct statx status = {};
  if (statx(file.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0)
    return FailErrno(errno, "statx");
  if ((status.stx_mask & STATX_MNT_ID) == 0)
    return FailErrno(ENOSYS, "the number of a mount needs Linux 5.8");
  return status.stx_mnt_id;
}

Result<Fd> OpenAsItIs(const std::string& path) {
  const Fd root = TRY(OpenAt(Fd(), "/", O_PATH | O_DIRECTORY));
  return OpenInRoot(root, path, O_PATH | O_NOFOLLOW, Links::kNoLinks);
}

// The mounts below `top`, which is not among them, parents first.
Result<std::vector<MountLine>> MountsBelow(const Fd& top) {
  const std::vector<MountLine> all = ReadMounts();
  std::set<uint64_t> known = {TRY(MountId(top))};
  std::vector<MountLine> below;
  // A mount that was moved stands before its parent.
  for (size_t before = SIZE_MAX; before != below.size();) {
    before = below.size();
    for (const MountLine& line : all) {
      if (known.count(line.parent) != 0 && known.insert(line.id).second) below.push_back(line);
    }
  }
  return below;
}

// A file that lies in a mount of its own has no "..": it is opened by the name it has now. What
// that name leads to may be somebody else's doing, so it counts only as the mount that was made.
Result<Fd> OpenFileTop(const Fd& target, const Fd& what) {
  std::array<char, PATH_MAX> path = {};
  if (readlink(PathOf(target).c_str(), path.data(), path.size() - 1) < 0)
    return FailErrno(errno, "the path of a mount");
  Fd top = TRY(OpenAsItIs(path.data()));
  const struct stat is = TRY(Stat(top)), ought = TRY(Stat(what));
  const uint64_t id = TRY(MountId(top)), under = TRY(MountId(target));
  bool on_target = false;
  for (const MountLine& line : ReadMounts()) on_target |= line.id == id && line.parent == under;
  if (!on_target || !IsSameFile(is, ought))
    return Fail(Code::kFailedPrecondition, "{}: was replaced while it was mounted on", path.data());
  return top;
}

// MS_REMOUNT gives a mount all its flags anew, those included that a user namespace may not take
// away (mount_namespaces(7)): what is not to be changed is said again.
Status Remount(const Fd& mount_point, const MountAttributes& attributes) {
  const struct statfs status = TRY(StatFilesystem(mount_point));
  const auto has = static_cast<unsigned long>(status.f_flags);
  uint64_t now = (has & ST_NOATIME) != 0    ? MOUNT_ATTR_NOATIME
                 : (has & ST_RELATIME) != 0 ? MOUNT_ATTR_RELATIME
                                            : MOUNT_ATTR_STRICTATIME;
  for (const Flag& flag : kFlags) {
    if ((has & flag.status) != 0) now |= flag.attribute;
  }
  const uint64_t wanted = (now & ~attributes.clear) | attributes.set;
  unsigned long flags = MS_REMOUNT | MS_BIND | ClassicMountFlags(wanted);
  if ((wanted & MOUNT_ATTR__ATIME) == MOUNT_ATTR_RELATIME) flags |= MS_RELATIME;
  if (mount(nullptr, PathOf(mount_point).c_str(), nullptr, flags, nullptr) != 0)
    return FailErrno(errno, "remount");
  return {};
}

Status RemountTree(const Fd& top, const MountAttributes& attributes) {
  TRY(Remount(top, attributes));
  for (const MountLine& line : TRY(MountsBelow(top))) {
    const Fd mount = TRY_AS(OpenAsItIs(line.path), "the mount below at {}", line.path);
    if (TRY(MountId(mount)) != line.id)
      return Fail(Code::kUnimplemented,
                  "the mount below at {} is covered: to change it needs mount_setattr(2), which is "
                  "missing or forbidden here",
                  line.path);
    TRY_AS(Remount(mount, attributes), "the mount below at {}", line.path);
  }
  return {};
}

}  // namespace

std::string PathOf(const Fd& file) { return fmt::format("/proc/thread-self/fd/{}", file.get()); }

Result<Fd> BindOnto(const Fd& source, Depth depth, const Fd& target) {
  const unsigned long recursive = depth == Depth::kWholeTree ? MS_REC : 0;
  if (mount(PathOf(source).c_str(), PathOf(target).c_str(), nullptr, MS_BIND | recursive,
            nullptr) != 0)
    return FailErrno(errno, "bind");
  return OpenTop(target, source);
}

// openat2(2): ".." of what counts as the root is that root again, with what is mounted on it.
Result<Fd> OpenTop(const Fd& target, const Fd& what) {
  if (!S_ISDIR(TRY(Stat(target)).st_mode)) return OpenFileTop(target, what);
  return OpenInRoot(target, "..", O_PATH | O_DIRECTORY, Links::kNoLinks);
}

Status ChangeAttached(const Fd& mount, const MountAttributes& attributes, Depth depth) {
  if ((attributes.set | attributes.clear) != 0) {
    if (depth == Depth::kWholeTree) {
      TRY(RemountTree(mount, attributes));
    } else {
      TRY(Remount(mount, attributes));
    }
  }
  if (attributes.propagation == 0) return {};
  return SetPropagation(PathOf(mount).c_str(), attributes.propagation, depth);
}

std::string UnescapeMountField(const std::string& text) {
  constexpr size_t kDigits = 3;
  constexpr int kOctal = 8;
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + kDigits < text.size()) {
      plain += static_cast<char>(std::strtol(text.substr(i + 1, kDigits).c_str(), nullptr, kOctal));
      i += kDigits;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

unsigned long ClassicMountFlags(uint64_t attributes) {
  unsigned long flags = 0;
  for (const Flag& flag : kFlags) {
    if ((attributes & flag.attribute) != 0) flags |= flag.mount;
  }
  const uint64_t atime = attributes & MOUNT_ATTR__ATIME;
  if (atime == MOUNT_ATTR_NOATIME) flags |= MS_NOATIME;
  if (atime == MOUNT_ATTR_STRICTATIME) flags |= MS_STRICTATIME;
  return flags;
}

}  // namespace wasmoor::os
