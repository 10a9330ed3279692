#include "function/page/guard.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace wasmoor::function::page {
namespace {

bool KnownAs(std::string_view host) {
  const std::array fields = {http::Field{"Host", host}};
  const std::vector<std::string> names = {"ops.example.com"};
  return CheckHost(fields, names).has_value();
}

TEST(GuardTest, KnowsItselfByAddressAndByLocalhost) {
  for (const std::string_view host : {"127.0.0.1", "127.0.0.1:9000", "10.1.2.3", "[::1]:9000",
                                      "[fe80::1]", "localhost", "LocalHost:1", "a.localhost:80"})
    EXPECT_TRUE(KnownAs(host)) << host;
}

TEST(GuardTest, KnowsItselfByTheNamesThatItWasGiven) {
  EXPECT_TRUE(KnownAs("ops.example.com"));
  EXPECT_TRUE(KnownAs("OPS.example.com:8443"));
  EXPECT_FALSE(KnownAs("x.ops.example.com"));
  EXPECT_FALSE(KnownAs("ops.example.com.evil.test"));
}

TEST(GuardTest, TakesNoOtherNameForItsOwn) {
  for (const std::string_view host :
       {"evil.test", "evil.test:9000", "127.0.0.1.evil.test", "localhost.evil.test", ".localhost",
        "notlocalhost", "", ":80", "[::1", "[evil]", "[127.0.0.1]", "[::1]x", "127.0.0.1:x",
        "127.0.0.1:80:80", "1.2.3", "0x7f.1", "2130706433", "::1", "user@127.0.0.1"})
    EXPECT_FALSE(KnownAs(host)) << host;
}

TEST(GuardTest, WantsOneHost) {
  EXPECT_FALSE(CheckHost({}, {}));
  const std::array two = {http::Field{"host", "localhost"}, http::Field{"Host", "localhost"}};
  EXPECT_FALSE(CheckHost(two, {}));
}

TEST(GuardTest, SaysWhatToDoAboutAName) {
  const std::array fields = {http::Field{"host", "evil\x1b.test"}};
  const auto refused = CheckHost(fields, {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("admin_hosts"), std::string::npos);
  EXPECT_EQ(refused.error().message().find('\x1b'), std::string::npos);
}

bool MayCall(std::vector<http::Field> fields) {
  fields.push_back({"host", "127.0.0.1:9000"});
  return CheckOrigin(fields).has_value();
}

TEST(GuardTest, LetsThePageCallAndWhoIsNoBrowser) {
  EXPECT_TRUE(MayCall({{"wasmoor-page", "call"}}));
  EXPECT_TRUE(MayCall({{"wasmoor-page", "call"}, {"Origin", "http://127.0.0.1:9000"}}));
  EXPECT_TRUE(MayCall({{"wasmoor-page", "call"},
                       {"Sec-Fetch-Site", "same-origin"},
                       {"origin", "https://127.0.0.1:9000"}}));
}

TEST(GuardTest, LetsNoPageOfAnotherOriginCall) {
  EXPECT_FALSE(MayCall({}));
  EXPECT_FALSE(MayCall({{"origin", "http://127.0.0.1:9000"}}));
  for (const std::string_view origin :
       {"http://evil.test", "null", "", "http://127.0.0.1:9001", "http://127.0.0.1",
        "127.0.0.1:9000", "http://127.0.0.1:9000.evil.test", "http://evil.test://127.0.0.1:9000"})
    EXPECT_FALSE(MayCall({{"wasmoor-page", "call"}, {"origin", origin}})) << origin;
  for (const std::string_view site : {"cross-site", "same-site", "none", ""})
    EXPECT_FALSE(MayCall({{"wasmoor-page", "call"}, {"sec-fetch-site", site}})) << site;
  EXPECT_FALSE(MayCall({{"wasmoor-page", "call"},
                        {"origin", "http://127.0.0.1:9000"},
                        {"origin", "http://evil.test"}}));
}

}  // namespace
}  // namespace wasmoor::function::page
