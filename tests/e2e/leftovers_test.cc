// After all tests of the executables: nothing of them is left.

#include <chrono>
#include <set>
#include <thread>

#include "e2e/runtime_suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

// The executables of this build that run, with their command lines, and what runs in containers
// that they made, which their control groups tell. (Other builds' are not ours to judge.)
std::vector<std::string> RunningPrograms() {
  std::vector<std::string> running;
  std::set<fs::path> programs;
  for (const char* name : {"wasmoor", "wasmoor-runtime"})
    programs.insert(fs::canonical(FolderFrom("WASMOOR_BIN") / name));
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code none;
    const bool contained =
        ReadFile(entry.path() / "cgroup").find(ScratchPrefix()) != std::string::npos;
    if (contained || programs.contains(fs::read_symlink(entry.path() / "exe", none)))
      running.push_back(entry.path().filename().native() + " " +
                        ReadFile(entry.path() / "cmdline"));
  }
  return running;
}

// Scratch directories of this build's tests.
std::vector<std::string> ScratchDirectories() {
  std::vector<std::string> found;
  const std::string prefix = ScratchPrefix();
  for (const auto& entry : fs::directory_iterator(fs::temp_directory_path())) {
    if (entry.path().filename().native().starts_with(prefix)) found.push_back(entry.path());
  }
  return found;
}

TEST(LeftoversTest, NoProgramOfThisBuildRuns) {
  // What was killed a moment ago may still be on its way out.
  for (int wait = 0; wait < 50 && !RunningPrograms().empty(); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_THAT(RunningPrograms(), IsEmpty());
}

TEST(LeftoversTest, NoControlGroupIsLeft) {
  EXPECT_THAT(ControlGroups(ScratchPrefix()), IsEmpty());
}

TEST(LeftoversTest, NoMountIsLeft) {
  EXPECT_EQ(ReadFile("/proc/self/mounts").find(ScratchPrefix()), std::string::npos);
}

TEST(LeftoversTest, NoSocketIsLeft) {
  // Those with a name in the file system; a TCP socket ends with its program.
  EXPECT_EQ(ReadFile("/proc/net/unix").find(ScratchPrefix()), std::string::npos);
}

TEST(LeftoversTest, NoScratchDirectoryIsLeft) { EXPECT_THAT(ScratchDirectories(), IsEmpty()); }

}  // namespace
}  // namespace wasmoor::e2e
