#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "e2e/process.h"

// What the tests of the executable share: where it is, what it runs, and a place of their own.
namespace wasmoor::e2e {

// What the names of scratch directories begin with: the inode of this build's executables follows,
// by which two builds on one machine tell theirs apart, and CMakeLists.txt removes those of a run
// that was cut off.
std::string ScratchPrefix();

// The environment variable, without which the tests cannot run.
std::filesystem::path FolderFrom(const char* variable);

std::string Guest(std::string_view name);         // The path of build/guests/NAME.wasm.
std::string MissingGuest(std::string_view name);  // Why it could not be built; empty if it was.

std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, std::string_view content);

// Makes a directory called so; whoever makes it removes it.
std::filesystem::path MakeScratch();

// A module whose compilation takes time: `functions` of a quarter KiB each, and a `_start` that
// returns at once. It needs nothing.
std::string LargeModule(uint32_t functions = 6000);

// True if this process may give a program mounts of its own: CAP_SYS_ADMIN, which REQUIRE_MOUNTS
// names where it is not so.
bool MayMount();

// A directory of its own for each test, gone with all in it when the test ends; and so are the
// compilers that wasmoor left running in the background.
class E2eTest : public ::testing::Test {
 protected:
  E2eTest();
  ~E2eTest() override;

  // `wasmoor WORDS...` with a home and a cache that only this test has.
  Command Wasmoor(std::vector<std::string> words) const;
  Command RunCommand(std::vector<std::string> words) const;  // `wasmoor run WORDS...`
  Ended Run(std::vector<std::string> words) const { return RunCommand(std::move(words)).Run(); }
  // The same after the shell commands of `preparation`; and in mounts of its own.
  Command RunAfter(const std::string& preparation, std::vector<std::string> words) const;
  Command RunWithMounts(const std::string& preparation, std::vector<std::string> words) const;

  // Waits for the compilers that were started in the background; false if they take too long.
  bool BackgroundEnds(std::chrono::seconds limit = std::chrono::seconds(60)) const;
  std::vector<std::filesystem::path> CacheEntries() const;
  // Ends all processes that the programs of this test left, which may only be such compilers.
  void EndBackground() const;

  std::filesystem::path MakeFile(const std::string& name, std::string_view content) const;
  std::filesystem::path MakeDirectory(const std::string& name) const;

  const std::filesystem::path scratch;
  const std::filesystem::path cache = scratch / "cache";

 private:
  Command Shell(std::vector<std::string> shell, const std::string& preparation,
                std::vector<std::string> words) const;
};

template <typename Text>
std::string Described(const Text& text) {
  return ::testing::DescribeMatcher<const std::string&>(
      ::testing::Matcher<const std::string&>(text));
}

// EXPECT_THAT(Run({Guest("hello")}), AllOf(Ends(0), Prints("Hello from wasm!\n"), IsSilent()))
MATCHER_P(Ends, status, "ends with status " + std::to_string(status)) {
  return arg.status == status;
}
MATCHER_P(DiesBy, signal, "is ended by signal " + std::to_string(signal)) {
  return arg.signal == signal;
}
MATCHER_P(Prints, text, "prints what " + Described(text)) {
  return ::testing::ExplainMatchResult(::testing::Matcher<const std::string&>(text), arg.out,
                                       result_listener);
}
MATCHER_P(Complains, text, "writes to standard error what " + Described(text)) {
  return ::testing::ExplainMatchResult(::testing::Matcher<const std::string&>(text), arg.err,
                                       result_listener);
}
MATCHER(IsSilent, "writes nothing to standard error") { return arg.err.empty(); }

}  // namespace wasmoor::e2e

#define REQUIRE_GUEST(name) \
  if (const std::string missing = MissingGuest(name); !missing.empty()) GTEST_SKIP() << missing
#define REQUIRE_MOUNTS() \
  if (!MayMount())       \
  GTEST_SKIP() << "needs CAP_SYS_ADMIN, for mounts of its own (unshare(1) is refused)"
