#include "wasmoor/os/deadline.h"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace wasmoor::os {
namespace {

int expiry_status = 0;
void (*expiry_callback)() = nullptr;

void OnAlarm(int) {
  if (expiry_callback != nullptr) expiry_callback();
  _exit(expiry_status);
}

}  // namespace

Status EndProcessAfter(std::chrono::nanoseconds after, int status, void (*on_expiry)()) {
  expiry_status = status;
  expiry_callback = on_expiry;
  struct sigaction action = {};
  action.sa_handler = OnAlarm;
  sigfillset(&action.sa_mask);
  // The guest's stack may be the one that overflowed.
  action.sa_flags = SA_ONSTACK;
  if (sigaction(SIGALRM, &action, nullptr) != 0) return FailErrno(errno, "catch SIGALRM");
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm, nullptr);

  const auto microseconds =
      std::max<int64_t>(1, std::chrono::duration_cast<std::chrono::microseconds>(after).count());
  constexpr int64_t kMicrosecondsPerSecond = 1'000'000;
  struct itimerval timer = {};
  timer.it_value.tv_sec = microseconds / kMicrosecondsPerSecond;
  timer.it_value.tv_usec = microseconds % kMicrosecondsPerSecond;
  if (setitimer(ITIMER_REAL, &timer, nullptr) != 0) return FailErrno(errno, "start the deadline");
  return {};
}

}  // namespace wasmoor::os
