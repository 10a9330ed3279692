#include "wasmoor/os/capability.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <unistd.h>

#include "support/child.h"

namespace wasmoor::os {
namespace {

using test::InChild;
using ::testing::HasSubstr;

#define REQUIRE_CAPABILITIES()                                         \
  if ((GetCapabilities().permitted & CapabilityBit(CAP_SETPCAP)) == 0) \
  GTEST_SKIP() << "needs CAP_SETPCAP"

TEST(CapabilityTest, NamesHaveTheirNumbers) {
  EXPECT_EQ(ParseCapability("CAP_CHOWN").value_or(-1), CAP_CHOWN);
  EXPECT_EQ(ParseCapability("CAP_SYS_ADMIN").value_or(-1), CAP_SYS_ADMIN);
  EXPECT_EQ(ParseCapability("CAP_AUDIT_READ").value_or(-1), CAP_AUDIT_READ);
  for (const char* name : {"", "CHOWN", "CAP_", "cap_chown", "CAP_EVERYTHING"}) {
    const auto parsed = ParseCapability(name);
    ASSERT_FALSE(parsed) << name;
    EXPECT_THAT(parsed.error().message(), HasSubstr("'" + std::string(name) + "'"));
  }
  for (int i = 0; i <= LastCapability() && i <= CAP_LAST_CAP; ++i)
    EXPECT_EQ(ParseCapability(CapabilityName(i)).value_or(-1), i);
}

TEST(CapabilityTest, TheFiveSetsSurviveAChangeOfUser) {
  REQUIRE_CAPABILITIES();
  EXPECT_EQ(InChild([] {
              const uint64_t net = CapabilityBit(CAP_NET_BIND_SERVICE);
              const uint64_t chown = CapabilityBit(CAP_CHOWN);
              CapabilitySets wanted;
              wanted.bounding = net | chown;
              wanted.permitted = net | chown;
              wanted.effective = chown;
              wanted.inheritable = wanted.ambient = net;
              if (!LimitBounding(wanted.bounding) || !KeepCapabilities()) return 1;
              if (::setuid(65534) != 0 || !SetCapabilities(wanted)) return 2;
              const CapabilitySets now = GetCapabilities();
              if (now.bounding != wanted.bounding || now.permitted != wanted.permitted) return 3;
              if (now.effective != wanted.effective) return 4;
              return now.inheritable == net && now.ambient == net ? 0 : 5;
            }),
            "exit 0");
}

TEST(CapabilityTest, AnEmptySetLeavesNothing) {
  EXPECT_EQ(
      InChild([] {
        if ((GetCapabilities().permitted & CapabilityBit(CAP_SETPCAP)) != 0 && !LimitBounding(0))
          return 1;
        if (!SetCapabilities({})) return 2;
        const CapabilitySets now = GetCapabilities();
        return (now.permitted | now.effective | now.ambient) == 0 ? 0 : 3;
      }),
      "exit 0");
}

TEST(CapabilityTest, WhatTheProcessLacksIsNamed) {
  EXPECT_EQ(InChild([] {
              if (!SetCapabilities({})) return 1;
              CapabilitySets wanted;
              wanted.permitted = CapabilityBit(CAP_SYS_TIME);
              const Status set = SetCapabilities(wanted);
              if (set || set.error().code() != Code::kPermissionDenied) return 2;
              return set.error().message().find("CAP_SYS_TIME") != std::string::npos ? 0 : 3;
            }),
            "exit 0");
}

TEST(CapabilityTest, AnAmbientOneMustBePermittedAndInheritable) {
  EXPECT_EQ(InChild([] {
              CapabilitySets wanted;
              wanted.ambient = CapabilityBit(CAP_CHOWN);
              const Status set = SetCapabilities(wanted);
              return !set && set.error().code() == Code::kInvalidArgument ? 0 : 1;
            }),
            "exit 0");
}

}  // namespace
}  // namespace wasmoor::os
