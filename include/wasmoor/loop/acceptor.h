#pragma once

#include <functional>
#include <memory>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::loop {

// Accepts the connections of a listening socket, which is made non-blocking and must outlive it,
// and hands on each, not blocking either. Where no descriptor is left, those who knock wait in the
// socket's queue for a moment. Destroying it ends that; `take` must not.
class Acceptor {
 public:
  static Result<std::unique_ptr<Acceptor>> Create(Loop& loop, const os::Fd& listener,
                                                  std::function<void(os::Fd)> take);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor();

 private:
  Acceptor(Loop& loop, const os::Fd& listener, std::function<void(os::Fd)> take);
  void Accept();
  void Watch();

  Loop& loop_;
  const os::Fd& listener_;
  const std::function<void(os::Fd)> take_;
  Source source_;
  Timer pause_;
};

}  // namespace wasmoor::loop
