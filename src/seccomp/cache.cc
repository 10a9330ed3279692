// Filters that were made before.
//
// An entry is one file, named after a hash of all that the filter depends on, which it holds too
// (cache_entry.h). It is written without a name and then given one (O_TMPFILE, linkat), so that
// there is never half an entry: not when its writer is killed, not on a full disk, and not when
// several write the same, of whom the first wins. A filesystem that cannot do that keeps nothing.
// No lock is needed, and nothing is left behind.
//
// The lookup writes nothing, not even when an entry was used: which one is the oldest goes by when
// it was made.

#include "wasmoor/seccomp/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "os/private_directory.h"
#include "seccomp/cache_entry.h"
#include "wasmoor/os/file.h"

namespace wasmoor::seccomp {
namespace {

constexpr size_t kMostEntries = 64;

// Whether nobody but this user and root can have written what is in the file. A second name would
// be one that others may open it by.
bool IsTrusted(const struct stat& status) {
  return S_ISREG(status.st_mode) && (status.st_uid == ::geteuid() || status.st_uid == 0) &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 && status.st_nlink == 1 &&
         status.st_size <= static_cast<off_t>(kMaxEntryBytes);
}

std::optional<Program> Find(const os::Fd& directory, const std::string& key,
                            const std::string& name) {
  // Not to wait, should it be a FIFO.
  const auto file =
      os::OpenAt(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!file) return std::nullopt;
  const auto status = os::Stat(*file);
  if (!status || !IsTrusted(*status)) return std::nullopt;
  const auto bytes = os::ReadAll(*file, kMaxEntryBytes);
  return bytes ? Decode(key, *bytes) : std::nullopt;
}

// Makes room for one more entry.
void RemoveOldest(const os::Fd& directory) {
  const auto names = os::ReadNames(directory);
  if (!names) return;
  using Entry = std::tuple<time_t, long, std::string>;  // By age.
  std::vector<Entry> entries;
  for (const std::string& name : *names) {
    if (!IsEntryName(name)) continue;
    const auto status = os::StatAt(directory, name.c_str());
    if (status) entries.emplace_back(status->st_mtim.tv_sec, status->st_mtim.tv_nsec, name);
  }
  if (entries.size() < kMostEntries) return;
  std::sort(entries.begin(), entries.end());
  entries.resize(entries.size() - kMostEntries + 1);
  for (const Entry& old : entries)
    static_cast<void>(os::UnlinkAt(directory, std::get<std::string>(old).c_str()));
}

Status Keep(const os::Fd& directory, const std::string& name, std::span<const uint8_t> entry) {
  const os::Fd file = TRY(os::OpenUnnamed(directory, S_IRUSR | S_IWUSR));
  TRY(os::WriteAll(file, entry));
  const Status linked = os::LinkUnnamed(file, directory, name.c_str());
  if (linked || linked.error().code() != Code::kAlreadyExists) return linked;
  // What has the name was of no use a moment ago; if somebody has put a sound one there since, this
  // one is as good.
  TRY(os::UnlinkAt(directory, name.c_str()));
  return os::LinkUnnamed(file, directory, name.c_str());
}

}  // namespace

Result<Program> CompileCached(const oci::Seccomp& profile, const std::filesystem::path& directory) {
  const auto opened = os::OpenPrivateDirectory(directory, {.what = "the cache of seccomp filters",
                                                           .content = "its filters",
                                                           .remedy = "choose another directory"});
  if (!opened) return Compile(profile);
  const std::string key = KeyOf(profile);
  const std::string name = EntryName(key);
  if (auto found = Find(*opened, key, name)) return *std::move(found);
  Program program = TRY(Compile(profile));
  const std::vector<uint8_t> entry = Encode(key, program);
  if (entry.size() <= kMaxEntryBytes) {
    RemoveOldest(*opened);
    // It is found again, or made again.
    static_cast<void>(Keep(*opened, name, entry));
  }
  return program;
}

}  // namespace wasmoor::seccomp
