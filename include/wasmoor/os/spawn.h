#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::os {

// This very program, whatever became of its name.
inline constexpr const char* kThisProgram = "/proc/self/exe";

// Words as the C library takes them, a null behind them. They stay the caller's, and unchanged.
std::vector<char*> Pointers(const std::vector<std::string>& words);

struct SpawnRequest {
  enum class Session : uint8_t { kSame, kNew };  // setsid(2).

  std::string program;                 // A path; $PATH is not searched.
  std::vector<std::string> arguments;  // arguments[0] is the name it goes by.
  // What it has as 0, 1, 2, 3 …; null: /dev/null. It has no other, and at least these three.
  std::vector<const Fd*> descriptors;
  std::optional<std::vector<std::string>> environment;  // "NAME=value"; none: that of this process.
  Session session = Session::kSame;
};

// Starts a program, with no signal blocked or ignored. posix_spawn(3): an error also if the program
// cannot be executed. The caller reaps it (waitpid(2)). Any thread.
Result<pid_t> Spawn(const SpawnRequest& request);

}  // namespace wasmoor::os
