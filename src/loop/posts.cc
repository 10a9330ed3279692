#include "loop/posts.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace wasmoor::loop {

Result<std::unique_ptr<Posts>> Posts::Create() {
  os::Fd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) return FailErrno(errno, "event loop: eventfd");
  return std::unique_ptr<Posts>(new Posts(std::move(bell)));
}

void Posts::Put(Callback work) {
  bool asleep = false;
  {
    const std::lock_guard lock(mutex_);
    come_.push_back(std::move(work));
    asleep = std::exchange(asleep_, false);
  }
  if (asleep) Wake();
}

void Posts::Wake() {
  constexpr uint64_t kOne = 1;
  // It fails where it has rung 2^64 - 2 times and nobody has listened.
  (void)!::write(bell_.get(), &kOne, sizeof kOne);
}

void Posts::Hear() {
  uint64_t rung = 0;
  (void)!::read(bell_.get(), &rung, sizeof rung);
}

bool Posts::Sleep() {
  const std::lock_guard lock(mutex_);
  asleep_ = come_.empty();
  return asleep_;
}

void Posts::Collect() {
  collected_.clear();
  next_ = 0;
  const std::lock_guard lock(mutex_);
  asleep_ = false;
  collected_.swap(come_);
}

bool Posts::ServeNext() {
  if (next_ == collected_.size()) return false;
  const Callback work = std::move(collected_[next_++]);
  work();
  return true;
}

bool Posts::empty() const {
  const std::lock_guard lock(mutex_);
  return come_.empty() && next_ == collected_.size();
}

void Posts::Clear() {
  while (!empty()) Collect();
  collected_.clear();
  next_ = 0;
}

}  // namespace wasmoor::loop
