#include "wasmoor/os/signal.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <optional>

namespace wasmoor::os {
namespace {

std::optional<int> Number(std::string_view text) {
  int number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return number;
}

// "RTMIN", "RTMIN+3", "RTMAX-1": `base` and what is added to it in direction `sign`.
std::optional<int> RealTime(std::string_view name, std::string_view word, int base, char sign) {
  if (!name.starts_with(word)) return std::nullopt;
  const std::string_view rest = name.substr(word.size());
  if (rest.empty()) return base;
  if (rest.front() != sign || rest.size() == 1 || rest[1] == '-') return std::nullopt;
  const std::optional<int> distance = Number(rest.substr(1));
  if (!distance || *distance > SIGRTMAX - SIGRTMIN) return std::nullopt;
  return sign == '+' ? base + *distance : base - *distance;
}

std::optional<int> ByName(std::string_view name) {
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* known = sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  // Second names of signal(7).
  if (name == "IOT") return SIGABRT;
  if (name == "CLD") return SIGCHLD;
  if (const auto up = RealTime(name, "RTMIN", SIGRTMIN, '+')) return up;
  return RealTime(name, "RTMAX", SIGRTMAX, '-');
}

}  // namespace

Result<int> ParseSignal(std::string_view text) {
  std::optional<int> signal = Number(text);
  if (!signal) {
    std::string name(text);
    std::transform(name.begin(), name.end(), name.begin(), [](char letter) {
      return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
    });
    signal = ByName(name.starts_with("SIG") ? std::string_view(name).substr(3) : name);
  }
  if (!signal || *signal < 1 || *signal >= NSIG)
    return Fail(Code::kInvalidArgument, "'{}' is no signal; a name such as SIGTERM or 1 to {} is",
                text, NSIG - 1);
  return *signal;
}

std::string SignalName(int signal) {
  if (const char* name = sigabbrev_np(signal)) return std::string("SIG") + name;
  if (signal < SIGRTMIN || signal > SIGRTMAX) return std::to_string(signal);
  if (signal == SIGRTMIN) return "SIGRTMIN";
  return "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
}

void TakeUsualSignals() {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

SignalsHeld::SignalsHeld(But but) {
  sigset_t held;
  sigfillset(&held);
  if (but == But::kFaults) {
    for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) sigdelset(&held, fault);
  }
  pthread_sigmask(SIG_SETMASK, &held, &before_);
}

SignalsHeld::~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace wasmoor::os
