#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

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
  int number = 0;
  for (int round = 0; round < 3; ++round) {
    for (const std::string guest : {"hello", "words", "args", "hello", "clock", "random"}) {
      const std::string id = guest + std::to_string(++number);
      const auto [text, status] = RunOnce(id, guest, {"/" + guest + ".wasm"});
      EXPECT_EQ(status, 0u) << id << ": " << text << log_;
      if (guest == "hello") {
        EXPECT_THAT(text, HasSubstr("ello")) << id;
      }
    }
  }
}

TEST_F(InprocSandboxTest, TellsHowAGuestEnded) {
  EXPECT_EQ(RunOnce("exit", "exit42", {"/exit42.wasm"}).second, 42u) << log_;
  const auto [text, status] = RunOnce("trap", "trap", {"/trap.wasm"});
  EXPECT_EQ(status, 134u);
  EXPECT_THAT(text, HasSubstr("unreachable"));
}

TEST_F(InprocSandboxTest, EndsAGuestThatComputesOrSleepsForEver) {
  for (const std::string guest : {"loop", "sleep"}) {
    const std::string bundle = MakeBundle(guest, guest, Config({"/" + guest + ".wasm", "1000"}));
    auto made = Create(guest, bundle);
    ASSERT_TRUE(made) << made.error().message() << log_;
    auto& process = (*made)->first();
    ASSERT_TRUE(Wait<pid_t>([&](auto done) { process.Start(std::move(done)); }));
    ASSERT_TRUE(process.Kill(SIGTERM));
    const auto exit = Wait<Exit>([&](auto done) { process.Wait(std::move(done)); });
    ASSERT_TRUE(exit) << exit.error().message();
    EXPECT_EQ(exit->status, 128u + SIGTERM);
    EXPECT_TRUE(Wait<Exit>([&](auto done) { sandbox_->Remove(guest, "", std::move(done)); }));
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
