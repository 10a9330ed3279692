#pragma once

#include <optional>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

// The right to make one entry, among all processes and threads: the flock(2) of a file beside the
// entry. The kernel gives it up when its holder dies, and its file is removed when it is given up,
// so that none stay behind but those of killed processes (which the next holder or Prune removes).
// Nothing is wrong if two hold it after all: an entry appears whole whoever makes it.
class KeyLock {
 public:
  // Nothing if somebody else holds it. An Error means that the directory cannot be written. Borrows
  // `directory`.
  static Result<std::optional<KeyLock>> Try(const os::Fd& directory, const std::string& entry);

  KeyLock(KeyLock&&) = default;
  KeyLock& operator=(KeyLock&&) = delete;
  ~KeyLock();

 private:
  KeyLock(const os::Fd& directory, std::string name, os::Fd file)
      : directory_(directory), name_(std::move(name)), file_(std::move(file)) {}

  const os::Fd& directory_;
  std::string name_;
  os::Fd file_;
};

// Removes a lock or a temporary file whose owner is dead; one whose owner lives is locked. True if
// it did.
bool RemoveIfDead(const os::Fd& directory, const std::string& name);

}  // namespace wasmoor::wasm
