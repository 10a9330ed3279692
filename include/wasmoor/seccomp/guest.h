#pragma once

#include "wasmoor/seccomp/program.h"

namespace wasmoor::seccomp {

// What runs below the filter.
enum class GuestKind : uint8_t {
  // A core module with our WASI, or a component of wasi:cli with the engine's, that is one thread
  // of
  // a process of many: what concerns the process is not its business.
  kThread,
  // Components behind an HTTP server of ours that is one thread of such a process, and the threads
  // that it makes; and the same if its guests may ask others: kServer and kClientServer, but for
  // what concerns the process.
  kThreadServer,
  kThreadClientServer,
  kModule,     // A core module with our WASI: one thread, alone in its process.
  kComponent,  // A component with the engine's WASI 0.2, which starts threads and polls for them.
  // Components behind an HTTP server of ours, whose socket listens already: connections are
  // accepted and none is made.
  kServer,
  kClientServer,  // The same, which may make connections and ask for names, too (IPv4 and IPv6).
  // What of a process runs kThreadServer, or kThreadClientServer, on threads that it makes and
  // interrupts: it loads compiled code, and makes and removes files, which something else bounds.
  kWorker,
  kClientWorker,
};

// The filter for a process that runs one wasm guest, whose module is loaded and whose grants are
// open: install it right before the guest runs, beneath the container's own profile. It allows the
// system calls that the engine at run time and WASI make, and answers everything else with ENOSYS:
// no program is executed, no process is made or signalled, no socket is created or connected, not
// even by MSG_FASTOPEN (but by those with clients), no file is opened but by openat2(2), which WASI
// bounds to what is granted (a component's WASI may also list directories), no memory becomes
// executable, nothing is mounted, traced or limited anew. A call of another architecture ends the
// process. So a guest that breaks out of the engine finds a kernel that does what WASI could do and
// hardly more. Any thread; takes microseconds.
Program GuestProgram(GuestKind kind);

}  // namespace wasmoor::seccomp
