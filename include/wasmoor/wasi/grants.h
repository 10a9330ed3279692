#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "wasmoor/os/fd.h"
#include "wasmoor/wasi/stream.h"

namespace wasmoor::wasi {

// kReadOnly takes every right away that changes a file, a name or a time: preview 1's rights say so
// to the guest, and no open for writing is made below such a directory whatever the rights say.
enum class Access : uint8_t { kReadOnly, kReadWrite };

// A directory that the guest finds open when it starts.
struct Preopen {
  std::string host;   // As the operator wrote it; for messages, and for engines that open by path.
  std::string guest;  // The name the guest sees: "/data", "."
  Access access = Access::kReadWrite;
  os::Fd directory;  // Open (O_PATH is enough); the grant is this directory, whatever its name
                     // becomes.
};

// A listening socket that the guest finds open, after the preopened directories. It may be shared
// with other guests: one that asks for non-blocking calls sets O_NONBLOCK for good, and calls of a
// guest that did not ask wait all the same.
struct Listener {
  std::string address;  // "127.0.0.1:8080"; for messages.
  os::Fd socket;        // Bound and listening.
};

// What one guest may see and touch: everything it is given, and nothing is given by default. Plain
// values; descriptors are owned here. The stdio descriptors are the ones the guest reads and
// writes, uncopied; one that is not valid reads as end of file and swallows what is written. Their
// status flags (O_NONBLOCK, O_APPEND) are never changed, since the caller's terminal or pipe has
// them too.
struct Grants {
  std::vector<std::string> arguments;                            // argv, [0] is the program.
  std::vector<std::pair<std::string, std::string>> environment;  // In this order.
  std::vector<Preopen> preopens;                                 // Guest descriptors 3, 4 …
  std::vector<Listener> listeners;                               // The next ones.
  os::Fd standard_input, standard_output, standard_error;
  // In the place of a descriptor; of guests of core modules only.
  Stream* input_stream = nullptr;
  Stream* output_stream = nullptr;
  Stream* error_stream = nullptr;
  LateEnvironment* late_environment = nullptr;  // Its variables come after `environment`.
  WaitHandler* on_wait = nullptr;

  // How many descriptors the guest may hold, these included; beyond, it is told EMFILE. Each one is
  // a descriptor of this process, whose own limit (RLIMIT_NOFILE) bounds all its guests together.
  uint32_t max_descriptors = 4096;
};

}  // namespace wasmoor::wasi
