#pragma once

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/os/fd.h"

// Files that tests make, and what they find in files.
namespace wasmoor::test {

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteFile(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// The files in a directory whose names have `part` in them (all if it is empty).
inline std::vector<std::filesystem::path> FilesIn(const std::filesystem::path& directory,
                                                  const std::string& part = "") {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().native().find(part) != std::string::npos) {
      files.push_back(entry.path());
    }
  }
  return files;
}

// A directory of its own, which only this user can write, gone with everything in it at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() : ScratchDirectory(std::filesystem::temp_directory_path()) {}
  explicit ScratchDirectory(const std::filesystem::path& parent) {
    std::string path = (parent / "wasmoor-test-XXXXXX").native();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  void Write(std::string_view name, std::string_view text) const { WriteFile(path_ / name, text); }
  std::string Read(std::string_view name) const { return ReadFile(path_ / name); }
  os::Fd Open() const { return os::Fd(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); }

 private:
  std::filesystem::path path_;
};

// A directory in memory, where there is one, so that no disk is waited for.
inline std::filesystem::path MemoryDirectory() {
  const std::filesystem::path memory = "/dev/shm";
  return std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
}

}  // namespace wasmoor::test
