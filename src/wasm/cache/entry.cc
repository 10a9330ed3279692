#include "wasm/cache/entry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <type_traits>

#include "wasmoor/base/time.h"
#include "wasmoor/os/file.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::system_clock;

constexpr std::array<char, 8> kMagic = {'w', 'a', 's', 'm', 'o', 'o', 'r', 'C'};
constexpr uint32_t kFormat = 1;
constexpr uint32_t kMaxFingerprint = 4096;  // Bytes; far more than an engine says.

// The end of an entry. Little-endian as it stands in memory; the code before it is of this machine
// too.
struct Trailer {
  std::array<char, 8> magic = kMagic;
  uint32_t format = kFormat;
  uint8_t tier = 0;
  uint8_t is_component = 0;
  uint16_t zero = 0;
  uint64_t code_bytes = 0;
  int64_t created_ns = 0;  // Since the epoch.
  Digest module{};
  uint32_t zero_too = 0;
  uint32_t fingerprint_bytes = 0;  // It stands before the trailer.
  Checksum checksum;               // Of everything before it: code, fingerprint, trailer.
};
static_assert(sizeof(Trailer) == 88 && std::has_unique_object_representations_v<Trailer>);
constexpr size_t kLabelBytes = sizeof(Trailer) - sizeof(Checksum);

std::span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::span<const uint8_t> LabelOf(const Trailer& trailer) {
  return {reinterpret_cast<const uint8_t*>(&trailer), kLabelBytes};
}

bool AllHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What makes the file itself untrustworthy, whatever it holds; empty if nothing does.
std::string FileDamage(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return "it is not a regular file";
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return fmt::format("it belongs to user {}", status.st_uid);
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fmt::format("other users can write it (mode {:04o})", status.st_mode & 07777);
  }
  // None is left when it was evicted a moment ago; it is as good as before.
  if (status.st_nlink > 1) return fmt::format("it has {} names", status.st_nlink);
  return "";
}

std::string TrailerDamage(const Trailer& trailer, uint64_t file_bytes) {
  if (trailer.magic != kMagic) return "it does not end as an entry does (cut short, or not one)";
  if (trailer.format != kFormat) {
    return fmt::format("it has format {}, this wasmoor reads {}", trailer.format, kFormat);
  }
  if (trailer.fingerprint_bytes > kMaxFingerprint || trailer.code_bytes > file_bytes ||
      trailer.code_bytes + trailer.fingerprint_bytes + sizeof trailer != file_bytes) {
    return "its size is not what it says";
  }
  if (trailer.tier > static_cast<uint8_t>(Tier::kBaseline) || trailer.is_component > 1) {
    return "its description makes no sense";
  }
  return "";
}

// Reads the trailer and the fingerprint into `entry`; what is wrong with them, or empty.
std::string ReadLabel(OpenedEntry& entry, Trailer& trailer) {
  if (entry.file_bytes < sizeof trailer) {
    return entry.file_bytes == 0 ? "it is empty" : "it is cut short";
  }
  const std::span raw(reinterpret_cast<uint8_t*>(&trailer), sizeof trailer);
  auto got = os::ReadAt(entry.file, raw, entry.file_bytes - sizeof trailer);
  if (!got) return got.error().message();
  if (*got != raw.size()) return "it is cut short";
  if (std::string damage = TrailerDamage(trailer, entry.file_bytes); !damage.empty()) return damage;
  std::string& fingerprint = entry.info.key.fingerprint;
  fingerprint.resize(trailer.fingerprint_bytes);
  got = os::ReadAt(entry.file, {reinterpret_cast<uint8_t*>(fingerprint.data()), fingerprint.size()},
                   trailer.code_bytes);
  if (!got) return got.error().message();
  if (*got != fingerprint.size()) return "it is cut short";
  entry.info.key.module = trailer.module;
  entry.info.key.tier = static_cast<Tier>(trailer.tier);
  entry.info.code = {.tier = entry.info.key.tier, .is_component = trailer.is_component == 1};
  entry.info.code_bytes = trailer.code_bytes;
  entry.info.created = FromNanoseconds(trailer.created_ns);
  return "";
}

std::string LabelDamage(const EntryKey& found, const std::string& name, const EntryKey* expected) {
  if (expected != nullptr && found.module != expected->module) return "it is of another module";
  if (expected != nullptr &&
      (found.fingerprint != expected->fingerprint || found.tier != expected->tier)) {
    return "it is of another engine, CPU or setting";
  }
  if (!name.empty() && found.FileName() != name) return "its name is not what it says";
  return "";
}

std::string ContentDamage(const OpenedEntry& entry, const Trailer& trailer) {
  Checksummer sum;
  std::array<uint8_t, kReadBuffer> buffer;
  for (uint64_t offset = 0; offset < trailer.code_bytes;) {
    const auto want = std::min<uint64_t>(buffer.size(), trailer.code_bytes - offset);
    const auto got = os::ReadAt(entry.file, std::span(buffer).first(want), offset);
    if (!got) return got.error().message();
    if (*got != want) return "it is cut short";
    sum.Update(std::span(buffer).first(want));
    offset += want;
  }
  sum.Update(AsBytes(entry.info.key.fingerprint));
  sum.Update(LabelOf(trailer));
  return sum.Finish() == trailer.checksum ? "" : "its checksum does not match";
}

// A failure to open that says something of the entry, and not of this process.
bool IsOfTheFile(int error_number) {
  return error_number != EMFILE && error_number != ENFILE && error_number != ENOMEM;
}

}  // namespace

std::string EntryKey::FileName() const {
  Checksummer sum;
  sum.Update(AsBytes(fingerprint));
  const std::array<uint8_t, 1> last = {static_cast<uint8_t>(tier)};
  sum.Update(last);
  const Checksum engine = sum.Finish();
  return fmt::format("{}-{:016x}{:016x}", ToHex(module), engine.high, engine.low);
}

NameKind KindOfName(std::string_view name) {
  constexpr size_t kEngineDigits = 32;
  constexpr size_t kEntryDigits = kModuleDigits + 1 + kEngineDigits;
  if (name.size() < kEntryDigits || name[kModuleDigits] != '-' ||
      !AllHex(name.substr(0, kModuleDigits)) ||
      !AllHex(name.substr(kModuleDigits + 1, kEngineDigits))) {
    return NameKind::kForeign;
  }
  const std::string_view rest = name.substr(kEntryDigits);
  if (rest.empty()) return NameKind::kEntry;
  if (rest == kLockSuffix) return NameKind::kLock;
  return rest.ends_with(kTemporarySuffix) ? NameKind::kTemporary : NameKind::kForeign;
}

Status WriteEntry(const os::Fd& file, std::span<const uint8_t> code, const CodeInfo& info,
                  const EntryKey& key) {
  if (key.fingerprint.size() > kMaxFingerprint) {
    return Fail(Code::kInvalidArgument, "the engine's fingerprint has {} bytes; an entry holds {}",
                key.fingerprint.size(), kMaxFingerprint);
  }
  Trailer trailer;
  trailer.tier = static_cast<uint8_t>(info.tier);
  trailer.is_component = info.is_component ? 1 : 0;
  trailer.code_bytes = code.size();
  trailer.created_ns = ToNanoseconds(system_clock::now());
  trailer.module = key.module;
  trailer.fingerprint_bytes = static_cast<uint32_t>(key.fingerprint.size());
  Checksummer sum;
  sum.Update(code);
  sum.Update(AsBytes(key.fingerprint));
  sum.Update(LabelOf(trailer));
  trailer.checksum = sum.Finish();

  TRY(os::WriteAll(file, code));
  TRY(os::WriteAll(file, AsBytes(key.fingerprint)));
  TRY(os::WriteAll(file, {reinterpret_cast<const uint8_t*>(&trailer), sizeof trailer}));
  const uint64_t expected = code.size() + key.fingerprint.size() + sizeof trailer;
  const struct stat status = TRY(os::Stat(file));
  if (static_cast<uint64_t>(status.st_size) != expected) {
    return Fail(Code::kDataLoss, "{} of {} bytes are in the file that was written", status.st_size,
                expected);
  }
  return {};
}

Result<OpenedEntry> OpenEntry(const os::Fd& directory, const std::string& name, Depth depth,
                              const EntryKey* expected) {
  OpenedEntry entry;
  // O_NONBLOCK: opening a FIFO in the entry's place must not wait for a writer.
  auto file = os::OpenAt(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) {
    const int error_number = file.error().error_number();
    if (!IsOfTheFile(error_number)) return tl::unexpected(std::move(file).error());
    entry.absent = error_number == ENOENT;
    if (error_number == ELOOP) {
      entry.damage = "it is a symbolic link";
    } else if (!entry.absent) {
      entry.damage = file.error().message();
    }
    return entry;
  }
  return ReadEntry(std::move(*file), name, depth, expected);
}

Result<OpenedEntry> ReadEntry(os::Fd file, const std::string& name, Depth depth,
                              const EntryKey* expected) {
  OpenedEntry entry;
  entry.file = std::move(file);
  const struct stat status = TRY(os::Stat(entry.file));
  entry.file_bytes = static_cast<uint64_t>(status.st_size);
  entry.last_used = system_clock::time_point(std::chrono::seconds(status.st_mtim.tv_sec) +
                                             std::chrono::nanoseconds(status.st_mtim.tv_nsec));
  Trailer trailer;
  entry.damage = FileDamage(status);
  if (entry.damage.empty()) entry.damage = ReadLabel(entry, trailer);
  if (entry.damage.empty()) entry.damage = LabelDamage(entry.info.key, name, expected);
  if (entry.damage.empty() && depth == Depth::kWhole) entry.damage = ContentDamage(entry, trailer);
  if (!entry.damage.empty()) entry.file.Close();
  return entry;
}

}  // namespace wasmoor::wasm
