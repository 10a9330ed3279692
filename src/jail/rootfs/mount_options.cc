#include "jail/rootfs/mount_options.h"

#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

// How an attribute is asked for, without the "r" that makes it recursive.
struct Attribute {
  std::string_view name;
  uint64_t set, clear;
};
// The modes of access times are one field of which each value clears the others (mount_setattr(2)).
constexpr uint64_t kAtime = MOUNT_ATTR__ATIME;
constexpr std::array<Attribute, 18> kAttributes = {{
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"relatime", MOUNT_ATTR_RELATIME, kAtime},
    {"noatime", MOUNT_ATTR_NOATIME, kAtime},
    {"strictatime", MOUNT_ATTR_STRICTATIME, kAtime},
    // The kernel has no fourth mode: what is neither strict nor none is relative.
    {"atime", MOUNT_ATTR_RELATIME, kAtime},
    {"nostrictatime", MOUNT_ATTR_RELATIME, kAtime},
    {"norelatime", 0, 0},
}};

struct PropagationName {
  std::string_view name;
  unsigned long type;
};
constexpr std::array<PropagationName, 4> kPropagations = {{
    {"shared", MS_SHARED},
    {"slave", MS_SLAVE},
    {"private", MS_PRIVATE},
    {"unbindable", MS_UNBINDABLE},
}};

// Flags of a filesystem: what sets `bit` of mount(2) and what takes it away. `generic`: every
// filesystem takes it from fsconfig(2); the others exist in mount(2) only.
struct FilesystemFlag {
  std::string_view on, off;
  unsigned long bit;
  bool generic;
};
constexpr std::array<FilesystemFlag, 7> kFilesystemFlags = {{
    {"sync", "async", MS_SYNCHRONOUS, true},
    {"dirsync", "", MS_DIRSYNC, true},
    {"lazytime", "nolazytime", MS_LAZYTIME, true},
    {"mand", "nomand", MS_MANDLOCK, true},
    {"silent", "loud", MS_SILENT, false},
    {"acl", "noacl", MS_POSIXACL, false},
    {"iversion", "noiversion", MS_I_VERSION, false},
}};

constexpr std::array<std::string_view, 7> kOthers = {"bind",    "defaults", "idmap",    "rbind",
                                                     "remount", "ridmap",   "tmpcopyup"};

void Apply(const Attribute& attribute, uint64_t* set, uint64_t* clear) {
  *set = (*set & ~attribute.clear) | attribute.set;
  // A bit that is set need not be cleared, except the field of access times as a whole.
  *clear = ((*clear | attribute.clear) & ~(attribute.set & ~kAtime));
}

bool ReadAttribute(std::string_view option, MountOptions* out) {
  for (const Attribute& attribute : kAttributes) {
    if (option == attribute.name) return Apply(attribute, &out->set, &out->clear), true;
    if (option.starts_with('r') && option.substr(1) == attribute.name)
      return Apply(attribute, &out->tree_set, &out->tree_clear), true;
  }
  return false;
}

bool ReadPropagation(std::string_view option, MountOptions* out) {
  for (const PropagationName& one : kPropagations) {
    const bool tree = option.starts_with('r') && option.substr(1) == one.name;
    if (!tree && option != one.name) continue;
    out->propagation.push_back({one.type, tree});
    return true;
  }
  return false;
}

bool ReadFilesystemFlag(std::string_view option, MountOptions* out) {
  for (const FilesystemFlag& flag : kFilesystemFlags) {
    if (option != flag.on && option != flag.off) continue;
    std::erase(out->filesystem_flags, flag.on);
    out->filesystem_bits &= ~flag.bit;
    if (option == flag.off) return true;
    out->filesystem_bits |= flag.bit;
    if (flag.generic) out->filesystem_flags.emplace_back(option);
    return true;
  }
  return false;
}

bool ReadOther(std::string_view option, MountOptions* out) {
  if (option == "defaults" || option.empty()) return true;
  if (option == "bind") return out->bind = true;
  if (option == "rbind") return out->bind = out->bind_tree = true;
  if (option == "remount") return out->remount = true;
  if (option == "tmpcopyup") return out->copy_up = true;
  if (option == "idmap") return out->id_map = IdMap::kMount, true;
  if (option == "ridmap") return out->id_map = IdMap::kTree, true;
  return false;
}

}  // namespace

MountOptions ParseMountOptions(std::span<const std::string> options) {
  MountOptions out;
  for (const std::string& option : options) {
    // "ro" and "rw" before their recursive namesakes: no attribute is the r-form of another.
    if (ReadOther(option, &out) || ReadAttribute(option, &out) || ReadPropagation(option, &out) ||
        ReadFilesystemFlag(option, &out))
      continue;
    out.data.push_back(option);
  }
  return out;
}

std::vector<std::string> KnownMountOptions() {
  std::vector<std::string> names(kOthers.begin(), kOthers.end());
  for (const Attribute& attribute : kAttributes) {
    names.emplace_back(attribute.name);
    names.push_back(fmt::format("r{}", attribute.name));
  }
  for (const PropagationName& one : kPropagations) {
    names.emplace_back(one.name);
    names.push_back(fmt::format("r{}", one.name));
  }
  for (const FilesystemFlag& flag : kFilesystemFlags) {
    names.emplace_back(flag.on);
    if (!flag.off.empty()) names.emplace_back(flag.off);
  }
  std::sort(names.begin(), names.end());
  return names;
}

unsigned long ClassicFlags(const MountOptions& options) {
  return options.filesystem_bits | os::ClassicMountFlags(options.set);
}

}  // namespace wasmoor::jail
