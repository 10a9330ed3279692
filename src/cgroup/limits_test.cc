#include "cgroup/limits.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <cerrno>

#include "cgroup/device_program.h"
#include "cgroup/group_for_test.h"

namespace wasmoor::cgroup {
namespace {

using testing::HasSubstr;

class LimitsTest : public GroupTest {
 protected:
  Status Apply(const char* json) {
    const auto resources = oci::ParseResources(json);
    EXPECT_TRUE(resources) << resources.error().message();
    return group_->Apply(*resources);
  }
  void ExpectApplied(const char* json) {
    const auto applied = Apply(json);
    EXPECT_TRUE(applied) << json << ": " << applied.error().message();
  }
};

TEST_F(LimitsTest, CpuTimeIsSharedAndBounded) {
  ExpectApplied(R"({"cpu": {"shares": 512, "quota": 50000, "period": 100000}})");
  if (IsV2()) {
    EXPECT_EQ(ReadFile("cpu", "cpu.weight"), "20");
    EXPECT_EQ(ReadFile("cpu", "cpu.max"), "50000 100000");
    ExpectApplied(R"({"cpu": {"quota": -1}})");
    EXPECT_EQ(ReadFile("cpu", "cpu.max"), "max 100000");
    return;
  }
  EXPECT_EQ(ReadFile("cpu", "cpu.shares"), "512");
  EXPECT_EQ(ReadFile("cpu", "cpu.cfs_quota_us"), "50000");
  EXPECT_EQ(ReadFile("cpu", "cpu.cfs_period_us"), "100000");
  ExpectApplied(R"({"cpu": {"quota": -1}})");
  EXPECT_EQ(ReadFile("cpu", "cpu.cfs_quota_us"), "-1");
  EXPECT_EQ(ReadFile("cpu", "cpu.shares"), "512");
}

TEST_F(LimitsTest, AProcessIsBoundToItsCpus) {
  ExpectApplied(R"({"cpu": {"cpus": "0", "mems": "0"}})");
  Child bound([this] {
    static_cast<void>(group_->Add(getpid()));
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    _exit(CPU_COUNT(&cpus));
  });
  EXPECT_EQ(bound.Wait(), "exit 1");
}

TEST_F(LimitsTest, MemoryAndSwapAreSetUpAndDownInTheOrderTheKernelWants) {
  const auto expect = [this](uint64_t memory, uint64_t swap) {
    const auto stats = group_->ReadStats();
    EXPECT_EQ(stats->memory->limit, memory);
    if (!IsV2() || ReadFile("memory", "memory.swap.max") != "(none)") {
      EXPECT_EQ(stats->memory->swap_limit, swap);
    }
  };
  ExpectApplied(R"({"memory": {"limit": 33554432, "swap": 67108864}})");
  expect(32 << 20, 32 << 20);
  ExpectApplied(R"({"memory": {"limit": 134217728, "swap": 134217728}})");
  expect(128 << 20, 0);
  ExpectApplied(R"({"memory": {"limit": 16777216, "swap": 33554432}})");
  expect(16 << 20, 16 << 20);
  ExpectApplied(R"({"memory": {"limit": -1}})");
  expect(kUnlimited, kUnlimited);
  ExpectApplied(R"({"memory": {"limit": 0, "reservation": 8388608}})");
  EXPECT_EQ(ReadFile("memory", IsV2() ? "memory.low" : "memory.soft_limit_in_bytes"), "8388608");
}

TEST_F(LimitsTest, WhatIsNotInTheResourcesStaysAsItIs) {
  ExpectApplied(R"({"memory": {"limit": 33554432}, "pids": {"limit": 9}})");
  ExpectApplied(R"({"cpu": {"shares": 100}})");
  EXPECT_EQ(group_->ReadStats()->memory->limit, 32u << 20);
  EXPECT_EQ(group_->ReadStats()->pids->limit, 9u);
  ExpectApplied(R"({"pids": {"limit": 0}})");
  EXPECT_EQ(group_->ReadStats()->pids->limit, kUnlimited);
}

TEST_F(LimitsTest, ErrorsNameTheFieldAndTheKernelsReason) {
  const auto cpus = Apply(R"({"cpu": {"cpus": "4000"}})");
  ASSERT_FALSE(cpus);
  EXPECT_THAT(cpus.error().message(), HasSubstr("linux.resources.cpu.cpus: "));
  EXPECT_NE(cpus.error().error_number(), 0);
  const auto quota = Apply(R"({"cpu": {"quota": 5}})");
  ASSERT_FALSE(quota);
  EXPECT_THAT(quota.error().message(), HasSubstr("linux.resources.cpu.quota: write '5' to "));
  EXPECT_THAT(quota.error().message(), HasSubstr("Invalid argument"));
  const auto device =
      Apply(R"({"blockIO": {"throttleReadBpsDevice": [{"major": 4001, "minor": 7, "rate": 1}]}})");
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().message(), HasSubstr("blockIO.throttleReadBpsDevice"));
  const auto page = Apply(R"({"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]})");
  ASSERT_FALSE(page);
  EXPECT_THAT(page.error().message(), HasSubstr("linux.resources.hugepageLimits"));
}

TEST_F(LimitsTest, AMemoryLimitBelowWhatIsUsedIsRefusedIfItIsToBeChecked) {
  Child big([this] {
    static_cast<void>(group_->Add(getpid()));
    static char* memory = static_cast<char*>(malloc(24 << 20));
    for (int at = 0; at < 24 << 20; at += 4096) memory[at] = 1;
    raise(SIGSTOP);
  });
  int status = 0;
  waitpid(big.pid(), &status, WUNTRACED);
  const auto checked = Apply(R"({"memory": {"limit": 8388608, "checkBeforeUpdate": true}})");
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message(), HasSubstr("linux.resources.memory.limit: 8.0 MiB"));
  EXPECT_EQ(group_->ReadStats()->memory->limit, kUnlimited);
}

TEST_F(LimitsTest, HugePagesAreLimitedWhereTheKernelHasThem) {
  if (ReadFile("hugetlb", IsV2() || root_.layout() == Layout::kHybrid
                              ? "hugetlb.2MB.max"
                              : "hugetlb.2MB.limit_in_bytes") == "(none)")
    GTEST_SKIP() << "this kernel has no controller for huge pages of 2 MB";
  ExpectApplied(R"({"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]})");
  EXPECT_EQ(ReadFile("hugetlb", root_.layout() == Layout::kV1 ? "hugetlb.2MB.limit_in_bytes"
                                                              : "hugetlb.2MB.max"),
            "4194304");
}

TEST_F(LimitsTest, UnifiedFilesAreWrittenOnV2AndRefusedOnV1) {
  const auto applied = Apply(R"({"unified": {"memory.high": "50331648"}})");
  if (IsV2()) {
    ASSERT_TRUE(applied) << applied.error().message();
    EXPECT_EQ(ReadFile("memory", "memory.high"), "50331648");
    return;
  }
  ASSERT_FALSE(applied);
  EXPECT_THAT(applied.error().message(), HasSubstr("linux.resources.unified.memory.high"));
}

// What each of the accesses to /dev/null and /dev/zero gives inside the group: a bit for one that
// is refused.
std::string DeniedInside(Group* group) {
  Child tries([group] {
    if (!group->Add(getpid())) _exit(99);
    const auto refused = [](const char* device, int flags) {
      return open(device, flags | O_CLOEXEC) < 0 && errno == EPERM;
    };
    _exit((refused("/dev/null", O_RDONLY) ? 1 : 0) | (refused("/dev/null", O_WRONLY) ? 2 : 0) |
          (refused("/dev/zero", O_RDONLY) ? 4 : 0) | (refused("/dev/zero", O_WRONLY) ? 8 : 0));
  });
  return tries.Wait();
}

TEST_F(LimitsTest, DevicesAreOpenedAsTheLastRuleSays) {
  EXPECT_EQ(DeniedInside(group_.get()), "exit 0");
  ExpectApplied(R"({"devices": [{"allow": false, "access": "rwm"},
      {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
      {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "r"}]})");
  EXPECT_EQ(DeniedInside(group_.get()), "exit 8");
  // An update takes the place of what was there on v2, and adds to it on v1: the same either way
  // if it begins with a rule for all.
  ExpectApplied(R"({"devices": [{"allow": false, "access": "rwm"},
      {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rw"}]})");
  EXPECT_EQ(DeniedInside(group_.get()), "exit 3");
}

TEST_F(LimitsTest, ADeviceIsTakenOutOfARuleForManyOnV2) {
  // v1 has no exceptions from exceptions.
  if (!IsV2()) GTEST_SKIP() << "needs control groups v2";
  ExpectApplied(R"({"devices": [{"allow": false, "access": "rwm"},
      {"allow": true, "type": "c", "major": 1, "access": "rw"},
      {"allow": false, "type": "c", "major": 1, "minor": 3, "access": "w"}]})");
  EXPECT_EQ(DeniedInside(group_.get()), "exit 2");
}

TEST(DeviceProgramTest, StartsWithTheRuleThatDecidesAll) {
  oci::DeviceRule all, null;
  null.type = 'c';
  null.major = 1;
  null.minor = 3;
  null.allow = true;
  null.access = "rwm";
  const auto plain = DeviceProgram({all});
  EXPECT_EQ(plain.back().code, BPF_JMP | BPF_EXIT);
  EXPECT_EQ(plain[plain.size() - 2].imm, 0);
  EXPECT_EQ(DeviceProgram({null, all}).size(), plain.size());
  EXPECT_GT(DeviceProgram({all, null}).size(), plain.size());
  EXPECT_EQ(DeviceProgram({null})[DeviceProgram({null}).size() - 2].imm, 1);
}

TEST(ConversionTest, WeightsMeetAtBothEnds) {
  EXPECT_EQ(CpuWeight(2), 1u);
  EXPECT_EQ(CpuWeight(0), 1u);
  EXPECT_EQ(CpuWeight(1024), 39u);
  EXPECT_EQ(CpuWeight(262144), 10000u);
  EXPECT_EQ(CpuWeight(1'000'000), 10000u);
  EXPECT_EQ(IoWeight(10), 1u);
  EXPECT_EQ(IoWeight(1000), 10000u);
}

}  // namespace
}  // namespace wasmoor::cgroup
