#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::function {

// What tells one content of a file from the next, as far as its inode can. All 0: no file.
struct FileStamp {
  uint64_t device = 0, inode = 0, bytes = 0;
  int64_t modified = 0, changed = 0;  // mtime and ctime, in nanoseconds.
  bool is_link = false;  // The name is a symbolic link; the rest is of what it leads to.

  bool there() const { return inode != 0; }
  // Would a change after this moment show? Clocks of file systems may be as coarse as seconds.
  bool IsSettled(std::chrono::system_clock::time_point now) const {
    constexpr std::chrono::nanoseconds kCoarse = std::chrono::seconds(3);
    return std::chrono::nanoseconds(std::max(modified, changed)) + kCoarse < now.time_since_epoch();
  }
  bool operator==(const FileStamp&) const = default;
};

// Of a function: its module, and its manifest.
struct Stamps {
  FileStamp module, manifest;

  bool IsSettled(std::chrono::system_clock::time_point now) const {
    return module.IsSettled(now) && manifest.IsSettled(now);
  }
  bool operator==(const Stamps&) const = default;
};

// Of a name in a directory, which is opened for nothing. A link that leads out of the directory, or
// round in a circle, has the stamp of its own. An Error: nobody can tell now, the file system being
// away, say.
Result<FileStamp> StampAt(const os::Fd& directory, const std::string& name);

// What tells a directory from another that has come in its place, and one listing from the next.
struct DirectoryStamp {
  uint64_t device = 0, mount = 0, inode = 0;
  int64_t modified = 0, changed = 0;

  bool IsSameVolume(const DirectoryStamp& other) const {
    return device == other.device && mount == other.mount;
  }
  bool IsSameDirectory(const DirectoryStamp& other) const {
    return IsSameVolume(other) && inode == other.inode;
  }
  bool operator==(const DirectoryStamp&) const = default;
};
Result<DirectoryStamp> StampOfDirectory(const os::Fd& directory);

}  // namespace wasmoor::function
