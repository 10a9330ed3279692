#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

class Cache;
class CompilerOutput;

// Precompiled code: native code that runs with the process's own rights. The type exists so that there
// is no way to load such code but from the compiler of this process or from our own cache, which only
// its owner can write and which verifies every entry: nobody else can make a TrustedCode. Never make
// one from an image, a volume, a request or a file that a user named.
class TrustedCode {
 public:
  TrustedCode(TrustedCode&&) = default;
  TrustedCode& operator=(TrustedCode&&) = default;

  bool in_file() const { return file_.valid(); }
  const os::Fd& file() const { return file_; }                       // The code from offset 0 on.
  std::span<const uint8_t> bytes() const { return bytes_; }          // If not in a file.
  bool is_component() const { return is_component_; }

 private:
  friend class Cache;           // Verified entries of the cache.
  friend class CompilerOutput;  // What an engine's compiler has just made.

  TrustedCode(std::vector<uint8_t> bytes, bool is_component)
      : bytes_(std::move(bytes)), is_component_(is_component) {}
  TrustedCode(os::Fd file, bool is_component)
      : file_(std::move(file)), is_component_(is_component) {}

  std::vector<uint8_t> bytes_;
  os::Fd file_;
  bool is_component_;
};

// For the Compile of an engine, and nothing else.
class CompilerOutput {
 public:
  static TrustedCode Trust(std::vector<uint8_t> bytes, bool is_component) {
    return TrustedCode(std::move(bytes), is_component);
  }
};

}  // namespace wasmoor::wasm
