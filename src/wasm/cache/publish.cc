#include "wasm/cache/publish.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <array>

#include "wasm/cache/lock.h"
#include "wasmoor/os/file.h"

namespace wasmoor::wasm {
namespace {

// Readable to whoever the directory is readable to: normally its owner alone. Writable to nobody:
// an entry is never written again, and a guest that has taken over a process of its owner's, in a
// container, finds it open there and may not open it anew.
Result<mode_t> EntryMode(const os::Fd& directory) {
  const struct stat status = TRY(os::Stat(directory));
  return S_IRUSR | (status.st_mode & (S_IRGRP | S_IROTH));
}

struct Temporary {
  std::string name;
  os::Fd file;
};

// A file for this process to fill, locked while it lives so that nobody takes it for a leftover.
Result<Temporary> MakeTemporary(const os::Fd& directory, const std::string& entry, mode_t mode) {
  for (;;) {
    std::array<uint8_t, 8> random;
    if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
      return FailErrno(errno, "getrandom");
    }
    std::string name = fmt::format("{}.{}{}", entry, ToHex(random), kTemporarySuffix);
    os::Fd file = TRY(os::OpenAt(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL, mode));
    const bool locked = TRY(os::TryLock(file));
    // Somebody may have found it before it was locked, and removed it or be about to.
    if (locked && os::IsNamed(file, directory, name.c_str()))
      return Temporary{std::move(name), std::move(file)};
  }
}

// For filesystems without unnamed files.
Status PublishByRename(const os::Fd& directory, std::span<const uint8_t> code, const CodeInfo& info,
                       const EntryKey& key, mode_t mode) {
  const std::string name = key.FileName();
  const Temporary temporary = TRY(MakeTemporary(directory, name, mode));
  Status done = WriteEntry(temporary.file, code, info, key);
  if (done) done = os::RenameAt(directory, temporary.name.c_str(), name.c_str());
  if (!done) static_cast<void>(os::UnlinkAt(directory, temporary.name.c_str()));
  return done;
}

}  // namespace

Status Publish(const os::Fd& directory, std::span<const uint8_t> code, const CodeInfo& info,
               const EntryKey& key) {
  const mode_t mode = TRY(EntryMode(directory));
  const auto file = os::OpenUnnamed(directory, mode);
  if (!file) {
    if (file.error().code() != Code::kUnimplemented) return tl::unexpected(file.error());
    return PublishByRename(directory, code, info, key, mode);
  }
  TRY(WriteEntry(*file, code, info, key));
  const Status linked = os::LinkUnnamed(*file, directory, key.FileName().c_str());
  if (linked || linked.error().code() == Code::kAlreadyExists) return {};
  // Without /proc and without the capability to do without it.
  return PublishByRename(directory, code, info, key, mode);
}

}  // namespace wasmoor::wasm
