#pragma once

#include <string_view>

#include "cmd/runtime/log.h"
#include "wasmoor/node/place.h"
#include "wasmoor/task/options.h"

namespace wasmoor::cmd {

// The log of the node's daemon: standard error, a line each, of text or JSON, with the keys `ns`
// and `pod` of what a sandbox is meant. One line is one write(2).
class DaemonLog {
 public:
  DaemonLog(task::LogLevel most, LogFormat format) : most_(most), format_(format) {}

  void Write(task::LogLevel level, std::string_view message, const node::Key* key = nullptr) const;
  // From now on.
  void Change(task::LogLevel most, LogFormat format) {
    most_ = most;
    format_ = format;
  }

 private:
  task::LogLevel most_;
  LogFormat format_;
};

}  // namespace wasmoor::cmd
