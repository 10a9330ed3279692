#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "wasi/reply.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasi {

// Whether a directory's descriptor was read before, and may stand anywhere.
enum class Listing : uint8_t { kFirst, kAgain };

// A listing in progress. The kernel hands out entries by the buffer, the guest takes them by its
// own and resumes by cookie: what it has not taken yet stays here, so that a guest with a small
// buffer costs no more directory reads than one with a large one. A cookie is the kernel's own
// position (d_off of getdents64(2), which lseek(2) takes), so that any that was ever handed out
// remains good.
class DirectoryReader {
 public:
  explicit DirectoryReader(Listing listing) : displaced_(listing == Listing::kAgain) {}

  // Fills `out` with entries as fd_readdir lays them out, from the one that follows `cookie`; the
  // last may be cut off. `*written` < out.size() means that the directory ends there.
  //
  // `directory` must be the guest's own open file description; one that is shared or cannot be read
  // (`shared`) is opened again for this listing.
  Reply Read(const hostcall::Call& call, const os::Fd& directory, bool shared, uint64_t cookie,
             std::span<uint8_t> out, size_t* written);

 private:
  Reply Seek(const hostcall::Call& call, const os::Fd& directory, uint64_t cookie);
  Reply Fill(const hostcall::Call& call, const os::Fd& directory);
  bool SeekInBuffer(uint64_t cookie);

  static constexpr size_t kBufferBytes = 32 * 1024;

  os::Fd own_;                      // The second description of a shared directory.
  std::unique_ptr<char[]> buffer_;  // Entries as getdents64 laid them out: [0, end_) of them.
  size_t next_ = 0;                 // The first entry that the guest has not taken.
  size_t end_ = 0;
  uint64_t next_cookie_ = 0;  // The cookie that entry follows.
  bool displaced_;            // The kernel may stand elsewhere than after the buffer.
};

// The listings of one guest. At most kMost buffers exist, however many directories it reads at
// once: the one that was not used for longest gives way, and its guest's next cookie seeks.
class DirectoryReaders {
 public:
  static constexpr size_t kMost = 8;

  DirectoryReader& Of(uint64_t serial, Listing listing);
  void Drop(uint64_t serial);

 private:
  struct Entry {
    uint64_t serial;
    uint64_t used;
    std::unique_ptr<DirectoryReader> reader;
  };
  std::vector<Entry> entries_;
  uint64_t clock_ = 0;
};

}  // namespace wasmoor::wasi
