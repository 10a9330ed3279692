#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "wasmoor/os/fd.h"

namespace wasmoor::wasi {

enum class Access : uint8_t { kReadOnly, kReadWrite };

// A directory that the guest finds open when it starts.
struct Preopen {
  std::string host;   // As the operator wrote it; for messages, and for engines that open by path.
  std::string guest;  // The name the guest sees: "/data", "."
  Access access = Access::kReadWrite;
  os::Fd directory;   // Open (O_PATH is enough); the grant is this directory, whatever its name becomes.
};

// A listening socket that the guest finds open, after the preopened directories.
struct Listener {
  std::string address;  // "127.0.0.1:8080"; for messages.
  os::Fd socket;        // Bound and listening.
};

// What one guest may see and touch: everything it is given, and nothing is given by default. Plain
// values; descriptors are owned here. The stdio descriptors are the ones the guest reads and writes,
// uncopied; one that is not valid reads as end of file and swallows what is written.
struct Grants {
  std::vector<std::string> arguments;                              // argv, [0] is the program.
  std::vector<std::pair<std::string, std::string>> environment;    // In this order.
  std::vector<Preopen> preopens;                                   // Guest descriptors 3, 4 …
  std::vector<Listener> listeners;                                 // The next ones.
  os::Fd standard_input, standard_output, standard_error;
};

}  // namespace wasmoor::wasi
