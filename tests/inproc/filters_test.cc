#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "inproc/fixture.h"
#include "support/child.h"
#include "support/scratch.h"
#include "wasmoor/seccomp/guest.h"

// The seccomp filters that the kernel has for the thread of a guest. What each lets pass is tested
// in src/seccomp.
namespace wasmoor::sandbox {
namespace {

using seccomp::GuestKind;
using Filter = std::vector<os::FilterInstruction>;

// The filters of a thread of another process, in the order that they came in; empty, and the test
// is skipped, if this kernel does not show them.
std::vector<Filter> FiltersOf(pid_t thread) {
  std::vector<Filter> filters;
  if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0 ||
      ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 ||
      ::waitpid(thread, nullptr, __WALL) != thread)
    return filters;
  const auto read = [&](Filter* into) {
    return ::ptrace(PTRACE_SECCOMP_GET_FILTER, thread, filters.size(),
                    into != nullptr ? into->data() : nullptr);
  };
  for (long size = 0; (size = read(nullptr)) > 0;) {
    Filter filter(static_cast<size_t>(size));
    if (read(&filter) != size) break;
    filters.push_back(std::move(filter));
  }
  ::ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
  return filters;
}

Filter FilterFor(GuestKind kind) { return seccomp::GuestProgram(kind).instructions; }

class InprocFilterTest : public InprocTest {
 protected:
  std::vector<Filter> FiltersOfGuest(const std::string& id, const std::string& guest,
                                     const Json& config, const char* ready) {
    Container* container = Start(id, guest, config);
    if (container == nullptr) return {};
    EXPECT_TRUE(WaitForOutput(id, ready));
    const pid_t thread = container->first().info().pid;
    // Else there are none to be shown.
    EXPECT_THAT(test::ReadFile(fmt::format("/proc/{}/task/{}/status", host(), thread)),
                ::testing::HasSubstr("Seccomp:\t2\n"));
    return FiltersOf(thread);
  }
};

constexpr const char* kNeeds = "needs filters to be shown by ptrace(2) (CONFIG_CHECKPOINT_RESTORE)";

TEST_F(InprocFilterTest, AModuleAndAComponentHaveTheSame) {
  for (const std::string guest : {"sleep", "sleep-component"}) {
    const auto filters = FiltersOfGuest(guest, guest, Config({"/" + guest + ".wasm"}), "sleeping");
    if (filters.empty()) GTEST_SKIP() << kNeeds;
    EXPECT_EQ(filters, std::vector<Filter>{FilterFor(GuestKind::kThread)}) << guest;
  }
}

TEST_F(InprocFilterTest, AServerMayConnectOnlyIfItsGuestsMayAskOthers) {
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const os::Fd told(ready[0]);
  os::Fd tell(ready[1]);
  // Holds the pod's network namespace.
  test::Child network([&] {
    if (::unshare(CLONE_NEWNET) != 0) return 1;
    if (::write(tell.get(), "x", 1) == 1) ::pause();
    return 0;
  });
  tell.Close();
  char byte = 0;
  ASSERT_EQ(::read(told.get(), &byte, 1), 1);
  for (const auto& [allowed, kind] : {std::pair("none", GuestKind::kThreadServer),
                                      std::pair("*", GuestKind::kThreadClientServer)}) {
    Json config = Config({"/web-component.wasm"});
    config["linux"]["namespaces"].push_back(
        {{"type", "network"}, {"path", fmt::format("/proc/{}/ns/net", network.pid())}});
    config["process"]["env"] = {std::string("WASMOOR_HTTP_ALLOW=") + allowed};
    const auto filters = FiltersOfGuest("web", "web-component", config, "serving HTTP");
    if (filters.empty()) GTEST_SKIP() << kNeeds;
    EXPECT_EQ(filters, std::vector<Filter>{FilterFor(kind)}) << allowed;
    ASSERT_TRUE(End("web"));
    std::filesystem::remove_all(scratch_ / "web");
  }
}

TEST_F(InprocFilterTest, TheGuestsOwnLiesBeneathTheContainers) {
  Json config = Config({"/sleep-component.wasm"});
  config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"chroot"}}, {"action", "SCMP_ACT_ERRNO"}}}}};
  const auto filters = FiltersOfGuest("both", "sleep-component", config, "sleeping");
  if (filters.empty()) GTEST_SKIP() << kNeeds;
  ASSERT_EQ(filters.size(), 2u);
  EXPECT_EQ(filters.back(), FilterFor(GuestKind::kThread));
}

}  // namespace
}  // namespace wasmoor::sandbox
