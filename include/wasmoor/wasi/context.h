#pragma once

#include <memory>
#include <span>

#include "wasmoor/base/result.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::wasi {

class DescriptorTable;

// The WASI 0.1 state of one guest: its grants and its descriptor table. Bound to one instance, used
// on that guest's thread only, destroyed after it. Destruction closes every descriptor the guest
// holds. Neither making nor destroying one asks the kernel anything but to close what is open.
class Context {
 public:
  // Takes the grants over. kInvalidArgument for a grant that cannot be expressed (a NUL in an
  // argument, a variable or a guest path; '=' in a variable's name; a preopen or listener without a
  // descriptor), naming it.
  static Result<std::unique_ptr<Context>> Create(Grants grants);
  ~Context();

  // What was granted. The descriptors are no longer in it: they are in the table, where the guest
  // may close them.
  const Grants& grants() const { return grants_; }
  DescriptorTable& descriptors() { return *descriptors_; }
  // With what is put together late.
  const std::vector<std::pair<std::string, std::string>>& Environment();
  // The calling thread is about to wait.
  void BeforeWait() {
    if (grants_.on_wait != nullptr) grants_.on_wait->OnWait();
  }

 private:
  explicit Context(Grants grants);
  Grants grants_;
  std::unique_ptr<DescriptorTable> descriptors_;
};

// The 46 functions of module wasi_snapshot_preview1, for hostcall::Table::Add<Context>. Source of
// every rule: the witx text of WASI snapshot preview 1. A pointer outside the guest's memory is
// answered with errno fault, a path that leads out of its preopen with notcapable.
//
// Every system call is made on the calling thread. One that blocks is ended by a signal to that
// thread whose handler was installed without SA_RESTART, once the call's Interrupt was requested.
//
// The process must ignore SIGPIPE and SIGXFSZ (signal(7)), or a guest could end it: by writing to a
// standard output that nobody reads, or past RLIMIT_FSIZE. The guest is then told EPIPE and EFBIG.
// Needs Linux 5.8 for openat2(2) and for utimensat(2) with AT_EMPTY_PATH.
std::span<const hostcall::Function> Preview1();

}  // namespace wasmoor::wasi
