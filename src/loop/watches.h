#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::loop {

class Watched;

// The descriptors of one loop, in an epoll(7) that is told of each once: as long as what is waited
// for stays the same, nothing but epoll_wait(2) is called.
class Watches : public std::enable_shared_from_this<Watches> {
 public:
  static Result<std::shared_ptr<Watches>> Create();
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  Result<std::shared_ptr<Watched>> Add(int descriptor);

  // Finds what is ready; -1: waits until something is. Whatever the last call has found and
  // ServeNext has not served is forgotten, since it is found again.
  void Wait(int milliseconds);
  // Calls back whoever waits for the next thing that was found. False: there is none left.
  bool ServeNext();

  size_t waiting() const { return waiting_; }  // Directions that somebody waits for.

 private:
  friend class Watched;
  // What the kernel says of one that is gone does not reach its successor in the same place.
  struct Place {
    Watched* watch = nullptr;
    uint32_t generation = 0;
  };
  static constexpr size_t kMostAtOnce = 64;

  explicit Watches(os::Fd epoll) : epoll_(std::move(epoll)) {}
  Watched* Find(uint64_t key) const;
  void Remove(const Watched& watch);

  const os::Fd epoll_;
  std::vector<Place> places_;
  std::vector<uint32_t> free_;
  std::array<struct epoll_event, kMostAtOnce> ready_;
  size_t next_ = 0, found_ = 0;
  size_t waiting_ = 0;
};

// A descriptor, and who waits for it.
class Watched : public std::enable_shared_from_this<Watched> {
 public:
  Watched(std::shared_ptr<Watches> all, int descriptor, uint64_t key)
      : all_(std::move(all)), descriptor_(descriptor), key_(key) {}
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  void OnReadable(Callback ready) { Set(&readable_, std::move(ready)); }
  void OnWritable(Callback ready) { Set(&writable_, std::move(ready)); }
  void OnHangup(Callback gone) { Set(&hung_up_, std::move(gone)); }
  void End();  // Calls nobody from now on.

 private:
  friend class Watches;
  void Set(Callback* direction, Callback ready);
  void Serve(uint32_t events);

  const std::shared_ptr<Watches> all_;
  const int descriptor_;
  const uint64_t key_;
  uint32_t asked_ = EPOLLONESHOT;  // What epoll waits for: nothing.
  Callback readable_, writable_, hung_up_;
  bool ended_ = false;
};

}  // namespace wasmoor::loop
