#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wasm/cache/hash.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/wasm/options.h"
#include "wasmoor/wasm/trusted_code.h"

// The file of one entry: its name, its format and its verification. (What it is for: cache.cc.)
namespace wasmoor::wasm {

// What an entry is looked up by.
struct EntryKey {
  Digest module{};          // SHA-256 of the .wasm.
  std::string fingerprint;  // Engine::Fingerprint(tier).
  Tier tier = Tier::kOptimized;

  // "<64 digits of the module>-<32 digits of fingerprint and tier>".
  std::string FileName() const;
};

// What else an entry says of itself.
struct EntryInfo {
  EntryKey key;
  CodeInfo code;
  uint64_t code_bytes = 0;
  std::chrono::system_clock::time_point created;
};

// What a name in the cache's directory is.
enum class NameKind : uint8_t { kEntry, kLock, kTemporary, kForeign };
NameKind KindOfName(std::string_view name);
constexpr std::string_view kLockSuffix = ".lock";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr size_t kModuleDigits = 64;  // Of a name.

// Writes a whole entry into an empty file at its start, and looks whether all of it is there.
Status WriteEntry(const os::Fd& file, std::span<const uint8_t> code, const CodeInfo& info,
                  const EntryKey& key);

// What opening or reading an entry came to.
struct OpenedEntry {
  os::Fd file;  // Valid if the entry is sound.
  EntryInfo info;
  std::chrono::system_clock::time_point last_used;
  uint64_t file_bytes = 0;
  std::string damage;  // What is wrong with it: "its checksum does not match".
  bool absent = false;
};

enum class Depth : uint8_t {
  kLabel,  // Who may write it, and its trailer.
  kWhole,  // Every byte.
};

// Opens the entry `name` and verifies it. With `expected`, an entry that holds something else is
// damaged too. An Error means that this process cannot open anything (descriptors, memory).
Result<OpenedEntry> OpenEntry(const os::Fd& directory, const std::string& name, Depth depth,
                              const EntryKey* expected);

// The same of one that is open, whose name may not be known (empty).
Result<OpenedEntry> ReadEntry(os::Fd file, const std::string& name, Depth depth,
                              const EntryKey* expected);

}  // namespace wasmoor::wasm
