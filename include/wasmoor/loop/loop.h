#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// One thread's event loop: descriptors, timers and what was put off, over epoll(7). Everything here
// belongs to the thread that calls Run; a callback may do anything but run the loop, also destroy
// the Source or Timer that it came from. What is left of them may outlive the loop, and then does
// nothing.
namespace wasmoor::loop {

using Callback = std::function<void()>;

class Watched;
class Waiting;

// A descriptor under watch. Destroying it ends the watch; the descriptor stays open and must
// outlive it, and no other Source may watch the same one.
class Source {
 public:
  Source();  // Watches nothing.
  Source(Source&&) noexcept;
  Source& operator=(Source&&) noexcept;
  ~Source();

  // Calls `ready` whenever the descriptor can be read (or is at its end, or broken): again and
  // again, until it has been read. A null one ends that.
  void OnReadable(Callback ready);
  // The same for writing.
  void OnWritable(Callback ready);
  // Calls `gone` when the other side has ended what it writes, or all: for who does not read now,
  // and so would not come to know. Again and again, until it is set to null.
  void OnHangup(Callback gone);

  bool valid() const { return watched_ != nullptr; }

 private:
  friend class Loop;
  explicit Source(std::shared_ptr<Watched> watched);
  std::shared_ptr<Watched> watched_;
};

// A callback that waits for its time. Destroying it before is its end.
class Timer {
 public:
  Timer();  // Waits for nothing.
  Timer(Timer&&) noexcept;
  Timer& operator=(Timer&&) noexcept;
  ~Timer();

  bool pending() const;

 private:
  friend class Loop;
  explicit Timer(std::shared_ptr<Waiting> waiting);
  std::shared_ptr<Waiting> waiting_;
};

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> Create();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  // Serves until Stop, or until there is nothing left to wait for.
  void Run();
  // Run returns after the callback that is under way. Any thread.
  void Stop();
  // Serves what is ready now and, if nothing is, what comes first within `patience`. False if
  // nothing did.
  bool RunOnce(std::chrono::milliseconds patience);

  // Waits for as long as it takes until something is ready, and serves that one thing. False after
  // Stop. For who has other work to do in between; several threads may take turns, if each sees
  // what the one before it has done.
  bool ServeOne();

  // Calls `work` from Run, in the order of the calls. Any thread.
  void Post(Callback work);

  // Calls `work` when what is ready now has been served, or a moment later where that takes long:
  // for what costs less when it is done together, as sending to several clients.
  void AfterRound(Callback work);

  // The descriptor does not block from now on, nor do those that share its description.
  // kFailedPrecondition (EPERM): a descriptor that is always ready and cannot be waited for, as
  // those of regular files (epoll_ctl(2)).
  Result<Source> Watch(const os::Fd& descriptor);

  // Calls `work` once, `delay` from now by the monotonic clock.
  [[nodiscard]] Timer After(std::chrono::nanoseconds delay, Callback work);

 private:
  struct Parts;
  explicit Loop(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace wasmoor::loop
