// After all tests of the executable: nothing of them is left.

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

// The executables of this build that run, with their command lines. (Other builds' are not ours to
// judge.)
std::vector<std::string> RunningPrograms() {
  std::vector<std::string> running;
  const fs::path program = fs::canonical(FolderFrom("WASMOOR_BIN") / "wasmoor");
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code none;
    if (fs::read_symlink(entry.path() / "exe", none) == program)
      running.push_back(entry.path().filename().native() + " " +
                        ReadFile(entry.path() / "cmdline"));
  }
  return running;
}

// Scratch directories whose makers are gone.
std::vector<std::string> OrphanedScratch() {
  std::vector<std::string> orphans;
  for (const auto& entry : fs::directory_iterator(fs::temp_directory_path())) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kScratchPrefix)) continue;
    const pid_t maker = atoi(name.c_str() + kScratchPrefix.size());
    if (maker == 0 || kill(maker, 0) != 0) orphans.push_back(name);
  }
  return orphans;
}

TEST(LeftoversTest, NoProgramOfThisBuildRuns) {
  // What was killed a moment ago may still be on its way out.
  for (int wait = 0; wait < 50 && !RunningPrograms().empty(); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_THAT(RunningPrograms(), IsEmpty());
}

TEST(LeftoversTest, NoMountIsLeft) {
  EXPECT_EQ(ReadFile("/proc/self/mounts").find(kScratchPrefix), std::string::npos);
}

TEST(LeftoversTest, NoScratchDirectoryIsLeft) { EXPECT_THAT(OrphanedScratch(), IsEmpty()); }

}  // namespace
}  // namespace wasmoor::e2e
