// The command line of wasmoor-runtime apart from containers: what callers ask it before they use
// it, how they write options, and where they read errors.

#include "e2e/runtime_suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using RuntimeCommandLineTest = RuntimeTest;

constexpr const char* kCommands[] = {"create", "start",      "state",  "kill",       "delete",
                                     "run",    "exec",       "ps",     "pause",      "resume",
                                     "update", "list",       "events", "spec",       "features",
                                     "help",   "completion", "man",    "checkpoint", "restore"};

TEST_F(RuntimeCommandLineTest, TheVersionNamesTheSpecificationToo) {
  for (const std::string flag : {"--version", "-v"}) {
    EXPECT_THAT(Do({flag}), AllOf(Ends(0), IsSilent(),
                                  Prints(AllOf(StartsWith("wasmoor-runtime version "),
                                               HasSubstr("\nspec: 1.2.0\n"),
                                               HasSubstr("\nengine: wasmtime ")))));
  }
  EXPECT_EQ(Json::parse(Do({"--version", "--json"}).out)["spec"], "1.2.0");
}

TEST_F(RuntimeCommandLineTest, FeaturesAreADocument) {
  const Ended ended = Do({"features"});
  EXPECT_THAT(ended, AllOf(Ends(0), IsSilent()));
  const Json features = Json::parse(ended.out);
  EXPECT_EQ(features["ociVersionMin"], "1.0.0");
  EXPECT_EQ(features["ociVersionMax"], "1.2.0");
  EXPECT_EQ(features["linux"]["seccomp"]["enabled"], true);
}

TEST_F(RuntimeCommandLineTest, TheSpecificationOfAProgramRunsIt) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = MakeBundle(Config({"true"}));
  fs::remove(bundle / "config.json");
  ASSERT_THAT(Do({"spec", "-b", bundle, "/bin/echo", "-n", "it works"}), Ends(0));
  EXPECT_THAT(Do({"run", "-b", bundle, "c1"}), AllOf(Ends(0), Prints("it works"), IsSilent()));
}

TEST_F(RuntimeCommandLineTest, ASpecIsWrittenOnceAndLeftAlone) {
  const fs::path bundle = MakeDirectory("new");
  EXPECT_THAT(Do({"spec", "--bundle", bundle}), AllOf(Ends(0), IsSilent(), Prints("")));
  const Json spec = Json::parse(ReadFile(bundle / "config.json"));
  EXPECT_EQ(spec["process"]["args"][0], "sh");
  EXPECT_THAT(Do({"spec", "-b", bundle}),
              AllOf(Ends(1), Complains(HasSubstr("config.json exists"))));
  EXPECT_THAT(Runtime({"spec", "--rootless"}).In(MakeDirectory("here")).Run(), Ends(0));
  EXPECT_THAT(ReadFile(scratch / "here" / "config.json"), HasSubstr("uidMappings"));
}

TEST_F(RuntimeCommandLineTest, ASpecRunsAsItIs) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"true"});
  fs::remove(bundle / "config.json");
  ASSERT_THAT(
      Do({"spec", "--bundle", bundle, "sh", "-c", "echo $$ $(cat /proc/sys/kernel/hostname)"}),
      Ends(0));
  Json config = Json::parse(ReadFile(bundle / "config.json"));
  config["linux"]["cgroupsPath"] = "/" + scratch.filename().native() + "-spec";
  WriteFile(bundle / "config.json", config.dump());
  EXPECT_THAT(Do({"run", "-b", bundle, "c1"}), AllOf(Ends(0), Prints("1 wasmoor\n"), IsSilent()));
}

TEST_F(RuntimeCommandLineTest, ErrorsAreALineOfTheLogToo) {
  const fs::path log = scratch / "log.json";
  const Ended ended =
      RuntimeWith({"--log", log, "--log-format", "json"}, {"state", "nobody"}).Run();
  EXPECT_THAT(ended, AllOf(Ends(1), Complains(AllOf(HasSubstr("\"nobody\" does not exist\n"),
                                                    Not(HasSubstr("wasmoor-runtime"))))));
  RuntimeWith({"-log=" + log.native(), "-log-format=json"}, {"start", "nobody"}).Run();
  const std::string text = ReadFile(log);
  const size_t first = text.find('\n');
  ASSERT_NE(first, std::string::npos);
  for (const std::string& line : {text.substr(0, first), text.substr(first + 1)}) {
    const Json entry = Json::parse(line);
    EXPECT_EQ(entry["level"], "error");
    EXPECT_THAT(entry["msg"].get<std::string>(), HasSubstr("\"nobody\" does not exist"));
    EXPECT_EQ(entry["time"].get<std::string>().size(), std::string("2026-11-21T17:47:23Z").size());
  }
}

TEST_F(RuntimeCommandLineTest, ALogInTextIsWhatItIsWithoutAFormat) {
  const fs::path log = scratch / "log";
  RuntimeWith({"--log", log, "--debug"}, {"state", "nobody"}).Run();
  EXPECT_THAT(ReadFile(log), AllOf(HasSubstr("level=error msg=\"container "),
                                   HasSubstr("level=debug msg=\"containers are kept in ")));
  EXPECT_THAT(RuntimeWith({"--log", "/nowhere/log"}, {"state", "nobody"}).Run(),
              AllOf(Ends(1), Complains(AllOf(HasSubstr("--log"), HasSubstr("does not exist")))));
}

TEST_F(RuntimeCommandLineTest, OptionsOfOthersAreTaken) {
  EXPECT_THAT(
      RuntimeWith({"--criu", "criu", "--rootless=auto", "--systemd-cgroup=false", "--debug=0"},
                  {"list"})
          .Run(),
      AllOf(Ends(0), IsSilent()));
  EXPECT_THAT(RuntimeWith({"--rootless=maybe"}, {"list"}).Run(),
              AllOf(Ends(1), Complains(HasSubstr("must be auto, true or false"))));
}

TEST_F(RuntimeCommandLineTest, ARootThatIsRelativeIsThatOfTheWorkingDirectory) {
  const fs::path here = MakeDirectory("here");
  EXPECT_THAT(Command({FolderFrom("WASMOOR_BIN") / "wasmoor-runtime", "--root", "state", "list"})
                  .In(here)
                  .Run(),
              AllOf(Ends(0), IsSilent()));
  EXPECT_TRUE(fs::is_directory(here / "state"));
}

TEST_F(RuntimeCommandLineTest, AMistakeIsToldAndEndsWithOne) {
  EXPECT_THAT(Do({"strat", "c1"}), AllOf(Ends(1), Complains(HasSubstr("did you mean 'start'"))));
  EXPECT_THAT(Do({"start"}), AllOf(Ends(1), Complains(HasSubstr("CONTAINER is missing"))));
  EXPECT_THAT(Do({"start", "--fast", "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("no option --fast"))));
  EXPECT_THAT(Do({"state", "a", "b"}),
              AllOf(Ends(1), Complains(HasSubstr("one argument too many"))));
  EXPECT_THAT(RuntimeWith({"--rot", "x"}, {"list"}).Run(),
              AllOf(Ends(1), Complains(HasSubstr("did you mean '--root'"))));
  EXPECT_THAT(Command({FolderFrom("WASMOOR_BIN") / "wasmoor-runtime"}).Run(),
              AllOf(Ends(1), Complains(HasSubstr("Usage: wasmoor-runtime [OPTIONS] COMMAND"))));
}

TEST_F(RuntimeCommandLineTest, WhatIsNotSupportedIsSaidPlainly) {
  EXPECT_THAT(Do({"checkpoint", "--image-path", "/x", "--leave-running", "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("checkpoint is not supported"))));
  EXPECT_THAT(Do({"restore", "--bundle", "/x", "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("restore is not supported"))));
}

TEST_F(RuntimeCommandLineTest, WithoutRootsRightsContainersAreKeptByTheUser) {
  REQUIRE_MOUNTS();
  const std::string runtime = FolderFrom("WASMOOR_BIN") / "wasmoor-runtime";
  const auto as_user = [&](const std::string& script) {
    return Command({"unshare", "--user", "--map-root-user", "sh", "-euc", script, runtime});
  };
  EXPECT_THAT(as_user("\"$0\" --debug list -q").Env("XDG_RUNTIME_DIR", scratch).Run(),
              AllOf(Ends(0), Complains(HasSubstr("kept in " + (scratch / "wasmoor").native()))));
}

TEST_F(RuntimeCommandLineTest, EveryCommandHasHelpAndAManualPage) {
  ASSERT_THAT(Do({"man", "--write-to", scratch}), Ends(0));
  const bool groff = Command({"sh", "-c", "command -v groff >/dev/null"}).Run().status == 0;
  const auto readable = [&](const fs::path& page) {
    if (groff) {
      EXPECT_THAT(Command({"groff", "-man", "-ww", "-z", "-Tutf8", page}).Run(),
                  AllOf(Ends(0), IsSilent()));
    }
  };
  for (const std::string name : kCommands) {
    const Ended help = Do({"help", name});
    EXPECT_THAT(help,
                AllOf(Ends(0), Prints(HasSubstr("Usage: wasmoor-runtime " + name)), IsSilent()));
    EXPECT_EQ(Do({name, "--help"}).out, help.out);
    EXPECT_THAT(Do({"--help"}), Prints(HasSubstr("\n  " + name)));
    readable(scratch / ("wasmoor-runtime-" + name + ".8"));
  }
  readable(scratch / "wasmoor-runtime.8");
  EXPECT_THAT(ReadFile(scratch / "wasmoor-runtime.8"), HasSubstr("\\-\\-log\\-format"));
}

TEST_F(RuntimeCommandLineTest, BashCompletesOptionsBeforeAndAfterTheCommand) {
  const fs::path script = MakeFile("script", Do({"completion", "bash"}).out);
  const auto offers = [&](const std::string& words, int at) {
    const std::string text = "source " + script.native() + "; COMP_WORDS=(" + words +
                             "); COMP_CWORD=" + std::to_string(at) +
                             "; _wasmoor_runtime x \"${COMP_WORDS[COMP_CWORD]}\" "
                             "\"${COMP_WORDS[COMP_CWORD-1]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    const Ended bash = Command({"bash", "--norc", "-uc", text}).Run();
    EXPECT_THAT(bash, AllOf(Ends(0), IsSilent())) << words;
    return bash.out;
  };
  EXPECT_EQ(offers("wasmoor-runtime --ro", 1), "--root\n--rootless\n");
  EXPECT_EQ(offers("wasmoor-runtime --log-format ''", 2), "text\njson\n");
  EXPECT_EQ(offers("wasmoor-runtime --root /x feat", 3), "features\n");
  EXPECT_EQ(offers("wasmoor-runtime --root /x run --no-p", 4), "--no-pivot\n");
  EXPECT_EQ(offers("wasmoor-runtime list -f ''", 3), "table\njson\n");
  EXPECT_EQ(offers("wasmoor-runtime run -b /x --ke", 4), "--keep\n");
}

}  // namespace
}  // namespace wasmoor::e2e
