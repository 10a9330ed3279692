// After all tests of the executables: nothing of them is left.

#include <chrono>
#include <set>
#include <thread>

#include "e2e/runtime_suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

// Whether a process runs one of these files. What has protected its own file is told by its command
// line: the link leads nowhere then.
bool Runs(const fs::path& process, const std::set<fs::path>& programs) {
  std::error_code none;
  if (programs.contains(fs::read_symlink(process / "exe", none))) return true;
  const std::string line = ReadFile(process / "cmdline");
  return programs.contains(fs::weakly_canonical(line.substr(0, line.find('\0')), none));
}

// The executables of this build that run, with their command lines, and what runs in containers
// that they made, which their control groups tell. (Other builds' are not ours to judge.)
std::vector<std::string> RunningPrograms() {
  std::vector<std::string> running;
  std::set<fs::path> programs;
  for (const auto& one : fs::directory_iterator(FolderFrom("WASMOOR_BIN")))
    programs.insert(fs::canonical(one.path()));
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const bool contained =
        ReadFile(entry.path() / "cgroup").find(ScratchPrefix()) != std::string::npos;
    if (contained || Runs(entry.path(), programs))
      running.push_back(entry.path().filename().native() + " " +
                        ReadFile(entry.path() / "cmdline"));
  }
  return running;
}

// Of tests that are scripts, above all containers of a run: "wasmoor-NAME-" and the same number.
std::vector<std::string> GroupsOfScripts() {
  std::string number = ScratchPrefix();
  number.pop_back();
  number.erase(0, number.rfind('-'));
  std::vector<std::string> found = ControlGroups("wasmoor-");
  std::erase_if(found, [&](const std::string& path) { return !path.ends_with(number); });
  return found;
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
  EXPECT_THAT(GroupsOfScripts(), IsEmpty());
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
