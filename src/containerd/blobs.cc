#include "containerd/blobs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "base/checksum.h"
#include "os/private_directory.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"

namespace wasmoor::containerd {
namespace {

constexpr mode_t kMode = 0600;

Result<os::Fd> OpenAgain(const os::Fd& file) {
  const std::string path = fmt::format("/proc/self/fd/{}", file.get());
  return os::OpenAt(os::Fd(), path.c_str(), O_RDONLY);
}

}  // namespace

Result<Blobs> Blobs::Open(const std::filesystem::path& directory) {
  Blobs blobs;
  blobs.directory_ = TRY(os::OpenPrivateDirectory(
      directory, {.what = "the directory of modules of images",
                  .content = "the modules in it",
                  .remedy = "choose another directory, or mend this one"}));
  return blobs;
}

std::optional<os::Fd> Blobs::Find(const Digest& digest, uint64_t bytes) const {
  if (!directory_.valid()) return std::nullopt;
  auto file = os::OpenAt(directory_, ToHex(digest).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return std::nullopt;
  const auto status = os::Stat(*file);
  const bool whole =
      status && S_ISREG(status->st_mode) && static_cast<uint64_t>(status->st_size) == bytes;
  if (!whole) return std::nullopt;
  return std::move(*file);
}

Result<os::Fd> Blobs::NewFile() const {
  if (directory_.valid()) {
    if (auto file = os::OpenUnnamed(directory_, kMode)) return file;
  }
  return os::FileInMemory("wasmoor-module", {});
}

Result<os::Fd> Blobs::Keep(os::Fd file, const Digest& digest) const {
  const std::string name = ToHex(digest);
  if (directory_.valid()) {
    // Fails for a file in memory, which is as good; and for one that somebody else has kept
    // meanwhile, or that was cut off by a crash.
    Status linked = os::LinkUnnamed(file, directory_, name.c_str());
    if (!linked && linked.error().code() == Code::kAlreadyExists) {
      const auto there = os::StatAt(directory_, name.c_str());
      const auto here = os::Stat(file);
      if (there && here && there->st_size != here->st_size) {
        static_cast<void>(os::UnlinkAt(directory_, name.c_str()));
        linked = os::LinkUnnamed(file, directory_, name.c_str());
      }
    }
    if (linked) RemoveOldest(name);
  }
  return OpenAgain(file);
}

// No failure matters: the next one tries again.
void Blobs::RemoveOldest(const std::string& keep) const {
  struct Entry {
    std::string name;
    int64_t time;
    uint64_t bytes;
  };
  const auto names = os::ReadNames(directory_);
  if (!names) return;
  std::vector<Entry> entries;
  uint64_t bytes = 0;
  for (const std::string& name : *names) {
    const auto status = os::StatAt(directory_, name.c_str());
    if (!status || !S_ISREG(status->st_mode)) continue;
    bytes += static_cast<uint64_t>(status->st_size);
    entries.push_back({name, status->st_mtim.tv_sec, static_cast<uint64_t>(status->st_size)});
  }
  std::ranges::sort(entries, {}, &Entry::time);
  size_t files = entries.size();
  for (const Entry& entry : entries) {
    if (bytes <= kMostBytes && files <= kMostFiles) return;
    if (entry.name == keep) continue;
    if (!os::UnlinkAt(directory_, entry.name.c_str())) continue;
    bytes -= entry.bytes;
    --files;
  }
}

}  // namespace wasmoor::containerd
