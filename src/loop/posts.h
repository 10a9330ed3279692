#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::loop {

// What was put off, from any thread, and an eventfd(2) that wakes the loop's where it waits.
class Posts {
 public:
  static Result<std::unique_ptr<Posts>> Create();
  Posts(const Posts&) = delete;
  Posts& operator=(const Posts&) = delete;

  int descriptor() const { return bell_.get(); }

  // Any thread.
  void Put(Callback work);
  void Wake();

  // The loop's thread, as all that follows.
  void Hear();  // That it rang.
  // True: nothing is here, and whoever puts something from now on rings.
  bool Sleep();
  // What has come until now is to be served.
  void Collect();
  bool ServeNext();  // False: nothing is left of what was collected.
  bool empty() const;
  void Clear();  // Destroys what is here, and what that puts.

 private:
  explicit Posts(os::Fd bell) : bell_(std::move(bell)) {}

  const os::Fd bell_;
  mutable std::mutex mutex_;  // Of what follows.
  std::vector<Callback> come_;
  bool asleep_ = false;

  std::vector<Callback> collected_;  // The loop's thread's.
  size_t next_ = 0;
};

}  // namespace wasmoor::loop
