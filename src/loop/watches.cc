#include "loop/watches.h"

#include <sys/ioctl.h>

#include <cerrno>
#include <utility>

namespace wasmoor::loop {
namespace {

constexpr uint32_t kBroken = EPOLLHUP | EPOLLERR;
// An end or an error is told of whatever is waited for, again and again; with this alone only once,
// and nobody has to look.
constexpr uint32_t kNothing = EPOLLONESHOT;
constexpr unsigned kGenerationShift = 32;

}  // namespace

Result<std::shared_ptr<Watches>> Watches::Create() {
  os::Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return FailErrno(errno, "event loop: epoll_create1");
  return std::shared_ptr<Watches>(new Watches(std::move(epoll)));
}

Result<std::shared_ptr<Watched>> Watches::Add(int descriptor) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(places_.size()));
    places_.emplace_back();
  }
  const uint32_t at = free_.back();
  Place& place = places_[at];
  const uint64_t key = uint64_t{place.generation} << kGenerationShift | at;
  struct epoll_event event = {};
  event.events = kNothing;
  event.data.u64 = key;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0)
    return FailErrno(errno, "wait for descriptor {}", descriptor);
  // Who is told that something is there may be told too late.
  int on = 1;
  if (::ioctl(descriptor, FIONBIO, &on) != 0) {
    const int failed = errno;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
    return FailErrno(failed, "make descriptor {} non-blocking", descriptor);
  }
  free_.pop_back();
  auto watch = std::make_shared<Watched>(shared_from_this(), descriptor, key);
  place.watch = watch.get();
  return watch;
}

Watched* Watches::Find(uint64_t key) const {
  const Place& place = places_[static_cast<uint32_t>(key)];
  return place.generation == key >> kGenerationShift ? place.watch : nullptr;
}

void Watches::Remove(const Watched& watch) {
  const auto at = static_cast<uint32_t>(watch.key_);
  places_[at].watch = nullptr;
  ++places_[at].generation;
  free_.push_back(at);
  // It may be closed already, which has had the same effect.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watch.descriptor_, nullptr);
}

void Watches::Wait(int milliseconds) {
  next_ = found_ = 0;
  const int found = ::epoll_wait(epoll_.get(), ready_.data(), kMostAtOnce, milliseconds);
  if (found > 0) found_ = static_cast<size_t>(found);
}

bool Watches::ServeNext() {
  while (next_ < found_) {
    const struct epoll_event event = ready_[next_++];
    Watched* const watch = Find(event.data.u64);
    if (watch == nullptr || watch->asked_ == kNothing) continue;
    watch->Serve(event.events);
    return true;
  }
  return false;
}

void Watched::Set(Callback* direction, Callback ready) {
  all_->waiting_ -= *direction ? 1 : 0;
  *direction = std::move(ready);
  all_->waiting_ += *direction ? 1 : 0;
  uint32_t wanted = (readable_ ? uint32_t{EPOLLIN} : 0) | (writable_ ? uint32_t{EPOLLOUT} : 0) |
                    (hung_up_ ? uint32_t{EPOLLRDHUP} : 0);
  if (wanted == 0) wanted = kNothing;
  if (wanted == std::exchange(asked_, wanted)) return;
  struct epoll_event event = {};
  event.events = wanted;
  event.data.u64 = key_;
  ::epoll_ctl(all_->epoll_.get(), EPOLL_CTL_MOD, descriptor_, &event);
}

void Watched::End() {
  if (std::exchange(ended_, true)) return;
  asked_ = kNothing;
  for (Callback* direction : {&readable_, &writable_, &hung_up_}) {
    all_->waiting_ -= *direction ? 1 : 0;
    *direction = nullptr;
  }
  all_->Remove(*this);
}

// The callbacks may end the watch, and set others.
void Watched::Serve(uint32_t events) {
  const std::shared_ptr<Watched> self = shared_from_this();
  if ((events & (EPOLLIN | kBroken)) != 0) {
    if (const Callback now = readable_) now();
  }
  if ((events & (EPOLLOUT | kBroken)) != 0) {
    if (const Callback now = writable_) now();
  }
  if ((events & (EPOLLRDHUP | kBroken)) != 0) {
    if (const Callback now = hung_up_) now();
  }
}

}  // namespace wasmoor::loop
