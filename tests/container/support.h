#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/engines.h"
#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/container/executor.h"

// What the tests of wasm containers share: a root filesystem, a specification over it, and the
// executor, whose compiler is this very test program.
namespace wasmoor::container {

// What this program is started as by WasmOptions::compiler.
constexpr std::string_view kCompilerVerb = "compile-for-the-test";

// build/guests/NAME.wasm.
std::filesystem::path GuestFile(std::string_view name);

// The engine that is built in and this program as the compiler; no cache.
WasmOptions TestOptions();

class ContainerTest : public ::testing::Test {
 protected:
  ContainerTest();

  // Puts a guest into the root, at an absolute path of the container.
  void Put(std::string_view guest, const std::string& path) const;
  void PutText(const std::string& path, std::string_view text) const;

  WasmOptions Options() const;
  jail::ProgramRequest Request(const os::Fd& root) const;
  Result<std::unique_ptr<jail::Program>> Prepare(const WasmOptions& options) const;
  Result<std::unique_ptr<jail::Program>> Prepare() const { return Prepare(Options()); }
  bool CanHandle() const;

  std::vector<std::filesystem::path> CacheEntries() const;

  const test::ScratchDirectory scratch;
  const std::filesystem::path root = scratch / "rootfs";
  const std::filesystem::path cache = scratch / "cache";
  oci::Spec spec;
  oci::Process process;
  bool is_first = true;
  std::string made_by;
  mutable std::vector<std::string> warnings;
};

}  // namespace wasmoor::container
