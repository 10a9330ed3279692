#pragma once

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "support/scratch.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// What the benchmarks inside one process share. A benchmark whose setting cannot be made ends its
// program: a figure from half a setting would be worse than none.
namespace wasmoor::bench {

[[noreturn]] inline void Die(const std::string& why) {
  fprintf(stderr, "benchmark: %s\n", why.c_str());
  exit(1);
}

template <typename T>
T Must(Result<T> result) {
  if (!result) Die(result.error().message());
  return internal::Take(std::move(result));
}

// The guest NAME of tests/guests, compiled: NAME.wasm in the folder that $WASMOOR_GUESTS names.
inline std::filesystem::path GuestPath(const std::string& name) {
  const char* folder = getenv("WASMOOR_GUESTS");
  if (folder == nullptr) Die("set WASMOOR_GUESTS to the folder of the compiled guests");
  return std::filesystem::path(folder) / (name + ".wasm");
}

inline std::vector<uint8_t> ReadGuest(const std::string& name) {
  std::ifstream file(GuestPath(name), std::ios::binary);
  if (!file) Die("there is no guest " + GuestPath(name).native() + ": build the target 'guests'");
  return {std::istreambuf_iterator<char>(file), {}};
}

inline os::Fd Open(const std::string& path, int flags) {
  os::Fd file(open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (!file.valid()) Die("cannot open " + path);
  return file;
}

// A descriptor of its own for what `file` refers to, as a host hands one to each of its guests.
inline os::Fd Duplicate(const os::Fd& file) {
  return os::Fd(fcntl(file.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

// A folder in memory, so that no disk is measured; gone at the end with all that is in it.
class ScratchDirectory : public test::ScratchDirectory {
 public:
  ScratchDirectory() : test::ScratchDirectory(test::MemoryDirectory()) {}
  void Write(const std::string& name, size_t bytes) const {
    test::WriteFile(path() / name, std::string(bytes, 'x'));
  }
};

}  // namespace wasmoor::bench
