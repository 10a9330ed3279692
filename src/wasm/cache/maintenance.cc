// The cache as a directory of files: what is in it, and what has to go.

#include "wasm/cache/maintenance.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "wasm/cache/entry.h"
#include "wasm/cache/lock.h"
#include "wasmoor/os/file.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::system_clock;

struct File {
  std::string name;
  uint64_t bytes;
  system_clock::time_point last_used;
};

system_clock::time_point TimeOf(const timespec& time) {
  return system_clock::time_point(std::chrono::seconds(time.tv_sec) +
                                  std::chrono::nanoseconds(time.tv_nsec));
}

// The entries among `names`, least recently used first, and their size together.
std::vector<File> StatEntries(const os::Fd& directory, const std::vector<std::string>& names,
                              uint64_t* total) {
  std::vector<File> files;
  for (const std::string& name : names) {
    if (KindOfName(name) != NameKind::kEntry) continue;
    const auto status = os::StatAt(directory, name.c_str());
    if (!status) continue;  // Removed meanwhile.
    files.push_back({name, static_cast<uint64_t>(status->st_size), TimeOf(status->st_mtim)});
    *total += files.back().bytes;
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.last_used < b.last_used; });
  return files;
}

void RemoveLeftovers(const os::Fd& directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const NameKind kind = KindOfName(name);
    if (kind == NameKind::kLock || kind == NameKind::kTemporary) RemoveIfDead(directory, name);
  }
}

Cache::Entry Describe(const std::string& name, OpenedEntry opened) {
  return {.module_hash = name.substr(0, kModuleDigits),
          .fingerprint = std::move(opened.info.key.fingerprint),
          .tier = opened.info.key.tier,
          .is_component = opened.info.code.is_component,
          .bytes = opened.file_bytes,
          .created = opened.info.created,
          .last_used = opened.last_used,
          .damage = std::move(opened.damage)};
}

// The damaged ones and the old ones go whatever the size.
bool MustGo(const os::Fd& directory, const File& file,
            const std::optional<system_clock::time_point>& older_than) {
  if (older_than && file.last_used < *older_than) return true;
  const auto opened = OpenEntry(directory, file.name, Depth::kWhole, nullptr);
  return opened && !opened->damage.empty();
}

}  // namespace

void Evict(const os::Fd& directory, uint64_t max_bytes, const std::string& keep) {
  // The directory itself is the lock: a second one evicting would count what the first is removing.
  const auto scan = os::OpenAt(directory, ".", O_RDONLY | O_DIRECTORY);
  if (!scan) return;
  const auto locked = os::TryLock(*scan);
  if (!locked || !*locked) return;
  const auto names = os::ReadNames(directory);
  if (!names) return;
  RemoveLeftovers(directory, *names);
  uint64_t total = 0;
  for (const File& file : StatEntries(directory, *names, &total)) {
    if (total <= max_bytes) return;
    if (file.name == keep) continue;
    if (os::UnlinkAt(directory, file.name.c_str())) total -= file.bytes;
  }
}

Result<std::vector<Cache::Entry>> Cache::ReadEntries(bool whole) const {
  std::vector<Entry> entries;
  if (!directory_.valid()) return entries;
  for (const std::string& name : TRY(os::ReadNames(directory_))) {
    if (KindOfName(name) != NameKind::kEntry) continue;
    auto opened = TRY(OpenEntry(directory_, name, whole ? Depth::kWhole : Depth::kLabel, nullptr));
    if (!opened.absent) entries.push_back(Describe(name, std::move(opened)));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.last_used > b.last_used; });
  return entries;
}

Result<std::vector<Cache::Entry>> Cache::List() const { return ReadEntries(false); }

Result<std::vector<Cache::Entry>> Cache::Verify() const { return ReadEntries(true); }

Result<Cache::Pruned> Cache::Prune(uint64_t max_bytes,
                                   std::optional<system_clock::time_point> older_than,
                                   PruneMode mode) const {
  Pruned pruned;
  if (!directory_.valid()) return pruned;
  const auto names = TRY(os::ReadNames(directory_));
  if (mode == PruneMode::kRemove) RemoveLeftovers(directory_, names);
  uint64_t total = 0;
  const auto remove = [&](const File& file) -> Status {
    const Status removed =
        mode == PruneMode::kCountOnly ? Status() : os::UnlinkAt(directory_, file.name.c_str());
    if (!removed && removed.error().code() != Code::kNotFound) return removed;
    total -= file.bytes;
    if (!removed) return {};  // Somebody else was faster.
    ++pruned.entries;
    pruned.bytes += file.bytes;
    return {};
  };
  std::vector<File> rest;
  for (File& file : StatEntries(directory_, names, &total)) {
    if (MustGo(directory_, file, older_than)) {
      TRY(remove(file));
    } else {
      rest.push_back(std::move(file));
    }
  }
  for (const File& file : rest) {
    if (total <= max_bytes) break;
    TRY(remove(file));
  }
  return pruned;
}

}  // namespace wasmoor::wasm
