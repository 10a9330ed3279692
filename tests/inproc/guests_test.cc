#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <utility>

#include "inproc/fixture.h"
#include "support/scratch.h"

// What becomes of guests that are threads.
namespace wasmoor::sandbox {
namespace {

using ::testing::HasSubstr;

using InprocSandboxTest = InprocTest;

TEST_F(InprocSandboxTest, RunsAGuestAsAThreadOfAHost) {
  const auto [text, status] = RunOnce("hello", "hello", {"/hello.wasm"});
  EXPECT_THAT(text, HasSubstr("ello"));
  EXPECT_EQ(status, 0u) << text << log_;
  EXPECT_EQ(listening_.exits, std::vector<std::string>{"hello/:0"});
}

TEST_F(InprocSandboxTest, KeepsTheModulesOfGuestsApart) {
  constexpr std::array<std::pair<const char*, const char*>, 6> kGuests = {
      {{"hello", "Hello from wasm!\n"},
       {"words", "different words\n"},
       {"args", "arg 0: /args.wasm\n"},
       {"hello", "Hello from wasm!\n"},
       {"clock", "monotonic moves\n"},
       {"exit42", ""}}};
  int number = 0;
  for (int round = 0; round < 3; ++round) {
    for (const auto& [guest, says] : kGuests) {
      const std::string id = guest + std::to_string(++number);
      const auto [text, status] = RunOnce(id, guest, {std::string("/") + guest + ".wasm"});
      EXPECT_THAT(text, HasSubstr(says)) << id;
      EXPECT_EQ(status, *says == '\0' ? 42u : 0u) << id << log_;
    }
  }
}

TEST_F(InprocSandboxTest, TellsHowAGuestEnded) {
  EXPECT_EQ(RunOnce("exit", "exit42", {"/exit42.wasm"}).second, 42u) << log_;
  const auto [text, status] = RunOnce("trap", "trap", {"/trap.wasm"});
  EXPECT_EQ(status, kTrapped);
  EXPECT_THAT(text, HasSubstr("unreachable"));
}

TEST_F(InprocSandboxTest, EndsAGuestThatComputesOrSleepsForEver) {
  for (const std::string guest : {"loop", "sleep"}) {
    Container* container = Start(guest, guest, std::vector<std::string>{});
    ASSERT_NE(container, nullptr);
    ASSERT_TRUE(WaitForOutput(guest, "ing"));
    EXPECT_EQ(StatusAfter(*container, SIGTERM), kTerminated);
    EXPECT_TRUE(End(guest));
  }
}

TEST_F(InprocSandboxTest, LeavesWhatIsNoWebAssemblyToProcesses) {
  const std::string bundle = MakeBundle("native", "hello", Config({"/bin/true"}));
  std::filesystem::create_directories(bundle + "/rootfs/bin");
  test::WriteFile(bundle + "/rootfs/bin/true", "#!/bin/sh\n");
  EXPECT_FALSE(Create("native", bundle));
  Json config = Config({"/hello.wasm"});
  config["annotations"] = {{"io.wasmoor.isolation", "process"}};
  EXPECT_FALSE(Create("asked", MakeBundle("asked", "hello", config)));
  EXPECT_EQ(processes_->asked, (std::vector<std::string>{"native", "asked"}));
}

TEST_F(InprocSandboxTest, SaysWhatIsMissing) {
  auto made = Create("none", MakeBundle("none", "hello", Config({"/nothing.wasm"})));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), HasSubstr("nothing.wasm"));
  EXPECT_FALSE(Create("no-bundle", scratch_ / "nowhere"));
}

}  // namespace
}  // namespace wasmoor::sandbox
