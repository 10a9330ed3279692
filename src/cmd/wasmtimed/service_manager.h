#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cmd {

// What systemd, or whoever else has started this process in its way, is told (sd_notify(3)) and
// gives (sd_listen_fds(3), sd_watchdog_enabled(3)). Reads the environment once and takes what it
// read out of it, so that no child thinks that it is meant.
class ServiceManager {
 public:
  // kInvalidArgument: a variable that nobody can have meant so.
  static Result<ServiceManager> FromEnvironment();

  // "READY=1\nSTATUS=serving". No effect if nobody wants to be told, or cannot be.
  void Tell(std::string_view state) const;

  // Has the environment say again who is told and how often, for the program that goes on in place
  // of this one; and takes that back if there is none.
  void Restore() const;
  static void TakeBack();

  // How often WATCHDOG=1 is due, half of what is waited; 0: never.
  std::chrono::microseconds watchdog() const { return watchdog_; }

  // The listening sockets that it has opened, by their names (FileDescriptorName=), "unknown" if
  // they have none. The caller's from now on.
  std::map<std::string, os::Fd> TakeSockets() { return std::move(sockets_); }

 private:
  std::string address_;
  std::chrono::microseconds watchdog_{0};
  std::map<std::string, os::Fd> sockets_;
};

// For RELOADING=1: "MONOTONIC_USEC=…" of now.
std::string MonotonicNow();

}  // namespace wasmoor::cmd
