#pragma once

#include <cstdint>
#include <span>

#include "base/sha256.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::image {

// Where bytes go.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual Status Write(std::span<const uint8_t> bytes) = 0;
};

// Into an open file, counted and hashed on their way.
class FileSink : public Sink {
 public:
  explicit FileSink(const os::Fd& file) : file_(file) {}
  Status Write(std::span<const uint8_t> bytes) override;

  uint64_t bytes() const { return bytes_; }
  Digest Finish() { return hash_.Finish(); }

 private:
  const os::Fd& file_;
  uint64_t bytes_ = 0;
  Sha256 hash_;
};

// Into another sink, hashed on their way.
class HashSink : public Sink {
 public:
  explicit HashSink(Sink& next) : next_(next) {}
  Status Write(std::span<const uint8_t> bytes) override;
  Digest Finish() { return hash_.Finish(); }

 private:
  Sink& next_;
  Sha256 hash_;
};

}  // namespace wasmoor::image
