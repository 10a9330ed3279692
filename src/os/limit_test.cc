#include "wasmoor/os/limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/child.h"
#include "wasmoor/os/capability.h"

namespace wasmoor::os {
namespace {

using test::InChild;
using ::testing::HasSubstr;

TEST(LimitTest, NamesAreUnderstoodAndSet) {
  const int files = ParseLimitName("RLIMIT_NOFILE").value_or(-1);
  ASSERT_EQ(files, RLIMIT_NOFILE);
  EXPECT_EQ(InChild([&] {
              if (!SetLimit(0, files, {.soft = 40, .hard = 50})) return 1;
              const ResourceLimit now = GetLimit(files);
              return now.soft == 40 && now.hard == 50 ? 0 : 2;
            }),
            "exit 0");
  const auto unknown = ParseLimitName("RLIMIT_LUCK");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message(), HasSubstr("'RLIMIT_LUCK'"));
}

TEST(LimitTest, RaisingAHardLimitWithoutTheRightSaysSo) {
  EXPECT_EQ(InChild([] {
              if (!SetCapabilities({}) || !SetLimit(0, RLIMIT_NOFILE, {.soft = 40, .hard = 50}))
                return 1;
              const Status set = SetLimit(0, RLIMIT_NOFILE, {.soft = 40, .hard = 60});
              if (set) return 2;
              return set.error().message().find("CAP_SYS_RESOURCE") != std::string::npos ? 0 : 3;
            }),
            "exit 0");
}

}  // namespace
}  // namespace wasmoor::os
