#include "wasmoor/telemetry/otlp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "support/result.h"
#include "telemetry/collector_for_test.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::telemetry {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class OtlpTest : public testing::Test {
 protected:
  // Sends to a collector with that plan; `change` has a look at the settings first.
  void Begin(const std::string& plan, const std::function<void(OtlpSettings&)>& change = {}) {
    collector_.emplace(plan);
    BeginAt(fmt::format("http://127.0.0.1:{}/v1/traces", collector_->port(*loop_)), change);
  }
  void BeginAt(std::string endpoint, const std::function<void(OtlpSettings&)>& change = {}) {
    OtlpSettings settings;
    settings.endpoint = std::move(endpoint);
    settings.resource = {{"service.name", "tested"}};
    settings.delay = 10ms;
    settings.first_pause = 10ms;
    if (change) change(settings);
    exporter_ = test::Must(OtlpExporter::Create(
        *loop_, settings, [this](std::string_view line) { said_.emplace_back(line); }));
  }
  void Take(int count = 1) {
    for (int i = 0; i < count; ++i) {
      SpanData span;
      span.name = "span " + std::to_string(taken_++);
      span.context = *ParseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
      exporter_->Take(std::move(span));
    }
  }
  void UntilTold() {
    collector_->Until(*loop_, [this] { return exporter_->counts().waiting == 0; });
  }
  // The names of the spans in all requests, in their order.
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& request : collector_->requests()) {
      for (const auto& span : request.body["resourceSpans"][0]["scopeSpans"][0]["spans"])
        names.push_back(span["name"]);
    }
    return names;
  }

  std::unique_ptr<loop::Loop> loop_ = test::Must(loop::Loop::Create());
  std::optional<Collector> collector_;
  std::unique_ptr<OtlpExporter> exporter_;
  std::vector<std::string> said_;
  int taken_ = 0;
};

TEST_F(OtlpTest, ASpanArrivesAsTheSpecificationHasIt) {
  Begin("", [](OtlpSettings& settings) { settings.headers = {{"x-key", "secret"}}; });
  Tracer tracer({}, [this](SpanData span) { exporter_->Take(std::move(span)); });
  const auto parent =
      ParseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b");
  Span span = tracer.Start("Create", SpanKind::kServer, &*parent);
  span.Set("text", std::string("not UTF-8: \xff"));
  span.Set("number", int64_t{-(1LL << 60)});
  span.Set("flag", true);
  span.Set("part", 0.5);
  span.Fail("it broke");
  span.End();
  UntilTold();
  ASSERT_EQ(collector_->requests().size(), 1U);
  const auto& request = collector_->requests()[0];
  EXPECT_EQ(request.path, "/v1/traces");
  EXPECT_EQ(request.headers["content-type"], "application/json");
  EXPECT_EQ(request.headers["x-key"], "secret");
  const auto& of_resource = request.body["resourceSpans"][0];
  EXPECT_EQ(of_resource["resource"]["attributes"][0]["key"], "service.name");
  EXPECT_EQ(of_resource["resource"]["attributes"][0]["value"]["stringValue"], "tested");
  const auto& told = of_resource["scopeSpans"][0]["spans"][0];
  EXPECT_EQ(told["traceId"], "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(told["parentSpanId"], "b7ad6b7169203331");
  EXPECT_EQ(told["spanId"].get<std::string>().size(), 16U);
  EXPECT_EQ(told["traceState"], "a=b");
  EXPECT_EQ(told["kind"], 2);
  EXPECT_EQ(told["status"]["code"], 2);
  EXPECT_EQ(told["status"]["message"], "it broke");
  EXPECT_TRUE(told["startTimeUnixNano"].is_string());
  EXPECT_EQ(told["startTimeUnixNano"].get<std::string>().size(), 19U);
  const auto& attributes = told["attributes"];
  EXPECT_THAT(attributes[0]["value"]["stringValue"].get<std::string>(), HasSubstr("not UTF-8: "));
  EXPECT_EQ(attributes[1]["value"]["intValue"], "-1152921504606846976");
  EXPECT_EQ(attributes[2]["value"]["boolValue"], true);
  EXPECT_EQ(attributes[3]["value"]["doubleValue"], 0.5);
}

TEST_F(OtlpTest, SpansGoInBatchesOnOneConnection) {
  Begin("", [](OtlpSettings& settings) { settings.batch = 10; });
  Take(25);
  UntilTold();
  EXPECT_EQ(exporter_->counts().sent, 25U);
  ASSERT_EQ(collector_->requests().size(), 3U);
  EXPECT_EQ(Names().size(), 25U);
  EXPECT_EQ(Names().back(), "span 24");
  EXPECT_EQ(collector_->requests()[0].client, collector_->requests()[2].client);
  EXPECT_THAT(said_, IsEmpty());
}

TEST_F(OtlpTest, WhatIsRefusedForNowOrLostIsSentAgain) {
  for (const char* fault : {"429", "502", "503", "504", "close", "503:0", "503,close,502"}) {
    Begin(fault);
    said_.clear();
    Take(2);
    UntilTold();
    EXPECT_EQ(exporter_->counts().sent, 2U) << fault;
    EXPECT_EQ(exporter_->counts().dropped, 0U) << fault;
    EXPECT_GE(collector_->requests().size(), 2U) << fault;
    // Once that it is lost, and once that it is back.
    EXPECT_THAT(said_, ElementsAre(HasSubstr("sent again"), HasSubstr("takes spans again")));
  }
}

TEST_F(OtlpTest, ACollectorThatHangsIsLeftAndAskedAgain) {
  Begin("hang", [](OtlpSettings& settings) { settings.timeout = 300ms; });
  Take();
  UntilTold();
  EXPECT_EQ(exporter_->counts().sent, 1U);
  EXPECT_THAT(Names(), ElementsAre("span 0", "span 0"));
}

TEST_F(OtlpTest, WhatIsRefusedForGoodIsDroppedAndTheNextIsSent) {
  for (const char* fault : {"400", "401", "404", "413", "500", "301", "garbage", "big"}) {
    Begin(fault);
    said_.clear();
    Take();
    UntilTold();
    EXPECT_EQ(exporter_->counts().dropped, 1U) << fault;
    EXPECT_THAT(said_, ElementsAre(HasSubstr("dropped"))) << fault;
    Take();
    UntilTold();
    EXPECT_EQ(exporter_->counts().sent, 1U) << fault;
    EXPECT_EQ(collector_->requests().size(), 2U) << fault;
  }
}

TEST_F(OtlpTest, SpansThatACollectorRefusesByNumberAreCounted) {
  Begin("partial");
  Take(3);
  UntilTold();
  EXPECT_EQ(exporter_->counts().sent, 2U);
  EXPECT_EQ(exporter_->counts().dropped, 1U);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("too old")));
}

TEST_F(OtlpTest, AConnectionThatWasClosedBetweenRequestsIsMadeAnew) {
  Begin("bye,bye,bye");
  for (int i = 0; i < 4; ++i) {
    Take();
    UntilTold();
  }
  EXPECT_EQ(exporter_->counts().sent, 4U);
  EXPECT_EQ(Names().size(), 4U);
  EXPECT_THAT(said_, IsEmpty());
}

TEST_F(OtlpTest, ACollectorThatComesLaterGetsWhatWaited) {
  // A port that nobody listens at.
  auto taken = test::Must(os::ListenTcp("127.0.0.1:0"));
  const std::string address = test::Must(os::LocalAddress(taken));
  taken.Close();
  BeginAt("http://" + address + "/v1/traces");
  Take(3);
  while (said_.empty()) loop_->RunOnce(5ms);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("Connection refused")));
  collector_.emplace("", static_cast<uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
  UntilTold();
  EXPECT_EQ(exporter_->counts().sent, 3U);
}

TEST_F(OtlpTest, WhatDoesNotFitIsDroppedAndCounted) {
  auto silent = test::Must(os::ListenTcp("127.0.0.1:0"));
  BeginAt("http://" + test::Must(os::LocalAddress(silent)), [](OtlpSettings& settings) {
    settings.most_waiting = 100;
    settings.batch = 10;
  });
  Take(1000);
  while (loop_->RunOnce(1ms)) {
  }
  Take(1000);
  EXPECT_EQ(exporter_->counts().waiting, 100U);
  EXPECT_EQ(exporter_->counts().dropped, 1900U);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("further ones are dropped")));
}

TEST_F(OtlpTest, TriesHaveAnEnd) {
  Begin("503,503,503", [](OtlpSettings& settings) { settings.most_tries = 3; });
  Take();
  UntilTold();
  EXPECT_EQ(exporter_->counts().dropped, 1U);
  EXPECT_EQ(collector_->requests().size(), 3U);
  EXPECT_THAT(said_, Contains(HasSubstr("dropped after 3 tries")));
}

TEST_F(OtlpTest, AFlushSendsWhatWaitsAndSaysWhenItIsDone) {
  Begin("", [](OtlpSettings& settings) {
    settings.delay = 1h;
    settings.batch = 2;
  });
  Take(5);
  bool done = false;
  exporter_->Flush(20s, [&done] { done = true; });
  EXPECT_FALSE(done);
  collector_->Until(*loop_, [&done] { return done; });
  EXPECT_EQ(exporter_->counts().sent, 5U);
  done = false;
  exporter_->Flush(20s, [&done] { done = true; });
  collector_->Until(*loop_, [&done] { return done; });
}

TEST_F(OtlpTest, AFlushDoesNotWaitForACollectorThatHangs) {
  Begin("hang");
  Take();
  bool done = false;
  exporter_->Flush(50ms, [&done] { done = true; });
  collector_->Until(*loop_, [&done] { return done; });
  EXPECT_EQ(exporter_->counts().sent, 0U);
}

TEST_F(OtlpTest, DestroyingItLeavesNoDescriptor) {
  const auto descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  Begin("200,hang");
  Take();
  UntilTold();
  // The loop's own and the connection are there.
  const auto before = descriptors();
  Take();
  collector_->Until(*loop_, [this] { return collector_->requests().size() == 2; });
  EXPECT_EQ(descriptors(), before);
  exporter_.reset();
  EXPECT_EQ(descriptors(), before - 1);
}

TEST_F(OtlpTest, AnEndpointThatCannotBeUsedIsRefusedInWords) {
  const auto refusal = [this](const std::string& endpoint, Pairs headers = {}) {
    OtlpSettings settings;
    settings.endpoint = endpoint;
    settings.headers = std::move(headers);
    const auto made = OtlpExporter::Create(*loop_, settings, {});
    return made ? "taken" : made.error().message();
  };
  EXPECT_THAT(refusal("https://collector:4318/v1/traces"), HasSubstr("a collector on this node"));
  for (const char* endpoint :
       {"", "127.0.0.1:4318", "grpc://a", "http://", "http://:80", "http://a:0", "http://a:70000",
        "http://a:b", "http://u:p@a/", "http://a/b c", "http://a\r\nX: y"}) {
    EXPECT_THAT(refusal(endpoint), Not("taken")) << endpoint;
  }
  EXPECT_EQ(refusal("http://[::1]:4318/a?b"), "taken");
  EXPECT_EQ(refusal("http://a"), "taken");
  for (const auto& [name, value] :
       Pairs{{"x", "secret\r\nY: z"}, {"a b", "secret"}, {"", "secret"}}) {
    EXPECT_THAT(refusal("http://a", {{name, value}}),
                testing::AllOf(Not("taken"), Not(HasSubstr("secret"))));
  }
}

TEST_F(OtlpTest, ANameThatNobodyKnowsIsSaidAndAskedForAgain) {
  BeginAt("http://collector.invalid:4318/v1/traces",
          [](OtlpSettings& settings) { settings.most_tries = 2; });
  Take();
  while (exporter_->counts().dropped == 0) loop_->RunOnce(5ms);
  EXPECT_THAT(said_, Each(HasSubstr("/etc/hosts")));
  EXPECT_EQ(said_.size(), 2U);
}

}  // namespace
}  // namespace wasmoor::telemetry
