#include "wasmoor/oci/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wasmoor::oci {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

// The least that is a container.
nlohmann::json Least() {
  return {{"ociVersion", "1.2.0"},
          {"root", {{"path", "rootfs"}}},
          {"process", {{"cwd", "/"}, {"args", {"true"}}, {"user", {{"uid", 0}, {"gid", 0}}}}}};
}

Spec Parsed(const nlohmann::json& json) {
  auto spec = ParseSpec(json.dump());
  EXPECT_TRUE(spec.has_value()) << (spec ? "" : spec.error().message());
  return spec ? *spec : Spec();
}

std::string RefusalOfText(std::string_view text) {
  const auto spec = ParseSpec(text);
  if (spec) return "it was taken";
  EXPECT_EQ(spec.error().code(), Code::kInvalidArgument);
  return spec.error().message();
}
std::string Refusal(const nlohmann::json& json) { return RefusalOfText(json.dump()); }

// The least with one value changed: Changed("/process/cwd", 1).
nlohmann::json Changed(const char* pointer, nlohmann::json value) {
  nlohmann::json json = Least();
  json[nlohmann::json::json_pointer(pointer)] = std::move(value);
  return json;
}

TEST(SpecTest, TakesTheLeast) {
  const Spec spec = Parsed(Least());
  EXPECT_EQ(spec.oci_version, "1.2.0");
  EXPECT_EQ(spec.root->path, "rootfs");
  EXPECT_THAT(spec.process->args, ElementsAre("true"));
  EXPECT_FALSE(spec.process->capabilities.has_value());
  EXPECT_FALSE(spec.on_linux.resources.has_value());
}

TEST(SpecTest, KeepsWhatItSaysOfAProcess) {
  auto json = Changed("/process/user",
                      {{"uid", 1000}, {"gid", 100}, {"umask", 18}, {"additionalGids", {5, 6}}});
  json["process"]["terminal"] = true;
  json["process"]["consoleSize"] = {{"height", 40}, {"width", 120}};
  json["process"]["capabilities"] = {{"bounding", {"CAP_KILL"}},
                                     {"ambient", nlohmann::json::array()}};
  json["process"]["rlimits"] = {
      {{"type", "RLIMIT_NOFILE"}, {"soft", 10}, {"hard", 18446744073709551615u}}};
  json["process"]["noNewPrivileges"] = true;
  json["process"]["oomScoreAdj"] = -500;
  const Process process = *Parsed(json).process;
  EXPECT_EQ(process.user.uid, 1000u);
  EXPECT_EQ(process.user.umask, 022);
  EXPECT_THAT(process.user.additional_gids, ElementsAre(5, 6));
  EXPECT_TRUE(process.terminal);
  EXPECT_EQ(process.console_size->width, 120);
  EXPECT_THAT(process.capabilities->bounding, ElementsAre("CAP_KILL"));
  EXPECT_EQ(process.rlimits[0].hard, UINT64_MAX);
  EXPECT_TRUE(process.no_new_privileges);
  EXPECT_EQ(process.oom_score_adj, -500);
}

TEST(SpecTest, KeepsWhatItSaysOfLinux) {
  auto json = Least();
  json["hostname"] = "box";
  json["linux"] = {
      {"namespaces",
       {{{"type", "uts"}},
        {{"type", "user"}},
        {{"type", "network"}, {"path", "/proc/1/ns/net"}},
        {{"type", "time"}}}},
      {"uidMappings", {{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}}},
      {"timeOffsets", {{"boottime", {{"secs", -7}, {"nanosecs", 5}}}}},
      {"devices",
       {{{"type", "c"}, {"path", "/dev/fuse"}, {"major", 10}, {"minor", 229}, {"fileMode", 438}}}},
      {"cgroupsPath", "/a/b"},
      {"sysctl", {{"net.ipv4.ip_forward", "1"}}},
      {"rootfsPropagation", "rslave"},
      {"maskedPaths", {"/proc/kcore"}},
      {"personality", {{"domain", "LINUX32"}}}};
  const Linux on_linux = Parsed(json).on_linux;
  ASSERT_EQ(on_linux.namespaces.size(), 4u);
  EXPECT_EQ(on_linux.namespaces[2].type, NamespaceType::kNetwork);
  EXPECT_EQ(NamespaceName(on_linux.namespaces[3].type), "time");
  EXPECT_EQ(on_linux.uid_mappings[0].host_id, 100000u);
  EXPECT_EQ(on_linux.time_offsets.at("boottime").secs, -7);
  EXPECT_EQ(on_linux.devices[0].file_mode, 0666);
  EXPECT_THAT(on_linux.sysctl, UnorderedElementsAre(Pair("net.ipv4.ip_forward", "1")));
  EXPECT_EQ(on_linux.personality->domain, "LINUX32");
}

TEST(SpecTest, KeepsResourcesWithTheirUnits) {
  const auto resources = ParseResources(R"({
    "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": -1, "access": "rw"}],
    "memory": {"limit": 67108864, "swap": -1, "disableOOMKiller": false},
    "cpu": {"shares": 512, "quota": -1, "period": 100000, "cpus": "0-1"},
    "pids": {"limit": 32},
    "blockIO": {"weight": 500, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1024}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
    "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 5}]},
    "rdma": {"mlx5_0": {"hcaHandles": 3}},
    "unified": {"memory.high": "1000"}})");
  ASSERT_TRUE(resources.has_value()) << resources.error().message();
  EXPECT_EQ(resources->devices[0].type, 'a');
  EXPECT_EQ(resources->devices[1].major, 1);
  EXPECT_FALSE(resources->devices[1].minor.has_value());
  EXPECT_EQ(resources->memory->limit, 64 << 20);
  EXPECT_EQ(resources->memory->swap, -1);
  EXPECT_FALSE(resources->memory->reservation.has_value());
  EXPECT_EQ(resources->cpu->quota, -1);
  EXPECT_EQ(resources->pids_limit, 32);
  EXPECT_EQ(resources->block_io->throttle_read_bps[0].rate, 1024u);
  EXPECT_EQ(resources->rdma.at("mlx5_0").hca_handles, 3u);
  EXPECT_EQ(resources->unified.at("memory.high"), "1000");
}

TEST(SpecTest, NullIsAsIfAbsentAndUnknownPropertiesAreIgnored) {
  auto json = Changed("/process/capabilities", nullptr);
  json["mounts"] = nullptr;
  json["linux"] = {{"resources", nullptr}, {"memoryPolicy", {{"mode", "x"}}}};
  json["windows"] = {{"layerFolders", {"x"}}};
  const Spec spec = Parsed(json);
  EXPECT_FALSE(spec.process->capabilities.has_value());
  EXPECT_TRUE(spec.mounts.empty());
}

TEST(SpecTest, AWrongTypeIsToldWithItsPath) {
  EXPECT_EQ(Refusal(Changed("/process/cwd", 1)), "process.cwd: must be a string, is number");
  EXPECT_EQ(Refusal(Changed("/process/args", "true")), "process.args: must be a list, is string");
  EXPECT_EQ(Refusal(Changed("/process/args", {"a", 7})),
            "process.args[1]: must be a string, is number");
  EXPECT_EQ(Refusal(Changed("/linux", {{"resources", {{"memory", {{"limit", "1G"}}}}}})),
            "linux.resources.memory.limit: must be an integer, is string");
  EXPECT_EQ(Refusal(Changed("/process/user/uid", -1)),
            "process.user.uid: must be from 0 to 4294967295, is -1");
  EXPECT_THAT(Refusal(Changed("/process/user/uid", 1.5)),
              StartsWith("process.user.uid: must be an integer"));
  EXPECT_THAT(Refusal(Changed("/process/oomScoreAdj", 1ull << 40)),
              HasSubstr("process.oomScoreAdj: must be from"));
  EXPECT_EQ(RefusalOfText("[]"), "the document: must be an object, is array");
}

TEST(SpecTest, WhatIsNotJsonIsToldWithItsPlace) {
  EXPECT_THAT(RefusalOfText(std::string_view("{\"a\": }")),
              AllOf(StartsWith("not JSON"), HasSubstr("column 7")));
  EXPECT_THAT(RefusalOfText(std::string_view("")), StartsWith("not JSON"));
  EXPECT_THAT(RefusalOfText(std::string(kMaxSpecBytes + 1, ' ')), HasSubstr("at most"));
}

TEST(SpecTest, ANulInAStringIsRefused) {
  EXPECT_EQ(Refusal(Changed("/hostname", std::string("a\0b", 3))),
            "hostname: must be free of NUL characters");
}

TEST(SpecTest, WhatTheSpecificationForbidsIsToldWithItsPath) {
  EXPECT_THAT(Refusal(Changed("/ociVersion", "2.0.0")),
              StartsWith("ociVersion: '2.0.0' is not supported"));
  EXPECT_THAT(Refusal(Changed("/ociVersion", "x")), StartsWith("ociVersion: must be a version"));
  EXPECT_THAT(Refusal(Changed("/root", nullptr)), StartsWith("root.path: is missing"));
  EXPECT_THAT(Refusal(Changed("/process/cwd", "tmp")), StartsWith("process.cwd: must be absolute"));
  EXPECT_THAT(Refusal(Changed("/process/args", nlohmann::json::array())),
              StartsWith("process.args: must have"));
  EXPECT_THAT(Refusal(Changed("/hostname", "box")), StartsWith("hostname: needs a uts namespace"));
  EXPECT_THAT(Refusal(Changed("/linux/namespaces", {{{"type", "pid"}}, {{"type", "pid"}}})),
              HasSubstr("'pid' stands there twice"));
  EXPECT_THAT(Refusal(Changed("/linux/namespaces", {{{"type", "disk"}}})),
              AllOf(StartsWith("linux.namespaces[0].type: must be pid,"), HasSubstr("'disk'")));
  EXPECT_THAT(
      Refusal(Changed("/linux/uidMappings", {{{"containerID", 0}, {"hostID", 0}, {"size", 1}}})),
      HasSubstr("needs a user namespace"));
  EXPECT_THAT(Refusal(Changed("/hooks/poststop", {{{"path", "sh"}}})),
              StartsWith("hooks.poststop[0].path"));
  EXPECT_THAT(Refusal(Changed("/hooks/prestart", {{{"path", "/a"}, {"timeout", 0}}})),
              StartsWith("hooks.prestart[0].timeout"));
  EXPECT_THAT(Refusal(Changed("/linux/maskedPaths", {"proc/x"})),
              StartsWith("linux.maskedPaths[0]"));
  EXPECT_THAT(Refusal(Changed("/linux/rootfsPropagation", "private,shared")),
              StartsWith("linux.rootfsPropagation"));
  EXPECT_THAT(Refusal(Changed("/linux/devices", {{{"type", "x"}, {"path", "/dev/x"}}})),
              HasSubstr("linux.devices[0]: must be a device of type c, u, b or p"));
  EXPECT_THAT(
      Refusal(Changed("/process/rlimits", {{{"type", "RLIMIT_CPU"}, {"soft", 2}, {"hard", 1}}})),
      HasSubstr("RLIMIT_CPU is above"));
  EXPECT_THAT(Refusal(Changed("/linux/timeOffsets/monotonic/secs", 1)),
              HasSubstr("needs a time namespace"));
}

TEST(SpecTest, AUnifiedFileLeadsNowhereElse) {
  for (const char* file : {"../memory.max", "a/b", "", "..", ".x"}) {
    const auto resources = ParseResources(nlohmann::json({{"unified", {{file, "1"}}}}).dump());
    EXPECT_FALSE(resources.has_value()) << file;
  }
}

TEST(SpecTest, AProcessOfExecIsCheckedToo) {
  EXPECT_TRUE(ParseProcess(R"({"cwd": "/", "args": ["ls"]})").has_value());
  const auto refused = ParseProcess(R"({"cwd": "", "args": ["ls"]})");
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), StartsWith("cwd: must be absolute"));
}

}  // namespace
}  // namespace wasmoor::oci
