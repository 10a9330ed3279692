#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "wasmoor/oci/spec.h"
#include "wasmoor/seccomp/program.h"

// A filter as a file: its name and its bytes. (What keeps it: cache.cc.)
namespace wasmoor::seccomp {

// All that a filter depends on, as bytes, different for what is different: the profile, the version
// of libseccomp, the kernel and its architecture, and the format of this room's own work.
std::string KeyOf(const oci::Seccomp& profile);

// 32 hexadecimal digits: a hash of the key.
std::string EntryName(const std::string& key);
bool IsEntryName(const std::string& name);

std::vector<uint8_t> Encode(const std::string& key, const Program& program);

// Nothing if these are not the bytes of a filter for exactly this key.
std::optional<Program> Decode(const std::string& key, std::span<const uint8_t> bytes);

// The largest entry that is written or read. A profile that needs more is compiled every time.
constexpr size_t kMaxEntryBytes = size_t{256} << 10;

}  // namespace wasmoor::seccomp
