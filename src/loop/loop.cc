#include "wasmoor/loop/loop.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <utility>

#include "wasmoor/os/file.h"

namespace wasmoor::loop {
namespace {

namespace asio = boost::asio;
using Wait = asio::posix::descriptor_base::wait_type;

// One direction of a descriptor. Waits of Asio's are for once; each is followed by the next for as
// long as there is a callback.
struct Direction {
  Callback ready;
  bool waiting = false;
};

}  // namespace

struct Source::Watched : std::enable_shared_from_this<Source::Watched> {
  explicit Watched(asio::io_context& context) : descriptor(context) {}

  void Set(Direction& direction, Wait wait, Callback ready) {
    direction.ready = std::move(ready);
    Arm(direction, wait);
  }

  void Arm(Direction& direction, Wait wait) {
    if (!direction.ready || direction.waiting) return;
    direction.waiting = true;
    const auto done = [self = shared_from_this(), &direction, wait](const auto& error) {
      direction.waiting = false;
      if (error || !self->descriptor.is_open()) return;
      // A copy, since the callback may set another.
      if (const Callback now = direction.ready) now();
      if (self->descriptor.is_open()) self->Arm(direction, wait);
    };
    descriptor.async_wait(wait, done);
  }

  // The descriptor is not ours to close.
  void End() {
    readable.ready = nullptr;
    writable.ready = nullptr;
    if (descriptor.is_open()) descriptor.release();
  }

  asio::posix::stream_descriptor descriptor;
  Direction readable, writable;
};

Source::Source() = default;
Source::Source(std::shared_ptr<Watched> watched) : watched_(std::move(watched)) {}
Source::Source(Source&&) noexcept = default;
Source& Source::operator=(Source&& other) noexcept {
  if (this == &other) return *this;
  if (watched_) watched_->End();
  watched_ = std::move(other.watched_);
  return *this;
}
Source::~Source() {
  if (watched_) watched_->End();
}

void Source::OnReadable(Callback ready) {
  watched_->Set(watched_->readable, Wait::wait_read, std::move(ready));
}
void Source::OnWritable(Callback ready) {
  watched_->Set(watched_->writable, Wait::wait_write, std::move(ready));
}

struct Timer::Waiting {
  explicit Waiting(asio::io_context& context) : timer(context) {}
  asio::steady_timer timer;
  Callback work;
};

Timer::Timer() = default;
Timer::Timer(std::shared_ptr<Waiting> waiting) : waiting_(std::move(waiting)) {}
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&& other) noexcept {
  if (this == &other) return *this;
  if (waiting_) waiting_->work = nullptr;
  if (waiting_) waiting_->timer.cancel();
  waiting_ = std::move(other.waiting_);
  return *this;
}
Timer::~Timer() {
  if (!waiting_) return;
  waiting_->work = nullptr;
  waiting_->timer.cancel();
}

bool Timer::pending() const { return waiting_ && waiting_->work; }

struct Loop::Parts {
  // One thread runs it; Post comes from any, so that its locks stay.
  asio::io_context context{1};
};

Loop::Loop(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Loop::~Loop() = default;

Result<std::unique_ptr<Loop>> Loop::Create() {
  // Asio throws where there is no descriptor left for its epoll(7).
  try {
    return std::unique_ptr<Loop>(new Loop(std::make_unique<Parts>()));
  } catch (const boost::system::system_error& error) {
    return FailErrno(error.code().value(), "event loop");
  }
}

void Loop::Run() {
  parts_->context.restart();
  parts_->context.run();
}

void Loop::Stop() { parts_->context.stop(); }

bool Loop::RunOnce(std::chrono::milliseconds patience) {
  parts_->context.restart();
  if (parts_->context.poll() > 0) return true;
  return parts_->context.run_one_for(patience) > 0;
}

bool Loop::ServeOne() { return parts_->context.run_one() > 0; }

void Loop::Post(Callback work) { asio::post(parts_->context, std::move(work)); }

Result<Source> Loop::Watch(const os::Fd& descriptor) {
  // Asio takes them, and then fails each wait.
  const auto status = TRY(os::Stat(descriptor));
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))
    return FailErrno(EPERM, "wait for a regular file");
  auto watched = std::make_shared<Source::Watched>(parts_->context);
  boost::system::error_code error;
  watched->descriptor.assign(descriptor.get(), error);
  if (error) return FailErrno(error.value(), "wait for a descriptor");
  return Source(std::move(watched));
}

Timer Loop::After(std::chrono::nanoseconds delay, Callback work) {
  auto waiting = std::make_shared<Timer::Waiting>(parts_->context);
  waiting->work = std::move(work);
  waiting->timer.expires_after(delay);
  waiting->timer.async_wait([waiting](const boost::system::error_code& error) {
    if (const Callback now = std::exchange(waiting->work, nullptr); now && !error) now();
  });
  return Timer(std::move(waiting));
}

}  // namespace wasmoor::loop
