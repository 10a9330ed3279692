#include "cmd/shim_line/bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "proto/containerd/bootstrap.pb.h"
#include "proto/containerd/runtime_options.pb.h"
#include "support/result.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::cmd {
namespace {

namespace boot = ::containerd::runtime::bootstrap::v1;
using test::Must;

constexpr const char* kAddress = "unix:///run/containerd/s/abc";

Result<Bootstrap> Parse(const std::string& input, bool knows_versions = true) {
  return ParseBootstrap({reinterpret_cast<const uint8_t*>(input.data()), input.size()},
                        {.id = "c1", .name_space = "k8s.io", .knows_versions = knows_versions});
}

google::protobuf::Any Options() {
  ::runtimeoptions::v1::Options options;
  options.set_config_body("systemd_cgroup = true\n");
  google::protobuf::Any any;
  ttrpc::Pack(options, &any);
  return any;
}

boot::BootstrapParams Params() {
  boot::BootstrapParams params;
  params.set_instance_id("c1");
  params.set_namespace_("k8s.io");
  return params;
}

TEST(BootstrapTest, AnswersTheOldestWithTheAddressAlone) {
  const Bootstrap bootstrap = Must(Parse("", false));
  EXPECT_EQ(BootstrapAnswer(bootstrap.form, kAddress), kAddress);
  EXPECT_EQ(Must(Parse(Options().SerializeAsString(), false)).options.type_url(),
            "runtimeoptions.v1.Options");
}

TEST(BootstrapTest, AnswersThoseWhoKnowVersionsInJson) {
  const Bootstrap bootstrap = Must(Parse(Options().SerializeAsString()));
  EXPECT_EQ(bootstrap.options.type_url(), "runtimeoptions.v1.Options");
  const auto answer = nlohmann::json::parse(BootstrapAnswer(bootstrap.form, kAddress));
  EXPECT_EQ(answer, nlohmann::json({{"version", 3}, {"address", kAddress}, {"protocol", "ttrpc"}}));
}

TEST(BootstrapTest, AnswersTheNewestWithAMessage) {
  boot::BootstrapParams params = Params();
  params.set_socket_dir("/run/other");
  params.set_log_level(boot::LOG_LEVEL_DEBUG);
  *params.add_extensions()->mutable_value() = Options();
  const Bootstrap bootstrap = Must(Parse(params.SerializeAsString()));
  EXPECT_EQ(bootstrap.socket_directory, "/run/other");
  EXPECT_TRUE(bootstrap.debug);
  EXPECT_EQ(bootstrap.options.type_url(), "runtimeoptions.v1.Options");
  boot::BootstrapResult answer;
  ASSERT_TRUE(answer.ParseFromString(BootstrapAnswer(bootstrap.form, kAddress)));
  EXPECT_EQ(answer.version(), 3);
  EXPECT_EQ(answer.address(), kAddress);
  EXPECT_EQ(answer.protocol(), "ttrpc");
}

TEST(BootstrapTest, DoesWithoutOptions) {
  const Bootstrap bootstrap = Must(Parse(Params().SerializeAsString()));
  EXPECT_EQ(bootstrap.form, Bootstrap::Form::kMessage);
  EXPECT_EQ(bootstrap.options.type_url(), "");
  EXPECT_FALSE(bootstrap.debug);
}

TEST(BootstrapTest, RefusesWhatIsNoMessage) {
  const auto bootstrap = Parse("\xff\xff\xff\xff");
  ASSERT_FALSE(bootstrap.has_value());
  EXPECT_THAT(bootstrap.error().message(), testing::HasSubstr("standard input"));
}

}  // namespace
}  // namespace wasmoor::cmd
