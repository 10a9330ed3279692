#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/child.h"
#include "support/namespaces.h"
#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/os/file.h"
#include "wasmoor/wasm/cache.h"

// What the tests of the cache share: an engine that is an instrument, and a directory for it.
namespace wasmoor::test {

inline std::vector<uint8_t> BytesOf(std::string_view text) { return {text.begin(), text.end()}; }

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

// An engine whose code is a header and a pattern that follows from the module, so that code that is
// not exactly what was compiled from that module does not load. It counts its compiles, those of
// other processes included, in a file.
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

}  // namespace wasmoor::test

#define REQUIRE_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "needs root: mounts, other users"
