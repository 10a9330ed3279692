#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "wasmoor/os/file.h"
#include "wasmoor/wasm/cache.h"

// What the tests of the cache share: a directory of their own, an engine that is an instrument, and
// processes that do one thing.
namespace wasmoor::test {

// The value of a Result that must be one; the test program ends otherwise.
template <typename T>
T Must(Result<T> result) {
  if (!result) {
    fprintf(stderr, "unexpected error: %s\n", result.error().message().c_str());
    abort();
  }
  return std::move(*result);
}

// A directory that only this user can write, gone with everything in it at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string path = (std::filesystem::temp_directory_path() / "wasmoor-cache-XXXXXX").native();
    if (mkdtemp(path.data()) == nullptr) abort();
    path_ = path;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::vector<uint8_t> BytesOf(std::string_view text) { return {text.begin(), text.end()}; }

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteFile(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// The files in a directory whose names have what `part` says (all if it is empty).
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

// The entries proper: neither locks nor temporary files nor the memory of hashes.
inline std::vector<std::filesystem::path> EntriesIn(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& path : FilesIn(directory)) {
    const std::string name = path.filename().native();
    if (name.size() == 97 && name[64] == '-') files.push_back(path);
  }
  return files;
}

inline size_t OpenDescriptors() { return FilesIn("/proc/self/fd").size(); }

// A process that runs `body` and ends with 0, or with 1 if an expectation in it failed.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : pid_(fork()) {
    if (pid_ != 0) return;
    body();
    fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  ~Child() {
    if (pid_ > 0) Kill();
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&&) = delete;

  pid_t pid() const { return pid_; }
  int Wait() {
    int status = -1;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }
  void Kill() {
    kill(pid_, SIGKILL);
    Wait();
  }

 private:
  pid_t pid_;
};

// An engine whose code is a header and a pattern that follows from the module, so that code that is not
// exactly what was compiled from that module does not load. It counts its compiles, those of other
// processes included, in a file.
class FakeEngine : public wasm::Engine {
 public:
  explicit FakeEngine(std::filesystem::path log) : log_(std::move(log)) {}

  struct Behaviour {
    std::string fingerprint = "fake-1";
    size_t code_bytes = 100'000;
    std::chrono::microseconds duration{0};
    bool fails = false;
    bool baseline_fails = false;
    bool refuses_files = false;
  } behaviour;

  std::string_view name() const override { return "fake"; }
  std::string_view version() const override { return "1"; }
  std::string Fingerprint(wasm::Tier tier) const override {
    return behaviour.fingerprint + ' ' + std::string(wasm::TierName(tier));
  }

  Result<wasm::TrustedCode> Compile(wasm::Bytes wasm, wasm::Tier tier) const override {
    Log('C');
    std::this_thread::sleep_for(behaviour.duration);
    if (behaviour.fails) return Fail(Code::kInvalidArgument, "no valid module");
    if (behaviour.baseline_fails && tier == wasm::Tier::kBaseline) {
      return Fail(Code::kUnimplemented, "not in this tier");
    }
    return wasm::CompilerOutput::Trust(Code(wasm, behaviour.code_bytes), {.tier = tier});
  }

  Result<std::shared_ptr<const wasm::Module>> Load(const wasm::TrustedCode& code) const override;

  int compiles() const { return static_cast<int>(ReadFile(log_).size()); }

  // The code of a module: size, a number that follows from the module, and a pattern of it.
  static std::vector<uint8_t> Code(wasm::Bytes wasm, size_t size) {
    std::vector<uint8_t> code(size);
    const uint64_t seed = SeedOf(wasm);
    const std::array<uint64_t, 2> header = {size, seed};
    std::memcpy(code.data(), header.data(), sizeof header);
    Fill(code, seed);
    return code;
  }
  static uint64_t SeedOf(wasm::Bytes wasm) {
    uint64_t seed = 14695981039346656037u;
    for (const uint8_t byte : wasm) seed = (seed ^ byte) * 1099511628211u;
    return seed;
  }

 private:
  static void Fill(std::vector<uint8_t>& code, uint64_t seed) {
    for (size_t i = 16; i < code.size(); ++i) {
      code[i] = static_cast<uint8_t>((seed >> (i % 7 * 8)) + i * 31);
    }
  }
  void Log(char what) const {
    const int file = open(log_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || write(file, &what, 1) != 1) abort();
    close(file);
  }

  std::filesystem::path log_;
};

class FakeModule : public wasm::Module {
 public:
  FakeModule(uint64_t seed, bool from_file) : seed_(seed), from_file_(from_file) {}
  wasm::ModuleKind kind() const override { return wasm::ModuleKind::kCore; }
  std::vector<wasm::Extern> Imports() const override { return {}; }
  std::vector<wasm::Extern> Exports() const override { return {}; }
  Result<std::unique_ptr<wasm::Instance>> NewInstance(wasm::InstanceOptions) const override {
    return Fail(Code::kUnimplemented, "nothing runs here");
  }
  uint64_t seed() const { return seed_; }
  bool from_file() const { return from_file_; }

 private:
  uint64_t seed_;
  bool from_file_;
};

inline Result<std::shared_ptr<const wasm::Module>> FakeEngine::Load(
    const wasm::TrustedCode& code) const {
  std::vector<uint8_t> bytes;
  if (code.in_file()) {
    if (behaviour.refuses_files) return Fail(Code::kDataLoss, "not of this version");
    bytes = Must(os::ReadAll(code.file(), UINT64_MAX));
  } else {
    bytes.assign(code.bytes().begin(), code.bytes().end());
  }
  std::array<uint64_t, 2> header{};
  if (bytes.size() < sizeof header) return Fail(Code::kDataLoss, "no header");
  std::memcpy(header.data(), bytes.data(), sizeof header);
  if (header[0] > bytes.size()) return Fail(Code::kDataLoss, "too short");
  std::vector<uint8_t> expected(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(header[0]));
  Fill(expected, header[1]);
  if (!std::equal(expected.begin(), expected.end(), bytes.begin())) {
    return Fail(Code::kDataLoss, "the pattern is broken");
  }
  return std::make_shared<FakeModule>(header[1], code.in_file());
}

// A fixture with an empty cache directory and a FakeEngine.
class CacheFixture : public ::testing::Test {
 protected:
  using Cache = wasm::Cache;
  using Policy = Cache::Policy;
  using Source = Cache::Found::Source;
  using Tier = wasm::Tier;

  wasm::CacheOptions Options() const { return {.directory = directory}; }
  Cache Open() const { return Must(Cache::Open(Options())); }
  static const FakeModule& ModuleOf(const Cache::Found& found) {
    return static_cast<const FakeModule&>(*found.module);
  }
  // Loads and expects the code of exactly this module.
  Cache::Found Load(const Cache& cache, const std::vector<uint8_t>& wasm,
                    Policy policy = Policy::kOptimized) const {
    auto found = Must(cache.Load(engine, wasm, policy));
    EXPECT_EQ(ModuleOf(found).seed(), FakeEngine::SeedOf(wasm));
    return found;
  }

  ScratchDirectory scratch;
  const std::filesystem::path directory = scratch / "modules";
  FakeEngine engine{scratch / "compiles"};
};

// A mount namespace of its own for the calling process, which must be a Child. False without the right to.
inline bool EnterOwnMounts() {
  return unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace wasmoor::test

#define REQUIRE_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "needs root: mounts, other users"
