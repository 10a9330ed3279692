#pragma once

#include <string>
#include <vector>

#include "wasmoor/base/result.h"

namespace wasmoor::sandbox {

// What containerd's name of an output stream means.
struct Target {
  enum class Kind : uint8_t {
    kNowhere,  // An empty name.
    kPath,     // A path, or fifo://: what is there decides, and it must be there.
    kFile,     // file://: made if it is not there.
    kLogger,   // binary:// and binary-v2://: a program that takes what is written.
  };

  Kind kind = Kind::kNowhere;
  std::string path;  // Absolute; of the program, for a logger.
  // For a logger: the keys of the query, each followed by its first value, in the order in which
  // they are named.
  std::vector<std::string> arguments;
  // binary-v2://: a logger that closes its pipe without having written into it is not ready, but
  // broken.
  bool must_say_ready = false;
};

// kInvalidArgument: an unknown scheme, or a path that is not absolute.
Result<Target> ParseTarget(const std::string& name);

}  // namespace wasmoor::sandbox
