#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cmd/runtime/exec_flags.h"
#include "cmd/runtime/runtime.h"
#include "cmd/runtime/update_flags.h"

namespace wasmoor::cmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Parses `words` with the options that a set of flags has.
template <typename Flags>
Status Parse(Flags& flags, std::vector<std::string> words) {
  const Runtime runtime(nullptr);
  Options options(runtime, "test", "");
  flags.Configure(options);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  TRY(options.Parse(pointers));
  return {};
}

class UpdateFlagsTest : public ::testing::Test {
 protected:
  oci::Resources Read(std::vector<std::string> words) {
    EXPECT_TRUE(Parse(flags_, std::move(words)));
    const auto resources = flags_.Read();
    EXPECT_TRUE(resources) << resources.error().message();
    return resources.value_or(oci::Resources());
  }
  std::string Refusal(std::vector<std::string> words) {
    EXPECT_TRUE(Parse(flags_, std::move(words)));
    const auto resources = flags_.Read();
    return resources ? "" : resources.error().message();
  }
  UpdateFlags flags_;
};

TEST_F(UpdateFlagsTest, MemoryMayHaveUnitsOrBeUnlimited) {
  const auto memory = Read({"--memory", "64m", "--memory-swap", "-1", "--memory-reservation=4096",
                            "--kernel-memory", "1g", "--kernel-memory-tcp", "1k"})
                          .memory;
  EXPECT_EQ(memory->limit, int64_t{64} << 20);
  EXPECT_EQ(memory->swap, -1);
  EXPECT_EQ(memory->reservation, 4096);
  EXPECT_EQ(memory->kernel, int64_t{1} << 30);
  EXPECT_EQ(memory->kernel_tcp, 1024);
}

TEST_F(UpdateFlagsTest, EveryLimitOfTheProcessorHasItsOption) {
  const auto cpu = Read({"--cpu-quota", "-1", "--cpu-period", "100000", "--cpu-share", "512",
                         "--cpu-burst", "10", "--cpu-idle", "1", "--cpu-rt-period", "20",
                         "--cpu-rt-runtime", "30", "--cpuset-cpus", "0-1", "--cpuset-mems", "0"})
                       .cpu;
  EXPECT_EQ(cpu->quota, -1);
  EXPECT_EQ(cpu->period, 100000U);
  EXPECT_EQ(cpu->shares, 512U);
  EXPECT_EQ(cpu->burst, 10U);
  EXPECT_EQ(cpu->idle, 1);
  EXPECT_EQ(cpu->realtime_period, 20U);
  EXPECT_EQ(cpu->realtime_runtime, 30);
  EXPECT_EQ(cpu->cpus, "0-1");
  EXPECT_EQ(cpu->mems, "0");
}

TEST_F(UpdateFlagsTest, WhatIsNotGivenIsNotChanged) {
  const oci::Resources resources = Read({"--pids-limit", "7"});
  EXPECT_EQ(resources.pids_limit, 7);
  EXPECT_FALSE(resources.memory || resources.cpu || resources.block_io);
  EXPECT_EQ(Read({"--blkio-weight", "500"}).block_io->weight, 500);
}

TEST_F(UpdateFlagsTest, AWrongValueIsToldWithItsOption) {
  EXPECT_THAT(Refusal({"--cpu-share", "many"}), HasSubstr("--cpu-share 'many': must be a whole"));
}

TEST_F(UpdateFlagsTest, SizesAreToldWithTheirOption) {
  EXPECT_THAT(Refusal({"--memory", "lots"}), HasSubstr("--memory: 'lots' is not a size"));
}

TEST_F(UpdateFlagsTest, NothingToChangeIsAMistake) {
  EXPECT_THAT(Refusal({}), HasSubstr("which limits are to change"));
}

TEST_F(UpdateFlagsTest, WhatNoControlGroupHasIsRefused) {
  EXPECT_THAT(Refusal({"--l3-cache-schema", "x"}), HasSubstr("not supported"));
}

class ExecFlagsTest : public ::testing::Test {
 protected:
  Result<oci::Process> Process(std::vector<std::string> words) {
    TRY(Parse(flags_, std::move(words)));
    TRY(flags_.Check());
    oci::Process configured;
    configured.args = {"sleep"};
    configured.env = {"PATH=/bin", "TERM=xterm"};
    configured.cwd = std::string("/");
    configured.terminal = true;
    configured.user.gid = 7;
    return flags_.ProcessFor(std::move(configured), {"ls", "-l"});
  }
  std::string Refusal(std::vector<std::string> words) {
    const auto process = Process(std::move(words));
    return process ? "" : process.error().message();
  }
  ExecFlags flags_;
};

TEST_F(ExecFlagsTest, WithoutOptionsAProcessIsLikeTheContainersOwn) {
  const auto process = Process({});
  ASSERT_TRUE(process);
  EXPECT_THAT(process->args, ElementsAre("ls", "-l"));
  EXPECT_THAT(process->env, ElementsAre("PATH=/bin", "TERM=xterm"));
  EXPECT_EQ(process->cwd, "/");
  EXPECT_EQ(process->user.gid, 7U);
  EXPECT_FALSE(process->terminal) << "that is what --tty is for";
}

TEST_F(ExecFlagsTest, OptionsSayWhatIsDifferent) {
  const auto process =
      Process({"-t", "--cwd", "/tmp", "-e", "A=B=C", "-e", "PATH=/x", "-u", "5:6", "-g", "8",
               "--additional-gids=9", "--no-new-privs", "--apparmor", "p", "--process-label", "l"});
  ASSERT_TRUE(process);
  EXPECT_TRUE(process->terminal);
  EXPECT_EQ(process->cwd, "/tmp");
  EXPECT_THAT(process->env, ElementsAre("PATH=/x", "TERM=xterm", "A=B=C"));
  EXPECT_EQ(process->user.uid, 5U);
  EXPECT_EQ(process->user.gid, 6U);
  EXPECT_THAT(process->user.additional_gids, ElementsAre(8, 9));
  EXPECT_TRUE(process->no_new_privileges);
  EXPECT_EQ(process->apparmor_profile, "p");
  EXPECT_EQ(process->selinux_label, "l");
}

TEST_F(ExecFlagsTest, ACapabilityIsNeverInheritable) {
  const auto process = Process({"--cap", "CAP_CHOWN"});
  ASSERT_TRUE(process && process->capabilities);
  EXPECT_THAT(process->capabilities->bounding, ElementsAre("CAP_CHOWN"));
  EXPECT_THAT(process->capabilities->effective, ElementsAre("CAP_CHOWN"));
  EXPECT_THAT(process->capabilities->permitted, ElementsAre("CAP_CHOWN"));
  EXPECT_THAT(process->capabilities->inheritable, IsEmpty());
}

TEST_F(ExecFlagsTest, UsersAndVariablesHaveTheirForm) {
  EXPECT_THAT(Refusal({"--user", "ann"}), HasSubstr("--user 'ann': must be a whole number"));
}

TEST_F(ExecFlagsTest, AVariableHasAName) {
  EXPECT_THAT(Refusal({"--env", "A"}), HasSubstr("--env 'A': must be NAME=VALUE"));
}

TEST_F(ExecFlagsTest, OtherControlGroupsAreRefused) {
  EXPECT_THAT(Refusal({"--cgroup", "x"}), HasSubstr("--cgroup is not supported"));
}

}  // namespace
}  // namespace wasmoor::cmd
