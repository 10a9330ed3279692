#include "wasm/cache/lock.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "wasm/cache/entry.h"
#include "wasmoor/os/file.h"

namespace wasmoor::wasm {

Result<std::optional<KeyLock>> KeyLock::Try(const os::Fd& directory, const std::string& entry) {
  std::string name = entry + std::string(kLockSuffix);
  for (;;) {
    os::Fd file = TRY(os::OpenAt(directory, name.c_str(),
                                 O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR));
    if (!TRY(os::TryLock(file))) return std::nullopt;
    if (os::IsNamed(file, directory, name.c_str()))
      return KeyLock(directory, std::move(name), std::move(file));
  }
}

KeyLock::~KeyLock() {
  // While it is locked: whoever has opened the file meanwhile sees that it lost its name, and opens
  // the next one. A failure leaves the file to Prune.
  if (file_.valid()) static_cast<void>(os::UnlinkAt(directory_, name_.c_str()));
}

bool RemoveIfDead(const os::Fd& directory, const std::string& name) {
  const auto file = os::OpenAt(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return false;
  const auto locked = os::TryLock(*file);
  if (!locked || !*locked || !os::IsNamed(*file, directory, name.c_str())) return false;
  return os::UnlinkAt(directory, name.c_str()).has_value();
}

}  // namespace wasmoor::wasm
