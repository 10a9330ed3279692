#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/sha256.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::containerd {

// Content by its digest, kept on this node between shims: a directory of its owner alone with a
// file for each blob, named by the 64 digits of its SHA-256. A file has its name only once all of
// it is there and was held against the digest; so what has a name is trusted, as compiled code is
// that lies in a directory of the same kind. When there is too much, the oldest goes.
class Blobs {
 public:
  // Keeps nothing: blobs are files in memory.
  Blobs() = default;
  // kPermissionDenied and others as os::OpenPrivateDirectory has them.
  static Result<Blobs> Open(const std::filesystem::path& directory);

  // Readable; nothing if it is not there.
  std::optional<os::Fd> Find(const Digest& digest, uint64_t bytes) const;

  // A file for a blob, empty, readable and writable. It is gone with its descriptor unless kept.
  Result<os::Fd> NewFile() const;
  // Gives what NewFile made, complete and checked, its name, if names are kept here. The file as
  // one that nobody writes any more.
  Result<os::Fd> Keep(os::Fd file, const Digest& digest) const;

  static constexpr uint64_t kMostBytes = uint64_t{2} << 30;
  static constexpr size_t kMostFiles = 4096;

 private:
  void RemoveOldest(const std::string& keep) const;

  os::Fd directory_;  // O_PATH; not valid: nothing is kept.
};

}  // namespace wasmoor::containerd
