#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "telemetry/resolve.h"
#include "wasmoor/telemetry/otlp.h"

namespace wasmoor::telemetry {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class OtlpSettingsTest : public testing::Test {
 protected:
  std::optional<OtlpSettings> Read(std::map<std::string, std::string> variables) {
    said_.clear();
    return ReadOtlpEnvironment(
        "daemon",
        [&variables](const char* name) {
          const auto found = variables.find(name);
          return found == variables.end() ? nullptr : found->second.c_str();
        },
        [this](std::string_view line) { said_.emplace_back(line); });
  }
  std::vector<std::string> said_;
};

TEST_F(OtlpSettingsTest, NothingIsSentUnlessSomebodyAsksForIt) {
  EXPECT_FALSE(Read({}));
  EXPECT_FALSE(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", ""}}));
  EXPECT_FALSE(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"}, {"OTEL_SDK_DISABLED", "True"}}));
  EXPECT_FALSE(
      Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"}, {"OTEL_TRACES_EXPORTER", "none"}}));
  EXPECT_THAT(said_, IsEmpty());
  EXPECT_FALSE(
      Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"}, {"OTEL_TRACES_EXPORTER", "zipkin"}}));
  EXPECT_THAT(said_, ElementsAre(HasSubstr("zipkin")));
}

TEST_F(OtlpSettingsTest, TheEndpointOfAllSignalsGetsAPathAndThatOfTracesIsTakenAsItIs) {
  EXPECT_EQ(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"}})->endpoint,
            "http://a:4318/v1/traces");
  EXPECT_EQ(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/x/"}})->endpoint,
            "http://a:4318/x/v1/traces");
  EXPECT_EQ(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"},
                  {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b/c"}})
                ->endpoint,
            "http://b/c");
  EXPECT_EQ(Read({{"OTEL_TRACES_EXPORTER", "otlp"}})->endpoint, "http://localhost:4318/v1/traces");
}

TEST_F(OtlpSettingsTest, HeadersAndAttributesAreListsOfEncodedPairs) {
  const auto settings =
      Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"},
            {"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b%3D, x = y ,,bad"},
            {"OTEL_RESOURCE_ATTRIBUTES", "k8s.node.name=n1,service.name=theirs"}});
  EXPECT_THAT(settings->headers, ElementsAre(Pair("api-key", "a b="), Pair("x", "y")));
  EXPECT_THAT(settings->resource,
              ElementsAre(Pair("k8s.node.name", "n1"), Pair("service.name", "theirs")));
  EXPECT_THAT(said_, SizeIs(1));
}

TEST_F(OtlpSettingsTest, TheNameOfTheServiceIsItsVariablesThenItsAttributesThenOurs) {
  const std::string endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
  EXPECT_THAT(Read({{endpoint, "http://a"}})->resource,
              ElementsAre(Pair("service.name", "daemon")));
  EXPECT_THAT(Read({{endpoint, "http://a"},
                    {"OTEL_SERVICE_NAME", "named"},
                    {"OTEL_RESOURCE_ATTRIBUTES", "service.name=theirs"}})
                  ->resource,
              ElementsAre(Pair("service.name", "named")));
}

TEST_F(OtlpSettingsTest, SamplersAreThoseOfTheSpecification) {
  struct Case {
    const char *word, *argument;
    bool follows_parent;
    double ratio;
    size_t warnings;
  };
  for (const Case& one :
       {Case{"", "", true, 1, 0}, Case{"always_on", "", false, 1, 0},
        Case{"always_off", "", false, 0, 0}, Case{"traceidratio", "0.25", false, 0.25, 0},
        Case{"traceidratio", "", false, 1, 0}, Case{"parentbased_always_on", "", true, 1, 0},
        Case{"parentbased_always_off", "", true, 0, 0},
        Case{"parentbased_traceidratio", "1e-3", true, 0.001, 0},
        Case{"traceidratio", "1.5", false, 1, 1}, Case{"traceidratio", "nan", false, 1, 1},
        Case{"jaeger_remote", "x", true, 1, 1}}) {
    const auto settings = Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"},
                                {"OTEL_TRACES_SAMPLER", one.word},
                                {"OTEL_TRACES_SAMPLER_ARG", one.argument}});
    EXPECT_EQ(settings->sampler.follows_parent, one.follows_parent) << one.word;
    EXPECT_EQ(settings->sampler.ratio, one.ratio) << one.word;
    EXPECT_THAT(said_, SizeIs(one.warnings)) << one.word << one.argument;
  }
}

TEST_F(OtlpSettingsTest, AnotherProtocolIsWarnedOfOnceAndTimesAreBounded) {
  auto settings = Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"},
                        {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                        {"OTEL_EXPORTER_OTLP_TIMEOUT", "2500"},
                        {"OTEL_BSP_MAX_QUEUE_SIZE", "100"}});
  EXPECT_THAT(said_, ElementsAre(HasSubstr("http/json")));
  EXPECT_EQ(settings->timeout, 2500ms);
  EXPECT_EQ(settings->most_waiting, 100U);
  EXPECT_EQ(settings->batch, 100U);
  settings = Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"},
                   {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"},
                   {"OTEL_EXPORTER_OTLP_TIMEOUT", "-1"},
                   {"OTEL_BSP_SCHEDULE_DELAY", "soon"},
                   {"OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999999999"}});
  EXPECT_THAT(said_, SizeIs(3));
  EXPECT_EQ(settings->timeout, 10s);
  EXPECT_EQ(settings->delay, 5s);
  EXPECT_EQ(settings->most_waiting, 2048U);
}

TEST(ResolveTest, NamesAreThoseOfTheHostsFileAndNoOthers) {
  const std::string hosts =
      "# names\n127.0.0.1\tlocalhost\n10.0.0.7 collector.svc Collector # other\n"
      "::1 localhost\nfe80::1%lo broken\nnonsense\n10.0.0.8 last";
  const auto families = [&](std::string_view host) {
    std::vector<int> found;
    if (const auto all = Resolve(host, 4318, hosts)) {
      for (const os::SocketAddress& one : *all) found.push_back(one.storage.ss_family);
    }
    return found;
  };
  EXPECT_THAT(families("localhost"), ElementsAre(AF_INET, AF_INET6));
  EXPECT_THAT(families("COLLECTOR"), ElementsAre(AF_INET));
  EXPECT_THAT(families("last"), ElementsAre(AF_INET));
  EXPECT_THAT(families("192.0.2.1"), ElementsAre(AF_INET));
  EXPECT_THAT(families("2001:db8::1"), ElementsAre(AF_INET6));
  for (const char* none : {"other", "#", "names", "broken", "", "collector.svc.", "127.1"})
    EXPECT_THAT(families(none), IsEmpty()) << none;
  EXPECT_TRUE(Resolve("localhost", 1, ""));
}

}  // namespace
}  // namespace wasmoor::telemetry
