#pragma once

#include <fcntl.h>

#include <filesystem>
#include <string>

#include "wasmoor/base/check.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::fuzz {

// A directory of its own, in memory where there is such a filesystem, gone at the end with all in
// it.
class Scratch {
 public:
  Scratch() {
    const char* parent = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    std::string name = std::string(parent) + "/wasmoor-fuzz-XXXXXX";
    CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::filesystem::path& path() const { return path_; }
  static os::Fd Open(const std::filesystem::path& directory) {
    os::Fd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    CHECK(fd.valid());
    return fd;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace wasmoor::fuzz
