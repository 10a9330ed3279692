#include <signal.h>

#include <ctime>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

using hostcall::Outcome;

TEST(ProcExitTest, EndsTheGuestWithAnyStatus) {
  Guest guest;
  for (uint32_t code : {0u, 1u, 125u, 126u, 255u, 0xffffffffu}) {
    EXPECT_EQ(guest.Outcome("proc_exit", code), Outcome::kExited);
    EXPECT_EQ(static_cast<uint32_t>(guest.exit_code()), code);
  }
}

TEST(ProcRaiseTest, TranslatesPreview1sSignals) {
  Guest guest;
  const std::pair<int, int> fatal[] = {
      {1, SIGHUP},   {2, SIGINT},   {3, SIGQUIT},  {4, SIGILL},   {5, SIGTRAP},    {6, SIGABRT},
      {7, SIGBUS},   {8, SIGFPE},   {9, SIGKILL},  {10, SIGUSR1}, {11, SIGSEGV},   {12, SIGUSR2},
      {14, SIGALRM}, {15, SIGTERM}, {23, SIGXCPU}, {24, SIGXFSZ}, {25, SIGVTALRM}, {26, SIGPROF},
      {28, SIGPOLL}, {29, SIGPWR},  {30, SIGSYS}};
  for (auto [signal, number] : fatal) {
    EXPECT_EQ(guest.Outcome("proc_raise", signal), Outcome::kRaised) << signal;
    EXPECT_EQ(guest.exit_code(), number) << signal;
  }
  for (int ignored : {0, 13, 16, 17, 22, 27})
    EXPECT_EQ(guest.Call("proc_raise", ignored), Errno::kSuccess) << ignored;
  for (int stops : {18, 19, 20, 21})
    EXPECT_EQ(guest.Call("proc_raise", stops), Errno::kNotsup) << stops;
  EXPECT_EQ(guest.Call("proc_raise", 31), Errno::kInval);
  EXPECT_EQ(guest.Call("proc_raise", 0xffffffff), Errno::kInval);
}

TEST(SchedYieldTest, Succeeds) { EXPECT_EQ(Guest().Call("sched_yield"), Errno::kSuccess); }

TEST(RandomGetTest, FillsTheBufferAndNothingElse) {
  Guest guest;
  EXPECT_EQ(guest.Call("random_get", Guest::kData, 1000), Errno::kSuccess);
  const std::string first = guest.Text(Guest::kData, 1000);
  EXPECT_EQ(guest.Text(Guest::kData + 1000, 100), std::string(100, '\0'));
  EXPECT_NE(first.substr(900), std::string(100, '\0'));
  EXPECT_EQ(guest.Call("random_get", Guest::kData, 1000), Errno::kSuccess);
  EXPECT_NE(guest.Text(Guest::kData, 1000), first);
  EXPECT_EQ(guest.Call("random_get", Guest::kMemory, 0), Errno::kSuccess);
}

TEST(ClocksTest, RunForwardAndHaveAResolution) {
  Guest guest;
  for (uint32_t clock = 0; clock < 4; ++clock) {
    EXPECT_EQ(guest.Call("clock_res_get", clock, Guest::kOut), Errno::kSuccess);
    EXPECT_GT(guest.Result<uint64_t>(), 0u);
    EXPECT_EQ(guest.Call("clock_time_get", clock, 0, Guest::kOut), Errno::kSuccess);
    const uint64_t first = guest.Result<uint64_t>();
    EXPECT_EQ(guest.Call("clock_time_get", clock, 1'000'000, Guest::kOut), Errno::kSuccess);
    EXPECT_GE(guest.Result<uint64_t>(), first) << clock;
  }
  EXPECT_EQ(guest.Call("clock_res_get", 4, Guest::kOut), Errno::kInval);
  EXPECT_EQ(guest.Call("clock_time_get", 0xffffffff, 0, Guest::kOut), Errno::kInval);
}

TEST(ClocksTest, TheRealOneIsTheHosts) {
  Guest guest;
  const auto before = static_cast<uint64_t>(time(nullptr));
  EXPECT_EQ(guest.Call("clock_time_get", 0, 0, Guest::kOut), Errno::kSuccess);
  EXPECT_GE(guest.Result<uint64_t>() / 1'000'000'000 + 1, before);
  EXPECT_LE(guest.Result<uint64_t>() / 1'000'000'000, static_cast<uint64_t>(time(nullptr)) + 1);
}

TEST(ClocksTest, AGuestsProcessIsItsThread) {
  // The process's clock would count the other guests of the process.
  Guest guest;
  const uint64_t limit = static_cast<uint64_t>(clock()) * (1'000'000'000 / CLOCKS_PER_SEC) + 1;
  EXPECT_EQ(guest.Call("clock_time_get", 3, 0, Guest::kOut), Errno::kSuccess);
  const uint64_t thread = guest.Result<uint64_t>();
  EXPECT_EQ(guest.Call("clock_time_get", 2, 0, Guest::kOut), Errno::kSuccess);
  EXPECT_GE(guest.Result<uint64_t>(), thread);
  EXPECT_LT(guest.Result<uint64_t>(), limit + 1'000'000'000);
}

}  // namespace
}  // namespace wasmoor::wasi
