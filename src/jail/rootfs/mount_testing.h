#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "wasmoor/os/fd.h"

// For the tests of mounts: a scratch root filesystem, and a child process with namespaces of its
// own to mount things in, which takes them along when it ends.
namespace wasmoor::jail {

class ScratchRoot : public ::testing::Test {
 protected:
  ScratchRoot() {
    std::string path = (std::filesystem::temp_directory_path() / "wasmoor-root-XXXXXX").native();
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    scratch_ = path;
    root_ = scratch_ / "rootfs";
    std::filesystem::create_directories(root_);
  }
  ~ScratchRoot() override { std::filesystem::remove_all(scratch_); }

  static void Write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  static std::string Read(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // Runs `body` in a child process with a new mount namespace and those of `flags`. Expectations
  // that fail there are printed and fail the test here.
  static void InNamespaces(int flags, const std::function<void()>& body);

  std::filesystem::path scratch_, root_;
};

}  // namespace wasmoor::jail
