#include "wasmoor/os/signal.h"

#include <gtest/gtest.h>

#include <csignal>

namespace wasmoor::os {
namespace {

TEST(SignalTest, NamesAndNumbersAreUnderstoodInEveryForm) {
  for (const char* text : {"SIGTERM", "TERM", "term", "sigterm", "15"})
    EXPECT_EQ(ParseSignal(text).value_or(0), SIGTERM) << text;
  EXPECT_EQ(ParseSignal("KILL").value_or(0), SIGKILL);
  EXPECT_EQ(ParseSignal("CHLD").value_or(0), SIGCHLD);
  EXPECT_EQ(ParseSignal("CLD").value_or(0), SIGCHLD);
  EXPECT_EQ(ParseSignal("RTMIN").value_or(0), SIGRTMIN);
  EXPECT_EQ(ParseSignal("SIGRTMIN+3").value_or(0), SIGRTMIN + 3);
  EXPECT_EQ(ParseSignal("rtmax-1").value_or(0), SIGRTMAX - 1);
  EXPECT_EQ(ParseSignal("64").value_or(0), 64);
}

TEST(SignalTest, WhatIsNoSignalIsRefused) {
  for (const char* text : {"", "0", "65", "-1", "SIG", "SIGSIGTERM", "TERMINATE", "15x", "RTMIN+31",
                           "RTMIN-1", "RTMIN+", "RTMIN+-1", "RTMAX+1", "99999999999"}) {
    const auto parsed = ParseSignal(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument);
  }
}

TEST(SignalTest, EveryNameLeadsBackToItsNumber) {
  for (int signal = 1; signal <= 64; ++signal)
    EXPECT_EQ(ParseSignal(SignalName(signal)).value_or(0), signal) << SignalName(signal);
  EXPECT_EQ(SignalName(SIGTERM), "SIGTERM");
  EXPECT_EQ(SignalName(SIGRTMIN + 2), "SIGRTMIN+2");
}

}  // namespace
}  // namespace wasmoor::os
