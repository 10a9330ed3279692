#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::function {

// Does the kernel hear of every change in this directory? It does not of what others change on a
// network file system, or who answers for one of FUSE.
bool IsHeardOf(const os::Fd& directory);

// The kernel's word of changes in directories (inotify(7)): quick, and not to be relied on, since
// file systems that others write, too, tell nothing. The loop's thread.
class Watch {
 public:
  static constexpr int kNone = -1;

  struct Event {
    int directory = kNone;     // As Add said; kNone: events were lost, it may be any.
    std::string_view name;     // In it; empty: of the directory itself.
    bool is_complete = false;  // A file was closed after it was written, or has come as it is.
    bool is_over = false;      // No more is heard of this directory.
  };

  // Calls `hear` with each event, and `end` after some that came together.
  static Result<std::unique_ptr<Watch>> Create(loop::Loop& loop,
                                               std::function<void(const Event&)> hear,
                                               std::function<void()> end);

  // The same number for the same directory, by whatever path. Nothing of it is open, so that its
  // volume can be unmounted.
  Result<int> Add(const std::string& path);
  void Remove(int directory);

 private:
  Watch(os::Fd events, std::function<void(const Event&)> hear, std::function<void()> end)
      : events_(std::move(events)), hear_(std::move(hear)), end_(std::move(end)) {}
  void Read();

  const os::Fd events_;
  const std::function<void(const Event&)> hear_;
  const std::function<void()> end_;
  loop::Source source_;  // Ends before what it watches.
};

}  // namespace wasmoor::function
