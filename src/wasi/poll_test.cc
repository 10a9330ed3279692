#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

#include "wasi/clock.h"
#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kHour = 3600 * kNanosecondsPerSecond;

Subscription Clock(uint64_t userdata, ClockId clock, uint64_t timeout, uint16_t flags = 0) {
  Subscription subscription = {};
  subscription.userdata = userdata;
  subscription.tag = static_cast<uint8_t>(EventType::kClock);
  subscription.id = static_cast<uint32_t>(clock);
  subscription.timeout = timeout;
  subscription.clock_flags = flags;
  return subscription;
}

Subscription File(uint64_t userdata, EventType type, Fd fd) {
  Subscription subscription = {};
  subscription.userdata = userdata;
  subscription.tag = static_cast<uint8_t>(type);
  subscription.id = fd;
  return subscription;
}

std::pair<os::Fd, os::Fd> Pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  return {os::Fd(ends[0]), os::Fd(ends[1])};
}

class PollTest : public testing::Test {
 protected:
  static constexpr Ptr kIn = 0x4000;
  static constexpr Ptr kEvents = 0x8000;

  Errno Poll(Guest& guest, const std::vector<Subscription>& subscriptions) {
    for (size_t i = 0; i < subscriptions.size(); ++i)
      guest.Put(kIn + static_cast<Ptr>(i * sizeof(Subscription)), subscriptions[i]);
    return guest.Call("poll_oneoff", kIn, kEvents, static_cast<Size>(subscriptions.size()),
                      Guest::kOut);
  }
  std::vector<Event> Events(Guest& guest, const std::vector<Subscription>& subscriptions) {
    EXPECT_EQ(Poll(guest, subscriptions), Errno::kSuccess);
    std::vector<Event> events;
    for (Size i = 0; i < guest.Result(); ++i)
      events.push_back(guest.Result<Event>(kEvents + static_cast<Ptr>(i * sizeof(Event))));
    return events;
  }

  uint64_t Elapsed() const { return Now(CLOCK_MONOTONIC) - start_; }

  uint64_t start_ = Now(CLOCK_MONOTONIC);
};

TEST_F(PollTest, ASingleClockIsASleep) {
  Guest guest;
  for (ClockId clock : {ClockId::kMonotonic, ClockId::kRealtime}) {
    const uint64_t before = Now(CLOCK_MONOTONIC);
    const auto events = Events(guest, {Clock(77, clock, 20 * kMillisecond)});
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].userdata, 77u);
    EXPECT_EQ(events[0].error, Errno::kSuccess);
    EXPECT_EQ(events[0].type, static_cast<uint8_t>(EventType::kClock));
    EXPECT_GE(Now(CLOCK_MONOTONIC) - before, 20 * kMillisecond);
  }
}

TEST_F(PollTest, AnAbsoluteTimeIsWaitedForOnItsClock) {
  Guest guest;
  const uint64_t monotonic = Now(CLOCK_MONOTONIC) + 20 * kMillisecond;
  EXPECT_EQ(Events(guest, {Clock(1, ClockId::kMonotonic, monotonic, kSubclockAbstime)}).size(), 1u);
  EXPECT_GE(Now(CLOCK_MONOTONIC), monotonic);
  const uint64_t real = Now(CLOCK_REALTIME) + 20 * kMillisecond;
  EXPECT_EQ(Events(guest, {Clock(1, ClockId::kRealtime, real, kSubclockAbstime)}).size(), 1u);
  EXPECT_GE(Now(CLOCK_REALTIME), real);
  // What has passed does not wait.
  EXPECT_EQ(Events(guest, {Clock(1, ClockId::kRealtime, 5, kSubclockAbstime)}).size(), 1u);
  EXPECT_EQ(Events(guest, {Clock(1, ClockId::kMonotonic, 5, kSubclockAbstime)}).size(), 1u);
  EXPECT_EQ(Events(guest, {Clock(1, ClockId::kMonotonic, 0)}).size(), 1u);
}

TEST_F(PollTest, AClockThatCannotBeWaitedForIsAnErrorOfItsEvent) {
  Guest guest;
  for (bool alone : {true, false}) {
    std::vector<Subscription> subscriptions = {Clock(5, ClockId::kThreadCputime, kHour)};
    if (!alone) subscriptions.push_back(Clock(6, ClockId::kMonotonic, kHour));
    auto events = Events(guest, subscriptions);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].userdata, 5u);
    EXPECT_EQ(events[0].error, Errno::kNotsup);
    subscriptions[0].id = 17;
    EXPECT_EQ(Events(guest, subscriptions).at(0).error, Errno::kInval);
    subscriptions[0] = Clock(5, ClockId::kMonotonic, kHour, 2);
    EXPECT_EQ(Events(guest, subscriptions).at(0).error, Errno::kInval);
  }
}

TEST_F(PollTest, TheFirstOfSeveralClocksEndsTheWait) {
  Guest guest;
  const auto events = Events(
      guest, {Clock(1, ClockId::kMonotonic, kHour), Clock(2, ClockId::kRealtime, kMillisecond),
              Clock(3, ClockId::kMonotonic, ~uint64_t{0})});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, 2u);
}

TEST_F(PollTest, NothingAndTooMuchAreInvalid) {
  Guest guest;
  EXPECT_EQ(guest.Call("poll_oneoff", kIn, kEvents, 0, Guest::kOut), Errno::kInval);
  EXPECT_EQ(guest.Call("poll_oneoff", kIn, kEvents, 1 << 17, Guest::kOut), Errno::kInval);
  EXPECT_EQ(guest.Call("poll_oneoff", kIn, kEvents, 1 << 16, Guest::kOut), Errno::kFault);
  Subscription unknown = Clock(1, ClockId::kMonotonic, 0);
  unknown.tag = 3;
  EXPECT_EQ(Poll(guest, {unknown}), Errno::kInval);
  EXPECT_EQ(Poll(guest, {Clock(1, ClockId::kMonotonic, 0), unknown}), Errno::kInval);
}

TEST_F(PollTest, APipeIsReadyWhenThereIsSomethingInIt) {
  auto [reader, writer] = Pipe();
  Grants grants;
  grants.standard_input = std::move(reader);
  Guest guest(std::move(grants));
  const std::vector<Subscription> wait = {File(1, EventType::kFdRead, 0),
                                          Clock(2, ClockId::kMonotonic, kMillisecond)};
  auto events = Events(guest, wait);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, 2u);
  ASSERT_EQ(write(writer.get(), "hello", 5), 5);
  events = Events(guest, {File(1, EventType::kFdRead, 0), Clock(2, ClockId::kMonotonic, kHour)});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, 1u);
  EXPECT_EQ(events[0].type, static_cast<uint8_t>(EventType::kFdRead));
  EXPECT_EQ(events[0].error, Errno::kSuccess);
  EXPECT_EQ(events[0].nbytes, 5u);
  EXPECT_EQ(events[0].flags, 0);
  writer.Close();
  EXPECT_EQ(guest.Read(0), "hello");
  events = Events(guest, {File(1, EventType::kFdRead, 0)});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].nbytes, 0u);
  EXPECT_EQ(events[0].flags, kEventHangup);
}

TEST_F(PollTest, APipeThatNobodyReadsHangsUp) {
  auto [reader, writer] = Pipe();
  Grants grants;
  grants.standard_output = std::move(writer);
  Guest guest(std::move(grants));
  auto events = Events(guest, {File(9, EventType::kFdWrite, 1)});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, static_cast<uint8_t>(EventType::kFdWrite));
  EXPECT_EQ(events[0].flags, 0);
  reader.Close();
  events = Events(guest, {File(9, EventType::kFdWrite, 1)});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].flags, kEventHangup);
}

TEST_F(PollTest, ARegularFileIsAlwaysReadyAndTellsWhatIsLeft) {
  ScratchDirectory directory;
  directory.Write("file", "0123456789");
  Guest guest(directory);
  const Fd file = guest.Open("file", 0, kReadingAndWriting);
  EXPECT_EQ(guest.Read(file, 4), "0123");
  const auto events =
      Events(guest, {File(1, EventType::kFdRead, file), File(2, EventType::kFdWrite, file),
                     Clock(3, ClockId::kMonotonic, kHour)});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].userdata, 1u);
  EXPECT_EQ(events[0].nbytes, 6u);
  EXPECT_EQ(events[1].userdata, 2u);
  EXPECT_EQ(guest.Read(file), "456789");
  EXPECT_EQ(Events(guest, {File(1, EventType::kFdRead, file)}).at(0).nbytes, 0u);
}

TEST_F(PollTest, WhatIsWrongWithADescriptorIsToldByItsEvent) {
  ScratchDirectory directory;
  Guest guest(directory);
  const Fd reads = guest.Open("file", kOflagCreat, kRightFdRead);
  const auto events =
      Events(guest, {File(1, EventType::kFdRead, 99), File(2, EventType::kFdRead, reads),
                     File(3, EventType::kFdRead, 3), File(4, EventType::kFdWrite, 0),
                     Clock(5, ClockId::kMonotonic, kHour)});
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].error, Errno::kBadf);
  EXPECT_EQ(events[1].error, Errno::kNotcapable);  // Without the right to poll.
  EXPECT_EQ(events[2].error, Errno::kNotcapable);
  EXPECT_EQ(events[3].error, Errno::kNotcapable);  // Standard input is not written to.
}

TEST_F(PollTest, StandardIoThatWasNotGrantedIsReady) {
  Guest guest;
  const auto events =
      Events(guest, {File(1, EventType::kFdRead, 0), File(2, EventType::kFdWrite, 1)});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].nbytes, 0u);
  EXPECT_EQ(events[1].error, Errno::kSuccess);
}

TEST_F(PollTest, ManySubscriptionsAreSeenToTheLast) {
  auto [reader, writer] = Pipe();
  Grants grants;
  grants.standard_input = std::move(reader);
  Guest guest(std::move(grants));
  std::vector<Subscription> subscriptions;
  for (uint64_t i = 0; i < 299; ++i)
    subscriptions.push_back(Clock(i, ClockId::kMonotonic, kHour + i));
  subscriptions.push_back(File(299, EventType::kFdRead, 0));
  ASSERT_EQ(write(writer.get(), "x", 1), 1);
  const auto events = Events(guest, subscriptions);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, 299u);
}

TEST_F(PollTest, EventsMayLieOverTheSubscriptions) {
  Guest guest;
  guest.Put(kIn, Clock(1, ClockId::kMonotonic, 0));
  guest.Put(kIn + 48, Clock(2, ClockId::kMonotonic, 0));
  EXPECT_EQ(guest.Call("poll_oneoff", kIn, kIn, 2, Guest::kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 2u);
  EXPECT_EQ(guest.Result<Event>(kIn).userdata, 1u);
  EXPECT_EQ(guest.Result<Event>(kIn + 32).userdata, 2u);
}

}  // namespace
}  // namespace wasmoor::wasi
