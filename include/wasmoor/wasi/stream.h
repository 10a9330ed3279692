#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "wasmoor/os/fd.h"

// What a guest may be given besides descriptors of this process, by who has it in memory. All of it
// is called on the guest's thread, outlives the guest's context and is not owned by it.
namespace wasmoor::wasi {

// A standard stream: a request's body, a response. It is a byte stream without a position, and no
// terminal.
class Stream {
 public:
  virtual ~Stream() = default;

  // As readv(2) and writev(2) of a file with O_NONBLOCK: how many bytes were moved, a read's 0 is
  // the end; or -1 and errno, of which EAGAIN means that nothing can be moved yet.
  virtual int64_t Read(const iovec* buffers, int count) = 0;
  virtual int64_t Write(const iovec* buffers, int count) = 0;

  // What poll(2) reports POLLIN of as soon as something can be moved. Null: something can, now.
  virtual const os::Fd* WaitsFor() = 0;
};

// Is told that the guest is about to wait in a host function: for a time, or for a file. Whatever
// else the thread is there for, somebody else has to do meanwhile.
class WaitHandler {
 public:
  virtual ~WaitHandler() = default;
  virtual void OnWait() = 0;
};

// Variables that are put together only if the guest asks for its environment.
class LateEnvironment {
 public:
  virtual ~LateEnvironment() = default;
  // Adds to what there is, at most once a guest. Names and values without NUL, names without '='.
  virtual void AddTo(std::vector<std::pair<std::string, std::string>>* environment) = 0;
};

}  // namespace wasmoor::wasi
