#include "cmd/runtime/stats_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wasmoor::cmd {
namespace {

nlohmann::json DataOf(const cgroup::Stats& stats) {
  return nlohmann::json::parse(StatsEvent("c1", stats))["data"];
}

TEST(StatsEventTest, ItIsALineOfItsTypeAndContainer) {
  const std::string line = StatsEvent("c1", {});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto event = nlohmann::json::parse(line);
  EXPECT_EQ(event["type"], "stats");
  EXPECT_EQ(event["id"], "c1");
  EXPECT_EQ(OomEvent("c1"), "{\"type\":\"oom\",\"id\":\"c1\"}\n");
}

TEST(StatsEventTest, ProcessorTimeIsInNanoseconds) {
  cgroup::Stats stats;
  stats.cpu = {.usage_ns = 7'000,
               .user_ns = 5'000,
               .system_ns = 2'000,
               .periods = 9,
               .throttled_periods = 4,
               .throttled_ns = 300,
               .per_cpu_ns = {6'000, 1'000}};
  const auto cpu = DataOf(stats)["cpu"];
  EXPECT_EQ(cpu["usage"].dump(),
            R"({"kernel":2000,"percpu":[6000,1000],"total":7000,"user":5000})");
  EXPECT_EQ(cpu["throttling"].dump(), R"({"periods":9,"throttledPeriods":4,"throttledTime":300})");
}

TEST(StatsEventTest, SwapIsToldTogetherWithMemory) {
  cgroup::Stats stats;
  stats.memory = {.usage = 100,
                  .limit = 1000,
                  .max_usage = 200,
                  .failures = 3,
                  .cache = 10,
                  .swap_usage = 40,
                  .swap_limit = 500,
                  .raw = {{"rss", 90}}};
  const auto memory = DataOf(stats)["memory"];
  EXPECT_EQ(memory["usage"].dump(), R"({"failcnt":3,"limit":1000,"max":200,"usage":100})");
  EXPECT_EQ(memory["swap"]["limit"], 1500);
  EXPECT_EQ(memory["swap"]["usage"], 140);
  EXPECT_EQ(memory["cache"], 10);
  EXPECT_EQ(memory["raw"]["rss"], 90);
}

TEST(StatsEventTest, NoLimitIsTheLargestNumberAndOfProcessesZero) {
  cgroup::Stats stats;
  stats.memory.emplace();
  stats.pids = {.current = 2};
  const auto data = DataOf(stats);
  EXPECT_EQ(data["memory"]["usage"]["limit"], UINT64_MAX);
  EXPECT_EQ(data["memory"]["swap"]["limit"], UINT64_MAX);
  EXPECT_EQ(data["pids"].dump(), R"({"current":2,"limit":0})");
}

TEST(StatsEventTest, DiskAccessHasAnEntryForEachDeviceAndOperation) {
  cgroup::Stats stats;
  stats.block_io = {{.major = 8, .minor = 16, .read_bytes = 4096, .write_bytes = 512, .reads = 2}};
  const auto io = DataOf(stats)["blkio"];
  EXPECT_EQ(io["ioServiceBytesRecursive"][0].dump(),
            R"({"major":8,"minor":16,"op":"Read","value":4096})");
  EXPECT_EQ(io["ioServiceBytesRecursive"][1]["value"], 512);
  EXPECT_EQ(io["ioServicedRecursive"][0]["value"], 2);
}

TEST(StatsEventTest, WhatOnlySomeMachinesHaveIsToldWhereItIs) {
  cgroup::Stats stats;
  stats.hugetlb["2MB"] = {.usage = 2097152, .max_usage = 4194304, .failures = 1};
  stats.rdma["mlx5_0"] = {.hca_handles = 3, .hca_objects = 5};
  stats.pressure["memory"] = {.some = {.avg10 = 1.5, .total_ns = 2'000'000}};
  const auto data = DataOf(stats);
  EXPECT_EQ(data["hugetlb"]["2MB"].dump(), R"({"failcnt":1,"max":4194304,"usage":2097152})");
  EXPECT_EQ(data["rdma"]["current"][0]["hcaObjects"], 5);
  EXPECT_EQ(data["memory"]["psi"]["some"]["avg10"], 1.5);
  EXPECT_EQ(data["memory"]["psi"]["some"]["total"], 2000) << "microseconds, as the kernel has it";
}

}  // namespace
}  // namespace wasmoor::cmd
