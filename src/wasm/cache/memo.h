#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "wasm/cache/hash.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

// What identifies one content of one file, as far as its inode can tell.
struct FileIdentity {
  uint64_t device = 0, inode = 0, bytes = 0;
  int64_t modified_ns = 0, changed_ns = 0;  // mtime and ctime since the epoch.
  uint64_t filesystem = 0;                  // statfs's f_fsid.
  bool operator==(const FileIdentity&) const = default;
};

// Nothing for a file whose times cannot be relied on: on a filesystem not known to keep a ctime of
// nanoseconds by this kernel's own clock, or with times that were made up (an image built
// reproducibly).
std::optional<FileIdentity> IdentityOf(const os::Fd& file, const struct stat& status);

// Remembers the SHA-256 of big modules, so that a start reads no module file whose code is in the
// cache: one file of fixed size, a table of slots that are each checksummed, so that it needs no
// lock and a torn write is an empty slot. Losing it costs time only.
//
// The rule is git's for its index: a digest is written down only if the file's last change (ctime,
// which nobody can set) is so old that a change to come will show in it. Its limit is git's too: a
// store through a shared writable mapping shows only when the kernel next takes the page for dirty.
class HashMemo {
 public:
  explicit HashMemo(const os::Fd& directory) : directory_(directory) {}  // Borrowed.

  std::optional<Digest> Find(const FileIdentity& identity) const;
  // `identity` is that of before the file was read, and still that of after it.
  void Remember(const FileIdentity& identity, const Digest& digest,
                std::chrono::system_clock::time_point read_at) const;

 private:
  const os::Fd& directory_;
};

constexpr char kMemoName[] = "hashes";
constexpr std::chrono::seconds kMemoSettleTime{
    2};  // Many times the coarsest clock tick of the kernel.

}  // namespace wasmoor::wasm
