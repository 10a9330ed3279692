#include "wasm/cache/memo.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "wasmoor/os/file.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::nanoseconds;
using std::chrono::system_clock;

// Filesystems of this kernel (not of a server or a user's process) whose ctime has nanoseconds and
// follows every write. tmpfs is not among them: a store through a mapping changes no time there.
constexpr uint64_t kXfs = 0x58465342, kZfs = 0x2fc12fc1, kBcachefs = 0xca451a4e;
constexpr std::array<uint64_t, 7> kReliable = {
    EXT4_SUPER_MAGIC, BTRFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, kXfs, kZfs,
    kBcachefs};

constexpr uint64_t kMagic = 0x31656d6f6d6d7377;  // And the format's version.
constexpr size_t kSets = 256;
constexpr size_t kWays = 4;

struct Slot {
  uint64_t magic = 0;
  FileIdentity identity;
  Digest digest{};
  int64_t written_ns = 0;
  Checksum checksum;  // Of everything before it.
};
static_assert(sizeof(Slot) == 112 && std::has_unique_object_representations_v<Slot>);
using Set = std::array<Slot, kWays>;

Checksum ChecksumOfSlot(const Slot& slot) {
  return ChecksumOf({reinterpret_cast<const uint8_t*>(&slot), sizeof slot - sizeof slot.checksum});
}

bool Holds(const Slot& slot) {
  return slot.magic == kMagic && slot.checksum == ChecksumOfSlot(slot);
}

uint64_t OffsetOfSet(const FileIdentity& identity) {
  const std::array<uint64_t, 2> place = {identity.device, identity.inode};
  const Checksum sum = ChecksumOf({reinterpret_cast<const uint8_t*>(place.data()), sizeof place});
  return sum.low % kSets * sizeof(Set);
}

// The table, if it is one that nobody else can have written.
std::optional<os::Fd> OpenTable(const os::Fd& directory, int flags) {
  auto file = os::OpenAt(directory, kMemoName, flags | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);
  if (!file) return std::nullopt;
  const auto status = os::Stat(*file);
  if (!status || !S_ISREG(status->st_mode) || (status->st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
      (status->st_uid != geteuid() && status->st_uid != 0)) {
    return std::nullopt;
  }
  return std::move(*file);
}

Set ReadSet(const os::Fd& table, uint64_t offset) {
  Set set{};
  static_cast<void>(os::ReadAt(table, {reinterpret_cast<uint8_t*>(&set), sizeof set}, offset));
  return set;
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

std::optional<FileIdentity> IdentityOf(const os::Fd& file, const struct stat& status) {
  const auto filesystem = os::StatFilesystem(file);
  if (!filesystem || std::find(kReliable.begin(), kReliable.end(),
                               static_cast<uint64_t>(filesystem->f_type)) == kReliable.end()) {
    return std::nullopt;
  }
  if (status.st_ctim.tv_nsec == 0) return std::nullopt;
  FileIdentity identity{.device = status.st_dev,
                        .inode = status.st_ino,
                        .bytes = static_cast<uint64_t>(status.st_size),
                        .modified_ns = Nanoseconds(status.st_mtim),
                        .changed_ns = Nanoseconds(status.st_ctim)};
  static_assert(sizeof filesystem->f_fsid == sizeof identity.filesystem);
  std::memcpy(&identity.filesystem, &filesystem->f_fsid, sizeof identity.filesystem);
  return identity;
}

std::optional<Digest> HashMemo::Find(const FileIdentity& identity) const {
  const auto table = OpenTable(directory_, O_RDONLY);
  if (!table) return std::nullopt;
  for (const Slot& slot : ReadSet(*table, OffsetOfSet(identity))) {
    if (slot.identity == identity && Holds(slot)) return slot.digest;
  }
  return std::nullopt;
}

void HashMemo::Remember(const FileIdentity& identity, const Digest& digest,
                        system_clock::time_point read_at) const {
  const nanoseconds age = read_at.time_since_epoch() - nanoseconds(identity.changed_ns);
  if (age < kMemoSettleTime) return;
  const auto table = OpenTable(directory_, O_RDWR | O_CREAT);
  if (!table) return;
  const uint64_t offset = OffsetOfSet(identity);
  Set set = ReadSet(*table, offset);
  // The slot of the same file, else an empty one, else the oldest.
  const auto rank = [&](const Slot& slot) -> int64_t {
    if (!Holds(slot)) return -1;
    const bool same =
        slot.identity.device == identity.device && slot.identity.inode == identity.inode;
    return same ? -2 : slot.written_ns;
  };
  const auto slot = std::min_element(
      set.begin(), set.end(), [&](const Slot& a, const Slot& b) { return rank(a) < rank(b); });
  *slot = Slot{.magic = kMagic,
               .identity = identity,
               .digest = digest,
               .written_ns = nanoseconds(read_at.time_since_epoch()).count()};
  slot->checksum = ChecksumOfSlot(*slot);
  static_cast<void>(os::WriteAt(*table, {reinterpret_cast<const uint8_t*>(&*slot), sizeof *slot},
                                offset + static_cast<uint64_t>(slot - set.begin()) * sizeof *slot));
}

}  // namespace wasmoor::wasm
