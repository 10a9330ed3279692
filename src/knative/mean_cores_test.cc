#include "wasmoor/knative/mean_cores.h"

#include <gtest/gtest.h>

namespace wasmoor::knative {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

class MeanCoresTest : public ::testing::Test {
 protected:
  // That much later, that much CPU time has been used more.
  void Pass(nanoseconds time, nanoseconds cpu_time) {
    now_ += time;
    used_ += cpu_time;
    mean_.Add(now_, used_);
  }

  MeanCores mean_{seconds(1)};
  std::chrono::steady_clock::time_point now_{hours(5)};
  nanoseconds used_ = hours(3);  // Before anybody looked.
};

TEST_F(MeanCoresTest, WithoutAPairOfReadingsItIsZero) {
  EXPECT_EQ(mean_.Mean(), 0);
  Pass(seconds(0), seconds(0));
  EXPECT_EQ(mean_.Mean(), 0);
}

TEST_F(MeanCoresTest, WhatWasUsedBeforeTheFirstReadingDoesNotCount) {
  Pass(seconds(0), seconds(0));
  Pass(milliseconds(100), milliseconds(150));
  EXPECT_DOUBLE_EQ(mean_.Mean(), 1.5);
}

TEST_F(MeanCoresTest, AShortWhileCountsForAsLongAsItWas) {
  Pass(seconds(0), seconds(0));
  Pass(milliseconds(900), milliseconds(0));
  Pass(milliseconds(100), milliseconds(200));  // Two CPUs, but briefly.
  EXPECT_DOUBLE_EQ(mean_.Mean(), 0.2);
}

TEST_F(MeanCoresTest, WhatIsOlderThanTheWindowIsForgotten) {
  Pass(seconds(0), seconds(0));
  Pass(milliseconds(500), milliseconds(2000));
  Pass(milliseconds(500), milliseconds(250));
  EXPECT_DOUBLE_EQ(mean_.Mean(), 2.25);
  Pass(milliseconds(500), milliseconds(250));
  EXPECT_DOUBLE_EQ(mean_.Mean(), 0.5);
}

TEST_F(MeanCoresTest, TheWindowMayBeginBetweenTwoReadings) {
  Pass(seconds(0), seconds(0));
  Pass(milliseconds(800), milliseconds(800));
  Pass(milliseconds(800), milliseconds(0));
  EXPECT_NEAR(mean_.Mean(), 0.2, 1e-6);  // Of the first 800 ms, the last 200 are in it.
}

TEST_F(MeanCoresTest, AfterALongPauseItIsThePausesOwnMean) {
  Pass(seconds(0), seconds(0));
  Pass(seconds(100), seconds(50));
  EXPECT_DOUBLE_EQ(mean_.Mean(), 0.5);
}

TEST_F(MeanCoresTest, ACounterThatGoesBackIsBegunWithAgain) {
  Pass(seconds(0), seconds(0));
  Pass(milliseconds(100), milliseconds(100));
  Pass(milliseconds(100), -hours(1));
  EXPECT_EQ(mean_.Mean(), 0);
  Pass(milliseconds(100), milliseconds(50));
  EXPECT_DOUBLE_EQ(mean_.Mean(), 0.5);
}

TEST_F(MeanCoresTest, TwoReadingsOfOneMomentAreTheLast) {
  Pass(seconds(0), seconds(0));
  Pass(milliseconds(100), milliseconds(100));
  Pass(seconds(0), milliseconds(100));
  EXPECT_DOUBLE_EQ(mean_.Mean(), 2);
}

TEST_F(MeanCoresTest, HoweverManyReadingsThereAreTheMeanIsRight) {
  Pass(seconds(0), seconds(0));
  for (int i = 0; i < 300'000; ++i) Pass(microseconds(10), microseconds(i % 2 == 0 ? 2 : 4));
  EXPECT_NEAR(mean_.Mean(), 0.3, 0.001);
}

TEST(MeanCoresWindowTest, NoLengthOfAWindowIsTooShortOrTooLong) {
  for (const nanoseconds window : {nanoseconds::min(), nanoseconds(0), nanoseconds::max()}) {
    MeanCores mean(window);
    const std::chrono::steady_clock::time_point now(seconds(10));
    mean.Add(now, seconds(0));
    mean.Add(now + seconds(1), seconds(1));
    EXPECT_DOUBLE_EQ(mean.Mean(), 1);
  }
}

}  // namespace
}  // namespace wasmoor::knative
