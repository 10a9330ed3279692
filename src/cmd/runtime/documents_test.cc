#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cmd/engines.h"
#include "cmd/runtime/features_document.h"
#include "cmd/runtime/spec_document.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::cmd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Not;

std::vector<std::string> Texts(const nlohmann::ordered_json& array) { return array; }

TEST(FeaturesTest, ItNamesWhatAConfigurationMayAskFor) {
  const auto features = FeaturesDocument(Engines());
  EXPECT_EQ(features["ociVersionMin"], "1.0.0");
  EXPECT_EQ(features["ociVersionMax"], "1.2.0");
  EXPECT_EQ(features["hooks"].size(), 6U);
  EXPECT_THAT(Texts(features["mountOptions"]),
              IsSupersetOf({"ro", "rro", "rbind", "idmap", "tmpcopyup", "rslave"}));
  const auto& on_linux = features["linux"];
  EXPECT_THAT(Texts(on_linux["namespaces"]), IsSupersetOf({"cgroup", "mount", "network", "time"}));
  EXPECT_THAT(Texts(on_linux["capabilities"]), IsSupersetOf({"CAP_CHOWN", "CAP_SYS_ADMIN"}));
  EXPECT_EQ(on_linux["cgroup"]["v1"], true);
  EXPECT_EQ(on_linux["cgroup"]["v2"], true);
  EXPECT_EQ(on_linux["intelRdt"]["enabled"], false);
  EXPECT_EQ(on_linux["mountExtensions"]["idmap"]["enabled"], true);
}

TEST(FeaturesTest, ItNamesTheWordsOfASeccompProfile) {
  const auto seccomp = FeaturesDocument(Engines())["linux"]["seccomp"];
  EXPECT_EQ(seccomp["enabled"], true);
  EXPECT_THAT(Texts(seccomp["actions"]), IsSupersetOf({"SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY"}));
  EXPECT_THAT(Texts(seccomp["operators"]), Contains("SCMP_CMP_MASKED_EQ"));
  EXPECT_THAT(Texts(seccomp["archs"]), Contains("SCMP_ARCH_X86_64"));
  EXPECT_THAT(Texts(seccomp["knownFlags"]), Contains("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"));
  EXPECT_THAT(Texts(seccomp["supportedFlags"]), Contains("SECCOMP_FILTER_FLAG_LOG"));
}

TEST(FeaturesTest, ItSaysThatWebAssemblyRuns) {
  const auto features = FeaturesDocument(Engines());
  EXPECT_EQ(features["annotations"]["run.oci.crun.wasm"], "true");
  EXPECT_THAT(Texts(features["potentiallyUnsafeConfigAnnotations"]), Contains("run.oci.handler"));
}

TEST(SpecDocumentTest, ItIsAConfigurationThatTheSpecificationAllows) {
  const auto spec = oci::ParseSpec(SpecDocument({}, std::nullopt).dump());
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_EQ(spec->process->args.front(), "sh");
  EXPECT_TRUE(spec->process->terminal);
  EXPECT_TRUE(spec->process->no_new_privileges);
  ASSERT_TRUE(spec->on_linux.resources);
  EXPECT_FALSE(spec->on_linux.resources->devices.front().allow);
}

TEST(SpecDocumentTest, AProgramThatIsNamedHasNoTerminal) {
  const auto spec = oci::ParseSpec(SpecDocument({"/hello.wasm", "-v"}, std::nullopt).dump());
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_THAT(spec->process->args, ElementsAre("/hello.wasm", "-v"));
  EXPECT_FALSE(spec->process->terminal);
}

TEST(SpecDocumentTest, AUserWithoutRightsIsRootInAUserNamespace) {
  const auto spec = oci::ParseSpec(SpecDocument({}, RootlessUser{.uid = 1000, .gid = 100}).dump());
  ASSERT_TRUE(spec) << spec.error().message();
  const auto has = [&](oci::NamespaceType type) {
    for (const oci::Namespace& one : spec->on_linux.namespaces)
      if (one.type == type) return true;
    return false;
  };
  EXPECT_TRUE(has(oci::NamespaceType::kUser));
  EXPECT_FALSE(has(oci::NamespaceType::kNetwork));
  EXPECT_EQ(spec->on_linux.uid_mappings.front().host_id, 1000U);
  EXPECT_EQ(spec->on_linux.gid_mappings.front().host_id, 100U);
  EXPECT_FALSE(spec->on_linux.resources) << "needs rights";
  for (const oci::Mount& mount : spec->mounts) EXPECT_THAT(mount.options, Not(Contains("gid=5")));
}

}  // namespace
}  // namespace wasmoor::cmd
