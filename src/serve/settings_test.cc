#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "wasmoor/serve/server.h"

namespace wasmoor::serve {
namespace {

using ::testing::HasSubstr;
using Environment = std::vector<std::pair<std::string, std::string>>;

std::string Refused(const Environment& environment) {
  const auto settings = SettingsFrom(environment, {});
  return settings ? "" : settings.error().message();
}

TEST(SettingsTest, OurNameOfTheAddressGoesBeforeThatOfOthers) {
  EXPECT_EQ(SettingsFrom({}, {})->listen, "0.0.0.0:8080");
  const Environment others = {{"WASMTIME_HTTP_PROXY_SOCKET_ADDR", "[::]:81"}};
  EXPECT_EQ(SettingsFrom(others, {})->listen, "[::]:81");
  const Environment both = {{"WASMOOR_HTTP_LISTEN", ":82"},
                            {"WASMTIME_HTTP_PROXY_SOCKET_ADDR", ":81"}};
  EXPECT_EQ(SettingsFrom(both, {})->listen, ":82");
}

TEST(SettingsTest, SaysWhomGuestsMayAsk) {
  const Environment environment = {
      {"WASMOOR_HTTP_ALLOW", "api.example.com:80, *.inner.example,[::1]:8080,10.0.0.1"}};
  const Settings settings = *SettingsFrom(environment, {});
  EXPECT_TRUE(settings.MayAsk("API.example.com", 80));
  EXPECT_FALSE(settings.MayAsk("api.example.com", 81));
  EXPECT_TRUE(settings.MayAsk("a.b.inner.example", 1));
  EXPECT_FALSE(settings.MayAsk("inner.example", 1));
  EXPECT_FALSE(settings.MayAsk("evilinner.example", 1));
  EXPECT_TRUE(settings.MayAsk("::1", 8080));
  EXPECT_FALSE(settings.MayAsk("::1", 8081));
  EXPECT_TRUE(settings.MayAsk("10.0.0.1", 9));
  EXPECT_FALSE(settings.MayAsk("10.0.0.10", 9));
}

TEST(SettingsTest, AnEmptyListOrNoneIsNobodyWhateverTheDefault) {
  Settings anybody;
  anybody.allowed.push_back({.host = "*"});
  EXPECT_TRUE(SettingsFrom({}, anybody)->MayAsk("x", 1));
  for (const char* nobody : {"none", ""}) {
    const Environment environment = {{"WASMOOR_HTTP_ALLOW", nobody}};
    EXPECT_FALSE(SettingsFrom(environment, anybody)->MayAskSomebody());
  }
}

TEST(SettingsTest, NobodyIsAllowedMoreThanTheMostThereIs) {
  Settings operators;
  operators.at_most = ParseDestinations(std::vector<std::string>{"*.example:443", "[::1]"}).value();
  operators.allowed.push_back({.host = "*"});
  const auto everybody = SettingsFrom(Environment{{"WASMOOR_HTTP_ALLOW", "*"}}, operators);
  EXPECT_TRUE(everybody->MayAsk("a.example", 443));
  EXPECT_FALSE(everybody->MayAsk("a.example", 80));
  EXPECT_TRUE(everybody->MayAsk("::1", 80));
  const auto one = SettingsFrom(Environment{{"WASMOOR_HTTP_ALLOW", "b.example"}}, operators);
  EXPECT_TRUE(one->MayAsk("b.example", 443));
  EXPECT_FALSE(one->MayAsk("a.example", 443));
  operators.at_most->clear();
  EXPECT_FALSE(operators.MayAskSomebody());
  EXPECT_THAT(ParseDestinations(std::vector<std::string>{"x:y"}).error().message(),
              HasSubstr("'x:y'"));
}

TEST(SettingsTest, NamesTheVariableThatIsWrong) {
  for (const char* bad : {"a:b", "a:0", "a:65536", ":80", "[::1:80", "a:"})
    EXPECT_THAT(Refused({{"WASMOOR_HTTP_ALLOW", bad}}), HasSubstr("WASMOOR_HTTP_ALLOW")) << bad;
  for (const char* bad : {"0", "-1", "many", "10001", ""})
    EXPECT_THAT(Refused({{"WASMOOR_HTTP_REQUESTS", bad}}), HasSubstr("WASMOOR_HTTP_REQUESTS"));
  EXPECT_THAT(Refused({{"WASMOOR_HTTP_TIMEOUT", "soon"}}), HasSubstr("WASMOOR_HTTP_TIMEOUT"));
  EXPECT_THAT(Refused({{"WASMOOR_HTTP_GRACE", "-1s"}}), HasSubstr("WASMOOR_HTTP_GRACE"));
  EXPECT_THAT(Refused({{"WASMOOR_HTTP_BODY", "big"}}), HasSubstr("WASMOOR_HTTP_BODY"));
}

}  // namespace
}  // namespace wasmoor::serve
