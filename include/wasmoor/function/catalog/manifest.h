#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::function {

// How what a function writes becomes a reply.
enum class Reply : uint8_t {
  kAuto,     // As the request asks for it.
  kPlain,    // As it is.
  kCgi,      // It begins with headers (RFC 3875, section 6).
  kWasmbox,  // In WasmBox's format.
};

// What a function's own file says of it: NAME.toml beside NAME.wasm. Who can write the one can
// write the other, so that it asks, and what it gets is for the operator to say (granting.h). Plain
// values; what is not there is as the server has it.
struct Manifest {
  using Variables = std::vector<std::pair<std::string, std::string>>;

  struct Limits {
    std::optional<uint32_t> cpu_millicores;
    std::optional<uint64_t> memory_bytes, body_bytes;
    std::optional<std::chrono::milliseconds> timeout;  // Of one request.
    bool operator==(const Limits&) const = default;
  };
  // Of components of wasi:http: an instance serves so many requests, one after the other, and ends
  // after so long without one. 1: a fresh one for each.
  struct Reuse {
    uint32_t requests = 1;
    std::chrono::milliseconds idle{10'000};
    bool operator==(const Reuse&) const = default;
  };
  struct Directory {
    std::string host, guest;
    wasi::Access access = wasi::Access::kReadOnly;
    bool operator==(const Directory&) const = default;
  };

  Limits limits;
  std::string entry;                   // An export to run instead of the command's entry point.
  std::vector<std::string> arguments;  // argv from [1] on.
  Reply reply = Reply::kAuto;
  Reuse reuse;
  bool own_process = false;  // It is not to share one with other tenants' functions.
  Variables environment;     // Sorted by name.
  Variables secrets;         // Variables by name, and the files that their values are in.
  std::vector<Directory> directories;
  std::vector<std::string> outgoing;  // As serve::ParseDestinations has them.
  bool operator==(const Manifest&) const = default;
};

constexpr uint64_t kMostManifestBytes = 64 << 10;

// kInvalidArgument names `source`, in most cases the line, and what is wrong: TOML, a setting that
// is not known, or a value that makes no sense anywhere. The text may be hostile.
Result<Manifest> ParseManifest(std::string_view text, std::string_view source);

// The text of `file` (NAME.toml) in a directory, nothing if it is not there. Symbolic links are
// followed as long as they stay below the directory. kInvalidArgument: what is there is no regular
// file, leads out of the directory, or is too big.
Result<std::optional<std::string>> ReadManifestText(const os::Fd& directory,
                                                    const std::string& file);

}  // namespace wasmoor::function
