#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "wasmoor/os/fd.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::wasm {

class Cache;
class CompilerOutput;

// What a loader must know of precompiled code before it looks inside.
struct CodeInfo {
  Tier tier = Tier::kOptimized;
  bool is_component = false;
};

// Precompiled code: native code that runs with the process's own rights. The type exists so that
// there is no way to load such code but from the compiler of this process or from our own cache,
// which only its owner can write and which verifies every entry: nobody else can make a
// TrustedCode. Never make one from an image, a volume, a request or a file that a user named.
class TrustedCode {
 public:
  TrustedCode(TrustedCode&&) = default;
  TrustedCode& operator=(TrustedCode&&) = default;

  bool in_file() const { return file_.valid(); }
  const os::Fd& file() const { return file_; }               // The code from offset 0 on.
  std::span<const uint8_t> bytes() const { return bytes_; }  // If not in a file.
  const CodeInfo& info() const { return info_; }

 private:
  friend class Cache;           // Verified entries of the cache.
  friend class CompilerOutput;  // What an engine's compiler has just made.

  TrustedCode(std::vector<uint8_t> bytes, CodeInfo info) : bytes_(std::move(bytes)), info_(info) {}
  TrustedCode(os::Fd file, CodeInfo info) : file_(std::move(file)), info_(info) {}

  std::vector<uint8_t> bytes_;
  os::Fd file_;
  CodeInfo info_;
};

// For the Compile of an engine, and nothing else.
class CompilerOutput {
 public:
  static TrustedCode Trust(std::vector<uint8_t> bytes, CodeInfo info) {
    return TrustedCode(std::move(bytes), info);
  }
};

}  // namespace wasmoor::wasm
