// `wasmoor doctor`: what it says of this machine is so, and nothing changes by asking.

#include <sys/syscall.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

using Json = nlohmann::json;

class DoctorTest : public E2eTest {
 protected:
  Json Report() const { return Json::parse(Wasmoor({"doctor", "--json"}).Run().out); }

  static Json Find(const Json& report, const std::string& name) {
    for (const Json& finding : report["findings"]) {
      if (finding["name"] == name) return finding;
    }
    ADD_FAILURE() << "no finding is called " << name;
    return Json::object();
  }
  static std::string StateOf(const Json& report, const std::string& name) {
    return Find(report, name).value("state", "");
  }
};

TEST_F(DoctorTest, ProgramsRunWhereTheseTestsRun) {
  EXPECT_THAT(Wasmoor({"doctor"}).Run(),
              AllOf(Ends(0), IsSilent(), Prints(HasSubstr("WebAssembly programs run here."))));
  const Json report = Report();
  EXPECT_EQ(report["can_run"], true);
  EXPECT_EQ(StateOf(report, "wasmtime"), "ok");
  EXPECT_EQ(StateOf(report, "files"), "ok");
}

TEST_F(DoctorTest, WhatIsNotOkSaysWhatToDo) {
  for (const Json& finding : Report()["findings"]) {
    const std::string state = finding["state"];
    EXPECT_TRUE(state == "ok" || state == "off" || state == "missing") << state;
    EXPECT_NE(finding["detail"], "");
    if (state == "missing") {
      EXPECT_NE(finding["advice"], "") << finding;
    }
  }
}

TEST_F(DoctorTest, LandlockIsOkExactlyIfTheKernelAnswers) {
  const bool answers = syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U) > 0;
  EXPECT_EQ(StateOf(Report(), "Landlock") == "ok", answers);
}

TEST_F(DoctorTest, ProgramsOfOthersAreThoseInThePath) {
  const fs::path folder = MakeDirectory("programs");
  const auto install = [&](const char* name, const char* script) {
    WriteFile(folder / name, script);
    fs::permissions(folder / name, fs::perms::owner_all);
  };
  install("podman", "#!/bin/sh\nprintf 'podman version 99\\033[31m\\nmore\\n'\n");
  install("crun", "#!/bin/sh\nexit 3\n");
  const std::string program = FolderFrom("WASMOOR_BIN") / "wasmoor";
  const Ended ended =
      Command({"sh", "-c", "PATH=" + folder.native() + " exec " + program + " doctor --json"})
          .Env("WASMOOR_CACHE_DIR", cache)
          .Run();
  const auto report = Json::parse(ended.out);
  EXPECT_EQ(Find(report, "podman")["detail"], "podman version 99\\x1b[31m");
  EXPECT_EQ(StateOf(report, "crun"), "off");
  EXPECT_EQ(StateOf(report, "runc"), "missing");
}

TEST_F(DoctorTest, TheCacheIsLookedAtAndNotMade) {
  EXPECT_THAT(std::string(Find(Report(), "cache")["detail"]), HasSubstr("does not exist yet"));
  EXPECT_FALSE(fs::exists(cache));
  Run({Guest("hello")});
  EXPECT_THAT(std::string(Find(Report(), "cache")["detail"]), HasSubstr("1 entries"));
  fs::permissions(cache, fs::perms::all);
  EXPECT_EQ(StateOf(Report(), "cache"), "off");
}

TEST_F(DoctorTest, ALimitThatLetsNoProgramRunIsFoundAndEndsWithStatusOne) {
  const std::string program = FolderFrom("WASMOOR_BIN") / "wasmoor";
  const Ended ended = Command({"sh", "-c", "ulimit -v 1000000; exec " + program + " doctor"})
                          .Env("WASMOOR_CACHE_DIR", cache)
                          .Run();
  EXPECT_THAT(ended, AllOf(Ends(1), Prints(AllOf(HasSubstr("ulimit -v unlimited"),
                                                 HasSubstr("No WebAssembly program runs here")))));
}

TEST_F(DoctorTest, NothingIsLeftBehind) {
  const auto mounts = ReadFile("/proc/self/mounts");
  Wasmoor({"doctor"}).Run();
  EXPECT_EQ(ReadFile("/proc/self/mounts"), mounts);
  EXPECT_TRUE(fs::is_empty(scratch));
}

TEST_F(DoctorTest, LinesForOtherProgramsHaveNoColours) {
  EXPECT_THAT(Wasmoor({"doctor"}).Env("TERM", "xterm").Run(),
              Prints(::testing::Not(HasSubstr("\x1b"))));
  EXPECT_THAT(Wasmoor({"doctor"}).Env("TERM", "xterm").OnTerminal().Run(),
              Prints(HasSubstr("\x1b[32mok")));
}

}  // namespace
}  // namespace wasmoor::e2e
