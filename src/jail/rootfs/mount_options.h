#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"

namespace wasmoor::jail {

enum class IdMap : uint8_t { kNone, kMount, kTree };

// What the strings of mounts[].options ask for (OCI runtime-spec, config.md, "Linux mount
// options"), in the terms of mount_setattr(2).
struct MountOptions {
  // MOUNT_ATTR_* of the mount itself, and of it with all mounts below ("rro").
  uint64_t set = 0, clear = 0;
  uint64_t tree_set = 0, tree_clear = 0;

  bool bind = false, bind_tree = false;  // "bind", "rbind": the second implies the first.
  bool remount = false;
  bool copy_up = false;  // "tmpcopyup": a tmpfs begins with what lies beneath it.
  IdMap id_map = IdMap::kNone;

  struct Propagation {
    unsigned long type = 0;  // MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE.
    bool tree = false;
  };
  std::vector<Propagation> propagation;  // In order.

  // Of a new filesystem, not of a mount: "sync" and its like, as fsconfig(2) and as mount(2) have
  // them.
  std::vector<std::string> filesystem_flags;
  unsigned long filesystem_bits = 0;
  // What is no option of the runtime's: the filesystem's own ("size=1m", "userxattr").
  std::vector<std::string> data;
};

// Later options win over earlier ones. Nothing is unknown: what is not listed goes to the
// filesystem.
MountOptions ParseMountOptions(std::span<const std::string> options);

// All options that the runtime itself understands, sorted: for the document of `features`.
std::vector<std::string> KnownMountOptions();

// MOUNT_ATTR_* and the filesystem's bits as MS_* of mount(2).
unsigned long ClassicFlags(const MountOptions& options);

}  // namespace wasmoor::jail
