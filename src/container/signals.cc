#include "container/signals.h"

#include <unistd.h>

namespace wasmoor::container {
namespace {

constexpr int kSignalStatus = 128;

// Those whose default is to end the process, but for faults, which the engine handles, SIGABRT,
// which is our own, and SIGKILL (signal(7)).
constexpr std::array kEnding = {SIGHUP,  SIGINT,    SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,  SIGTERM,
                                SIGXCPU, SIGVTALRM, SIGPROF, SIGPOLL, SIGPWR,  SIGSTKFLT};

// The guest's own state is nobody's any more, and its buffers are in its own memory.
void End(int signal) { ::_exit(kSignalStatus + signal); }

void Set(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigfillset(&action.sa_mask);
  // The guest's stack may be the one that overflowed.
  action.sa_flags = SA_ONSTACK;
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

FaultHandlers::FaultHandlers() {
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], nullptr, &actions_[i]);
}

void FaultHandlers::Install() const {
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &actions_[i], nullptr);
}

void EndBySignals() {
  for (const int signal : kEnding) Set(signal, End);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) Set(signal, End);
  for (const int signal : {SIGPIPE, SIGXFSZ}) Set(signal, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace wasmoor::container
