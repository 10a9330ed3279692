#include "function/body.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

namespace wasmoor::function {
namespace {

constexpr size_t kLongestLine = 8 << 10;

size_t TotalOf(const iovec* buffers, int count) {
  size_t total = 0;
  for (const iovec& one : std::span(buffers, static_cast<size_t>(count))) total += one.iov_len;
  return total;
}

// At most `most` bytes of the guest's buffers.
size_t Append(const iovec* buffers, int count, size_t most, std::string* to) {
  size_t appended = 0;
  for (const iovec& one : std::span(buffers, static_cast<size_t>(count))) {
    const size_t size = std::min(one.iov_len, most - appended);
    to->append(static_cast<const char*>(one.iov_base), size);
    appended += size;
  }
  return appended;
}

int64_t FailWith(int error) {
  errno = error;
  return -1;
}

}  // namespace

// ---- Bell

const os::Fd* Bell::Get() {
  if (!event_.valid()) {
    event_ = os::Fd(::eventfd(rings_ ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event_.valid()) return nullptr;
  }
  return &event_;
}

void Bell::Ring() {
  if (rings_) return;
  rings_ = true;
  const uint64_t one = 1;
  if (event_.valid()) static_cast<void>(::write(event_.get(), &one, sizeof one) > 0);
}

void Bell::Quiet() {
  if (!rings_) return;
  rings_ = false;
  uint64_t count = 0;
  if (event_.valid()) static_cast<void>(::read(event_.get(), &count, sizeof count) > 0);
}

// ---- BodyIn

bool BodyIn::Put(std::string_view part) {
  const std::lock_guard lock(mutex_);
  // What was read stands before what is there only as long as there is little of it.
  if (at_ > kMostAhead) {
    data_.erase(0, at_);
    at_ = 0;
  }
  data_ += part;
  bell_.Ring();
  const bool more = data_.size() - at_ < kMostAhead;
  wanted_ = more;
  return more;
}

void BodyIn::End() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  bell_.Ring();
}

void BodyIn::Break() {
  const std::lock_guard lock(mutex_);
  broken_ = true;
  bell_.Ring();
}

BodyIn::Part BodyIn::TakeAll() {
  const std::lock_guard lock(mutex_);
  Part part{.bytes = std::move(data_), .ended = ended_, .broken = broken_};
  part.bytes.erase(0, at_);
  data_.clear();
  at_ = 0;
  return part;
}

int64_t BodyIn::Read(const iovec* buffers, int count) {
  bool tell = false;
  int64_t read = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const iovec& one : std::span(buffers, static_cast<size_t>(count))) {
      const size_t size = std::min(one.iov_len, data_.size() - at_);
      if (size > 0) std::memcpy(one.iov_base, data_.data() + at_, size);
      at_ += size;
      read += static_cast<int64_t>(size);
    }
    const bool is_empty = at_ == data_.size();
    if (is_empty) {
      data_.clear();
      at_ = 0;
      if (!ended_ && !broken_) bell_.Quiet();
    }
    tell = is_empty && !ended_ && !broken_ && !std::exchange(wanted_, true);
    if (read == 0 && !ended_ && TotalOf(buffers, count) > 0)
      read = FailWith(broken_ ? ECONNRESET : EAGAIN);
  }
  const int error = errno;
  if (tell) want_();
  errno = error;
  return read;
}

int64_t BodyIn::Write(const iovec*, int) { return FailWith(EBADF); }

const os::Fd* BodyIn::WaitsFor() {
  const std::lock_guard lock(mutex_);
  if (at_ < data_.size() || ended_ || broken_) return nullptr;
  const os::Fd* const bell = bell_.Get();
  broken_ = bell == nullptr;  // There is nothing to wait with.
  return bell;
}

// ---- BodyOut

void BodyOut::PassOn() {
  bool tell = false;
  {
    const std::lock_guard lock(mutex_);
    streams_ = true;
    tell = !data_.empty() && !std::exchange(told_, true);
  }
  if (tell) there_is_();
}

void BodyOut::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  data_.clear();
  bell_.Ring();
}

std::string BodyOut::Take() {
  const std::lock_guard lock(mutex_);
  told_ = false;
  if (std::exchange(held_back_, false)) bell_.Ring();
  return std::exchange(data_, {});
}

BodyOut::State BodyOut::state() {
  const std::lock_guard lock(mutex_);
  return data_.empty() ? state_ : State::kOpen;
}

bool BodyOut::HasRoom() {
  const std::lock_guard lock(mutex_);
  return closed_ || data_.size() < kMostAhead;
}

void BodyOut::Put(std::string_view part) {
  bool tell = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    data_ += part;
    tell = streams_ && !std::exchange(told_, true);
  }
  if (tell) there_is_();
}

void BodyOut::End(State how) {
  {
    const std::lock_guard lock(mutex_);
    state_ = how;
    if (std::exchange(told_, true)) return;
  }
  there_is_();
}

int64_t BodyOut::Read(const iovec*, int) { return FailWith(EBADF); }

int64_t BodyOut::Write(const iovec* buffers, int count) {
  bool tell = false;
  int64_t written = 0;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return FailWith(EPIPE);
    const size_t total = TotalOf(buffers, count);
    const size_t room = kMostAhead - std::min(data_.size(), kMostAhead);
    if (room == 0 && total > 0) {
      held_back_ = true;
      bell_.Quiet();
      written = FailWith(EAGAIN);
    } else {
      written = static_cast<int64_t>(Append(buffers, count, room, &data_));
    }
    tell = (streams_ || held_back_) && !data_.empty() && !std::exchange(told_, true);
  }
  const int error = errno;
  if (tell) there_is_();
  errno = error;
  return written;
}

const os::Fd* BodyOut::WaitsFor() {
  const std::lock_guard lock(mutex_);
  if (closed_ || data_.size() < kMostAhead) return nullptr;
  const os::Fd* const bell = bell_.Get();
  closed_ = bell == nullptr;  // There is nothing to wait with.
  return bell;
}

// ---- ErrorText

ErrorText::~ErrorText() {
  if (!line_.empty()) Log(line_ + "\n");
}

// One guest's words do not fill the log, nor keep others' out of it.
void ErrorText::Log(std::string_view lines) {
  if (logged_ > kMostLogged) return;
  logged_ += lines.size();
  log_(lines);
  if (logged_ > kMostLogged) log_("(more is left out)\n");
}

int64_t ErrorText::Read(const iovec*, int) { return FailWith(EBADF); }

int64_t ErrorText::Write(const iovec* buffers, int count) {
  const size_t total = TotalOf(buffers, count);
  const size_t size = Append(buffers, count, std::min(total, kLongestLine), &line_);
  const size_t end = line_.rfind('\n');
  if (end != line_.npos || line_.size() >= kLongestLine) {
    const size_t whole = end == line_.npos ? line_.size() : end + 1;
    std::string_view lines(line_.data(), whole);
    Log(lines);
    last_ += lines.substr(lines.size() - std::min(lines.size(), kMost));
    if (last_.size() > kMost) last_.erase(0, last_.size() - kMost);
    line_.erase(0, whole);
  }
  return static_cast<int64_t>(size);
}

}  // namespace wasmoor::function
