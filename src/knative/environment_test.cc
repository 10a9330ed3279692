#include "wasmoor/knative/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace wasmoor::knative {
namespace {

Result<ContainerEnvironment> Read(const std::map<std::string, std::string>& variables) {
  return ReadContainerEnvironment([&variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(EnvironmentTest, WithoutKnativeThereIsNothing) {
  const auto environment = Read({{"HOME", "/"}});
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->port, std::nullopt);
  EXPECT_EQ(environment->service, "");
  EXPECT_FALSE(environment->IsKnative());
}

TEST(EnvironmentTest, WhatKnativeSaysIsRead) {
  const auto environment = Read({{"PORT", "8080"},
                                 {"K_SERVICE", "hello"},
                                 {"K_REVISION", "hello-00001"},
                                 {"K_CONFIGURATION", "hello"}});
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->port, 8080);
  EXPECT_EQ(environment->service, "hello");
  EXPECT_EQ(environment->revision, "hello-00001");
  EXPECT_EQ(environment->configuration, "hello");
  EXPECT_TRUE(environment->IsKnative());
}

TEST(EnvironmentTest, APortAloneIsSomebodyElses) {
  const auto environment = Read({{"PORT", "65535"}});
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->port, 65535);
  EXPECT_FALSE(environment->IsKnative());
}

TEST(EnvironmentTest, AnEmptyVariableIsAsNone) {
  const auto environment = Read({{"PORT", ""}, {"K_SERVICE", ""}});
  ASSERT_TRUE(environment);
  EXPECT_EQ(environment->port, std::nullopt);
}

TEST(EnvironmentTest, WhatIsNoPortIsSaid) {
  for (const char* port :
       {"0", "65536", "-1", "+80", " 80", "80 ", "http", "0x50", "80\n", "8080.0"}) {
    const auto environment = Read({{"PORT", port}});
    ASSERT_FALSE(environment) << port;
    EXPECT_EQ(environment.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(environment.error().message(), ::testing::HasSubstr("PORT"));
    EXPECT_EQ(environment.error().message().find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace wasmoor::knative
