#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "inproc/fixture.h"
#include "support/scratch.h"
#include "wasmoor/host/host.h"
#include "wasmoor/program/compiler.h"
#include "wasmoor/wasm/wasmtime.h"

// This program is the host of its guests as well, and what compiles their modules.
namespace {

// Control groups and mounts of the tests' are told and counted; a process fails the test that made
// it (InprocTest::TearDown).
int Leftovers() {
  int found = 0;
  std::error_code ignored;
  constexpr auto kSkip = std::filesystem::directory_options::skip_permission_denied;
  for (const auto& group :
       std::filesystem::recursive_directory_iterator("/sys/fs/cgroup", kSkip, ignored)) {
    if (!group.path().filename().native().starts_with("wasmoor-inproc")) continue;
    fprintf(stderr, "the tests have left the control group %s\n", group.path().c_str());
    ++found;
  }
  if (wasmoor::test::ReadFile("/proc/self/mountinfo").find("wasmoor-inproc") != std::string::npos) {
    fprintf(stderr, "the tests have left a mount\n");
    ++found;
  }
  return found == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace wasmoor;
  const wasm::EngineFactory engine = wasm::WasmtimeFactory();
  if (argc > 1 && std::string_view(argv[1]) == sandbox::kHostWord)
    return host::RunHost({.engine = engine,
                          .caches = {std::string(sandbox::kState) + "/modules"},
                          .compiler = {argv[0], sandbox::kCompilerWord},
                          .filters = std::string(sandbox::kState) + "/.seccomp",
                          .skeletons = std::string(sandbox::kState) + "/skeletons"},
                         os::Fd(sandbox::kHostConnection));
  if (argc > 1 && std::string_view(argv[1]) == sandbox::kCompilerWord)
    return program::RunCompiler(engine, std::span<char* const>(argv, argc).subspan(2));
  ::testing::InitGoogleTest(&argc, argv);
  const int status = RUN_ALL_TESTS();
  std::filesystem::remove_all(sandbox::kState);
  return status != 0 ? status : Leftovers();
}
