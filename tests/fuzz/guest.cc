#include "fuzz/guest.h"

#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <csignal>
#include <ctime>

#include "wasmoor/base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1  // clang's way of saying what g++ says so.
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define FORBID(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define ALLOW(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define FORBID(at, size) static_cast<void>(at)
#define ALLOW(at, size) static_cast<void>(at)
#endif

namespace wasmoor::fuzz {
namespace {

constexpr uint8_t kCanary = 0xa5;
constexpr long kTickNanoseconds = 2'000'000;
constexpr rlim_t kMostFileBytes = 1 << 20;

// What a process that runs guests sets up (wasi/context.h), and a signal that keeps coming.
void SetUpProcess() {
  static const bool done = [] {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {kMostFileBytes, kMostFileBytes};
    CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    CHECK(::sigaction(SIGURG, &action, nullptr) == 0);
    sigevent event = {};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGURG;
    timer_t timer;
    CHECK(::timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    const itimerspec tick = {{0, kTickNanoseconds}, {0, kTickNanoseconds}};
    CHECK(::timer_settime(timer, 0, &tick, nullptr) == 0);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

Guest::Guest(wasi::Grants grants) : ground_(kMemory + 2 * kBorder, kCanary) {
  SetUpProcess();
  auto context = wasi::Context::Create(std::move(grants));
  CHECK(context);
  context_ = *std::move(context);
  std::fill(memory().begin(), memory().end(), 0);
  // Nothing that blocks is waited for.
  interrupt_.Request(hostcall::StopReason::kSignal, SIGTERM);
  FORBID(ground_.data(), kBorder);
  FORBID(ground_.data() + kBorder + kMemory, kBorder);
}

Guest::~Guest() {
  ALLOW(ground_.data(), ground_.size());
  // The kernel writes where no sanitizer sees it.
  const auto untouched = [](uint8_t byte) { return byte == kCanary; };
  CHECK(std::all_of(ground_.begin(), ground_.begin() + kBorder, untouched));
  CHECK(std::all_of(ground_.end() - kBorder, ground_.end(), untouched));
}

hostcall::Outcome Guest::Call(const hostcall::Function& function,
                              std::span<hostcall::Value> frame) {
  hostcall::Call call{hostcall::Memory(memory().data(), kMemory), frame, interrupt_};
  const hostcall::Outcome outcome = function.handler(context_.get(), call);
  CHECK(outcome != hostcall::Outcome::kTrapped || !call.trap_message.empty());
  return outcome;
}

const hostcall::Function& Guest::Find(std::string_view name) {
  const auto functions = wasi::Preview1();
  const auto found = std::find_if(functions.begin(), functions.end(),
                                  [&](const auto& function) { return function.name == name; });
  CHECK(found != functions.end());
  return *found;
}

}  // namespace wasmoor::fuzz
