#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "proto/wasmoor/handover.pb.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/carried.h"

namespace wasmoor::cmd {

// The program that goes on in the place of this one: that which is installed now under the name by
// which this one was started, with the same words. It is executed in this very process (execve(2)),
// so children stay children, and a service manager sees no other process.
class Successor {
 public:
  // Before os::ProtectSelf, which hides where this program is.
  static void Remember();
  // What Remember has found; taken out of the environment.
  static Successor FromEnvironment(char* const* arguments);

  // Whether it can be executed, finds nothing wrong with the settings, and reads what this one
  // tells. kFailedPrecondition says why not. Waits for it, some milliseconds.
  Status Check() const;
  // Becomes it; returns only if that failed. `carried` is all that `state` names.
  Status Become(handover::Daemon state, os::Carried* carried) const;

  const std::string& path() const { return path_; }

  // What Check looks for in the output of --check.
  static std::string Reads();

 private:
  std::string path_;
  char* const* arguments_ = nullptr;
};

// What the program before has told, if there was one. kDataLoss: it cannot be understood.
Result<std::optional<handover::Daemon>> TakePredecessor();

}  // namespace wasmoor::cmd
