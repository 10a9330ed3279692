#pragma once

#include <fcntl.h>

#include <filesystem>
#include <string>

#include "support/scratch.h"
#include "wasmoor/base/check.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::fuzz {

// A directory of its own, in memory where there is such a filesystem, gone at the end with all in
// it.
class Scratch : public test::ScratchDirectory {
 public:
  Scratch() : test::ScratchDirectory(test::MemoryDirectory()) {}
  static os::Fd Open(const std::filesystem::path& directory) {
    os::Fd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    CHECK(fd.valid());
    return fd;
  }
};

}  // namespace wasmoor::fuzz
