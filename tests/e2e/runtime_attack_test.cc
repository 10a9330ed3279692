// What hostile images and machines in a bad state try with wasmoor-runtime.

#include <csignal>

#include "e2e/runtime_suite.h"
#include "wasmoor/os/features.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class RuntimeAttackTest : public RuntimeTest {
 protected:
  // The command in mounts of its own, after the shell commands of `preparation`.
  Command After(const std::string& preparation, std::vector<std::string> words) const {
    std::vector<std::string> all = {"unshare",
                                    "-m",
                                    "--propagation",
                                    "private",
                                    "sh",
                                    "-euc",
                                    preparation + "; exec \"$@\"",
                                    "sh",
                                    FolderFrom("WASMOOR_BIN") / "wasmoor-runtime",
                                    "--root",
                                    root};
    all.insert(all.end(), words.begin(), words.end());
    return Command(std::move(all));
  }
};

// CVE-2019-5736: the entrypoint is the runtime's own file, by way of /proc; somebody else in the
// container keeps a handle to it and writes when it has ended.
TEST_F(RuntimeAttackTest, TheRuntimesFileCannotBeOverwrittenFromAContainer) {
  REQUIRE_CONTAINERS();
  const fs::path victim = scratch / "runtime";
  fs::copy_file(FolderFrom("WASMOOR_BIN") / "wasmoor-runtime", victim);
  // It looks for a process that is neither the shell nor one of its programs.
  const fs::path bundle = BundleOf(
      {"sh", "-c",
       "while true; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *busybox|'') ;; "
       "*) exec 3<$p/exe; echo caught; break 2;; esac; done 2>/dev/null; done; "
       "while ! [ -e /tmp/over ]; do sleep 0.01; done; echo overwritten >/proc/self/fd/3"});
  fs::create_symlink("busybox", bundle / "rootfs/bin/readlink");
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {victim, "--root", root});
    return Command(std::move(words)).OpenInput().Start();
  };
  ASSERT_THAT(Command({"sh", "-euc", "out=$0; exec \"$@\" >>\"$out\" 2>&1", scratch / "c1.out",
                       victim, "--root", root, "run", "--detach", "--bundle", bundle, "c1"})
                  .Run(),
              Ends(0));
  const std::string before = ReadFile(victim);
  // The runtime's own file as the program, with something to do that takes a while: it reads its
  // input.
  const auto evil = run({"exec", "c1", "/proc/self/exe", "update", "--resources", "-", "c1"});
  EXPECT_TRUE(Says("c1", "caught"));
  evil->Signal(SIGKILL);
  evil->Wait();
  EXPECT_THAT(Do({"exec", "c1", "sh", "-c", "kill -9 $(busybox pidof exe); true"}), Ends(0));
  WriteFile(bundle / "rootfs/tmp/over", "");
  // A mount that is read-only, or a sealed file in memory where no mount could be made.
  EXPECT_TRUE(
      Says("c1", os::ProbeMountApi().yes() ? "Read-only file system" : "Operation not permitted"))
      << OutputOf("c1");
  EXPECT_TRUE(ReadFile(victim) == before) << "the runtime was overwritten";
}

TEST_F(RuntimeAttackTest, AForkBombMeetsItsLimitAndGoesWithItsContainer) {
  REQUIRE_CONTAINERS();
  Json config = Config({"sh", "-c", "bomb() { bomb | bomb & }; bomb; while true; do :; done"});
  config["linux"]["resources"]["pids"]["limit"] = 20;
  StartBundle("c1", MakeBundle(config));
  EXPECT_TRUE(Says("c1", "can't fork"));
  const Ended list = Do({"ps", "--format", "json", "c1"});
  ASSERT_THAT(list, Ends(0));
  EXPECT_LE(Json::parse(list.out).size(), 20u);
  EXPECT_THAT(Do({"delete", "--force", "c1"}), AllOf(Ends(0), IsSilent()));
}

// CVE-2024-21626: a directory of the host that was left open, as the working directory.
TEST_F(RuntimeAttackTest, NoDescriptorOfTheHostIsAWayOut) {
  REQUIRE_CONTAINERS();
  for (int number = 3; number < 24; ++number) {
    Json config =
        Config({"sh", "-c", "cat ../../../etc/hostname ../../../etc/debian_version; pwd"});
    config["process"]["cwd"] = "/proc/self/fd/" + std::to_string(number);
    const Ended ended = Do({"run", "--bundle", MakeBundle(config), "c1"});
    // It is refused, unless it is one that leads to the container's own root.
    EXPECT_THAT(ended.out, ::testing::AnyOf("", "/\n")) << number;
    EXPECT_TRUE(ended.status == 0 || ended.err.find("process.cwd") != std::string::npos) << number;
  }
}

TEST_F(RuntimeAttackTest, ControlGroupsThatCannotBeWrittenAreTold) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"true"});
  const Ended ended = After(
                          "for h in /sys/fs/cgroup /sys/fs/cgroup/*; do "
                          "! mountpoint -q $h || mount -o remount,bind,ro $h; done",
                          {"run", "--bundle", bundle, "c1"})
                          .Run();
  EXPECT_THAT(ended, AllOf(Ends(1), Complains(HasSubstr("/sys/fs/cgroup")),
                           Complains(HasSubstr("Read-only file system"))));
  EXPECT_TRUE(fs::is_empty(root));
}

TEST_F(RuntimeAttackTest, AFullStateDirectoryIsToldAndLeavesNothing) {
  REQUIRE_CONTAINERS();
  Json config = Config({"true"});
  config["annotations"]["long"] = std::string(20000, 'x');
  const fs::path bundle = MakeBundle(config);
  fs::create_directories(root);
  const Ended ended = After("mount -t tmpfs -o size=8k,mode=700 tmpfs " + root.native() +
                                "; trap 'ls -A " + root.native() + "' EXIT",
                            {"create", "--bundle", bundle, "c1"})
                          .Run();
  EXPECT_THAT(ended, AllOf(Ends(1), Prints(""), Complains(HasSubstr("No space left on device")),
                           Complains(HasSubstr("c1"))));
}

}  // namespace
}  // namespace wasmoor::e2e
