#include "wasmoor/telemetry/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wasmoor::telemetry {
namespace {

constexpr const char* kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class TraceTest : public testing::Test {
 protected:
  Tracer& With(Sampler sampler) {
    tracer_.emplace(sampler, [this](SpanData span) { ended_.push_back(std::move(span)); });
    return *tracer_;
  }
  std::optional<Tracer> tracer_;
  std::vector<SpanData> ended_;
};

TEST_F(TraceTest, ATraceparentIsReadAndWrittenAsItCame) {
  const auto context = ParseTraceparent(kParent, "vendor=1");
  ASSERT_TRUE(context);
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(context->state, "vendor=1");
  EXPECT_EQ(FormatTraceparent(*context), kParent);
  // A later version, with what it may have more and flags that are not known.
  const auto later = ParseTraceparent("cc" + std::string(kParent).substr(2, 51) + "ff-what-else");
  ASSERT_TRUE(later);
  EXPECT_EQ(FormatTraceparent(*later), kParent);
}

TEST_F(TraceTest, WhatIsNoTraceparentIsNone) {
  const std::string good = kParent;
  for (const std::string& bad :
       {std::string(), good.substr(1), good + "-more", good + "0", "ff" + good.substr(2),
        "0x" + good.substr(2), std::string("00-") + std::string(32, '0') + good.substr(35),
        good.substr(0, 36) + std::string(16, '0') + good.substr(52),
        "00-0AF7651916CD43DD8448EB211C80319C" + good.substr(35), good.substr(0, 53) + "0g",
        good.substr(0, 35) + "_" + good.substr(36), std::string(55, '-'), std::string(1 << 20, '0'),
        good.substr(0, 54) + std::string(1, '\0')}) {
    EXPECT_FALSE(ParseTraceparent(bad)) << bad.substr(0, 80);
  }
  EXPECT_EQ(ParseTraceparent(good, std::string(513, 's'))->state, "");
}

TEST_F(TraceTest, AChildIsOfItsParentsTraceAndSaysSo) {
  Tracer& tracer = With({});
  const auto parent = ParseTraceparent(kParent);
  {
    Span outer = tracer.Start("outer", SpanKind::kServer, &*parent);
    Span inner = tracer.Start("inner", SpanKind::kClient, &outer.context());
    inner.Set("number", int64_t{7});
    inner.Fail(Error(Code::kNotFound, "no such thing"));
    inner.End();
    inner.End();
  }
  ASSERT_EQ(ended_.size(), 2U);
  EXPECT_EQ(ended_[0].name, "inner");
  EXPECT_EQ(ended_[0].context.trace_id, parent->trace_id);
  EXPECT_EQ(ended_[0].parent, ended_[1].context.span_id);
  EXPECT_EQ(ended_[1].parent, parent->span_id);
  EXPECT_NE(ended_[1].context.span_id, parent->span_id);
  EXPECT_EQ(ended_[0].status, SpanStatus::kError);
  EXPECT_EQ(ended_[0].message, "no such thing");
  EXPECT_EQ(ended_[1].status, SpanStatus::kUnset);
  EXPECT_LE(ended_[0].start, ended_[0].end);
}

TEST_F(TraceTest, WhetherASpanIsToldOfIsItsParentsMatterAndElseTheRatios) {
  const auto sampled = ParseTraceparent(kParent);
  TraceContext unsampled = *sampled;
  unsampled.sampled = false;
  With({.ratio = 0}).Start("a", SpanKind::kServer, &*sampled).End();
  EXPECT_EQ(ended_.size(), 1U);
  EXPECT_FALSE(With({}).Start("b", SpanKind::kServer, &unsampled).context().sampled);
  With({.ratio = 0}).Start("c", SpanKind::kServer, nullptr).End();
  EXPECT_EQ(ended_.size(), 1U);
  With({.follows_parent = false, .ratio = 1}).Start("d", SpanKind::kServer, &unsampled).End();
  EXPECT_EQ(ended_.size(), 2U);
}

TEST_F(TraceTest, ARatioTakesItsShareOfTracesAndOfOneTraceAllOrNothing) {
  Tracer& tracer = With({.follows_parent = false, .ratio = 0.25});
  constexpr size_t kMany = 4000;
  for (size_t i = 0; i < kMany; ++i) {
    Span outer = tracer.Start("outer", SpanKind::kServer, nullptr);
    const Span inner = tracer.Start("inner", SpanKind::kInternal, &outer.context());
    ASSERT_EQ(outer.context().sampled, inner.context().sampled);
  }
  // Ten standard deviations round the mean.
  EXPECT_NEAR(static_cast<double>(ended_.size()), 2 * kMany * 0.25, 2 * 274);
}

TEST_F(TraceTest, ASpanIsOfBoundedSize) {
  Span span = With({}).Start(std::string(1 << 20, 'n'), SpanKind::kServer, nullptr);
  for (int i = 0; i < 1000; ++i) span.Set("key", std::string(1 << 16, 'v'));
  span.Fail(std::string(1 << 20, 'm'));
  span.End();
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0].name.size(), SpanData::kMostText);
  EXPECT_EQ(ended_[0].message.size(), SpanData::kMostText);
  EXPECT_EQ(ended_[0].attributes.size(), SpanData::kMostAttributes);
  EXPECT_EQ(std::get<std::string>(ended_[0].attributes[0].second).size(), SpanData::kMostText);
}

TEST_F(TraceTest, ASpanOfNothingIsHarmlessAndOneThatIsReplacedEnds) {
  Span span;
  span.Set("key", true);
  span.Fail("why");
  span.End();
  Tracer& tracer = With({});
  span = tracer.Start("first", SpanKind::kServer, nullptr);
  span = tracer.Start("second", SpanKind::kServer, nullptr);
  ASSERT_EQ(ended_.size(), 1U);
  EXPECT_EQ(ended_[0].name, "first");
}

}  // namespace
}  // namespace wasmoor::telemetry
