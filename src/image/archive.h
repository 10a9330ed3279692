#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "image/sink.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// What of libarchive is used, as objects. Names are bytes: nothing is converted to or from a
// locale's character set.
namespace wasmoor::image {

// An entry of an archive. Owned by root, and of one time: nothing of this machine gets into it.
struct Entry {
  std::string path;    // Relative, without a slash at either end.
  mode_t mode = 0;     // Kind and permissions.
  uint64_t bytes = 0;  // Of a regular file.
  std::string target;  // Of a symbolic link.
};

// Writes a stream: a tar archive in GNU's form, which has paths of any length, or one file alone,
// compressed.
class ArchiveWriter {
 public:
  enum class Format : uint8_t { kTar, kGzip };

  // `sink` outlives it. `time`: of all entries, in seconds since 1970.
  static Result<ArchiveWriter> Create(Format format, int64_t time, Sink& sink);

  // Begins an entry; of a regular file, as many bytes as it says follow by Write.
  Status Add(const Entry& entry);
  Status Write(std::span<const uint8_t> bytes);
  // The bytes of the entry, from an open file. kAborted: it has become shorter or longer.
  Status WriteFile(const os::Fd& file, uint64_t bytes);
  Status Finish();

 private:
  struct State;
  struct Free {
    void operator()(State* state) const;
  };
  explicit ArchiveWriter(State* state) : state_(state) {}
  // What libarchive answers, as a Status; the sink's own error goes first.
  Status Check(ssize_t answer) const;

  std::unique_ptr<State, Free> state_;
};

// A file that comes through libarchive, compressed with gzip, into `sink`.
Status Compress(const os::Fd& file, uint64_t bytes, Sink& sink);

// Reads a tar archive from an open file, entry by entry.
class ArchiveReader {
 public:
  static Result<ArchiveReader> Create(const os::Fd& file);

  // False at the end. The reader's entry is in `entry` then.
  Result<bool> Next(Entry& entry);
  // The next bytes of the entry; fewer than there is room for at its end.
  Result<size_t> Read(std::span<uint8_t> out);

 private:
  struct State;
  struct Free {
    void operator()(State* state) const;
  };
  explicit ArchiveReader(State* state) : state_(state) {}

  std::unique_ptr<State, Free> state_;
};

}  // namespace wasmoor::image
