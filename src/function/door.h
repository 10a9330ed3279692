#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::function {

// A socket that listens, and its place in the file system, which goes with it.
class Door {
 public:
  // `address` as os::ListenTcp takes it, or "unix:PATH", where everybody may knock. What is left at
  // PATH of a server that was killed is taken over.
  static Result<Door> Open(const std::string& address);
  Door(Door&& other) noexcept;
  Door& operator=(Door&&) = delete;
  ~Door();

  const os::Fd& socket() const { return socket_; }
  os::Fd TakeSocket() { return std::move(socket_); }  // The place stays.
  // With the port that 0 became.
  const std::string& address() const { return address_; }

 private:
  Door(os::Fd socket, std::string address, std::string path);

  os::Fd socket_;
  std::string address_, path_;
};

}  // namespace wasmoor::function
