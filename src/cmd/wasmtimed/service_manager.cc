#include "cmd/wasmtimed/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <vector>

namespace wasmoor::cmd {
namespace {

constexpr int kFirstSocket = 3;  // SD_LISTEN_FDS_START.
constexpr int kMostSockets = 16;
constexpr const char* kNotify = "NOTIFY_SOCKET";
constexpr const char* kWatchdog = "WATCHDOG_USEC";

std::optional<std::string> Take(const char* name) {
  const char* value = ::getenv(name);
  if (value == nullptr) return std::nullopt;
  std::string text = value;
  ::unsetenv(name);
  return text;
}

Result<uint64_t> NumberOf(const char* name, const std::string& text) {
  uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size())
    return Fail(Code::kInvalidArgument, "the variable {} must be a number, is '{}'", name, text);
  return number;
}

// Whether a variable of this name says that another process is meant.
Result<bool> IsForAnother(const char* name) {
  const auto text = Take(name);
  if (!text) return false;
  return TRY(NumberOf(name, *text)) != static_cast<uint64_t>(::getpid());
}

Result<std::map<std::string, os::Fd>> TakeListening() {
  const bool for_another = TRY(IsForAnother("LISTEN_PID"));
  const auto count_text = Take("LISTEN_FDS");
  std::string names = Take("LISTEN_FDNAMES").value_or("");
  std::map<std::string, os::Fd> sockets;
  if (for_another || !count_text) return sockets;
  const uint64_t count = TRY(NumberOf("LISTEN_FDS", *count_text));
  if (count > kMostSockets)
    return Fail(Code::kInvalidArgument, "LISTEN_FDS is {}, and {} is the most", count,
                kMostSockets);
  for (int number = kFirstSocket; number < kFirstSocket + static_cast<int>(count); ++number) {
    const size_t colon = std::min(names.find(':'), names.size());
    const std::string name = colon == 0 ? "unknown" : names.substr(0, colon);
    names.erase(0, std::min(colon + 1, names.size()));
    if (::fcntl(number, F_SETFD, FD_CLOEXEC) != 0)
      return FailErrno(errno, "LISTEN_FDS is {}: descriptor {}", count, number);
    sockets[name] = os::Fd(number);
  }
  return sockets;
}

}  // namespace

Result<ServiceManager> ServiceManager::FromEnvironment() {
  ServiceManager manager;
  manager.address_ = Take(kNotify).value_or("");
  manager.sockets_ = TRY(TakeListening());
  const bool for_another = TRY(IsForAnother("WATCHDOG_PID"));
  const auto period = Take(kWatchdog);
  if (period && !for_another)
    manager.watchdog_ = std::chrono::microseconds(TRY(NumberOf(kWatchdog, *period)) / 2);
  return manager;
}

void ServiceManager::Restore() const {
  if (!address_.empty()) ::setenv(kNotify, address_.c_str(), 1);
  if (watchdog_.count() > 0) ::setenv(kWatchdog, std::to_string(watchdog_.count() * 2).c_str(), 1);
}

void ServiceManager::TakeBack() {
  ::unsetenv(kNotify);
  ::unsetenv(kWatchdog);
}

void ServiceManager::Tell(std::string_view state) const {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (address_.empty() || address_.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, address_.data(), address_.size());
  // An abstract one, whose name has a NUL in front and none at its end (unix(7)).
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const auto size =
      static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + address_.size());
  const os::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return;
  ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
           reinterpret_cast<const struct sockaddr*>(&address), size);
}

std::string MonotonicNow() {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  constexpr int64_t kMicroseconds = 1000000, kNanoseconds = 1000;
  return fmt::format("MONOTONIC_USEC={}", now.tv_sec * kMicroseconds + now.tv_nsec / kNanoseconds);
}

}  // namespace wasmoor::cmd
