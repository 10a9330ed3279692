#include "sandbox/stdio/pump.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace wasmoor::sandbox {
namespace {

// A terminal hands on at most a page at a time.
constexpr size_t kBufferBytes = 8 << 10;
// How often it does so before others have their turn.
constexpr int kTurns = 32;
constexpr std::chrono::seconds kRetry{1};

}  // namespace

Pump::Pump(loop::Loop& loop, From from, To to, Listener listener, std::string_view unwritten)
    : loop_(loop),
      from_(from),
      to_(to),
      listener_(std::move(listener)),
      buffer_(unwritten.begin(), unwritten.end()),
      last_(unwritten.size()) {}

Pump::~Pump() { Stop(); }

void Pump::Stop() {
  if (stopped_) return;
  retry_ = loop::Timer();
  Watch(false, false);
  stopped_ = true;
}

void Pump::Run() {
  if (stopped_) return;
  retry_ = loop::Timer();
  dry_ = ended_ = false;
  for (int turn = 0; turn < kTurns; ++turn) {
    const Step drained = Drain();
    if (drained != Step::kMoved) return Sleep(drained);
    const Step filled = Fill();
    if (filled == Step::kMoved) continue;
    dry_ = true;
    ended_ = filled == Step::kEnded;
    // There may be many that wait.
    buffer_ = {};
    Watch(!ended_, false);
    if (listener_.on_idle) listener_.on_idle();
    return;
  }
  Watch(true, false);
}

Pump::Step Pump::Fill() {
  buffer_.resize(kBufferBytes);
  for (;;) {
    const ssize_t got = ::read(from_.file.get(), buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return Step::kWaits;
    // EIO: nobody has the other side of the terminal open (pty(7)).
    if (got <= 0) return Step::kEnded;
    first_ = 0;
    last_ = static_cast<size_t>(got);
    return Step::kMoved;
  }
}

// kEnded: it cannot be written now, and nothing tells when it can be.
Pump::Step Pump::Drain() {
  while (first_ < last_) {
    const size_t left = last_ - first_;
    const ssize_t put = to_.file == nullptr
                            ? static_cast<ssize_t>(left)
                            : ::write(to_.file->get(), buffer_.data() + first_, left);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return Step::kWaits;
    if (put < 0) {
      if (listener_.on_error) listener_.on_error(errno);
      if (to_.source == nullptr) return Step::kEnded;
      first_ = last_;
      break;
    }
    first_ += static_cast<size_t>(put);
    moved_ += static_cast<uint64_t>(put);
  }
  return Step::kMoved;
}

void Pump::Sleep(Step met) {
  Watch(false, met == Step::kWaits);
  if (met == Step::kEnded) retry_ = loop_.After(kRetry, [this] { Run(); });
}

void Pump::Watch(bool reading, bool writing) {
  from_.source.OnReadable(reading ? loop::Callback([this] { Run(); }) : nullptr);
  if (to_.source != nullptr)
    to_.source->OnWritable(writing ? loop::Callback([this] { Run(); }) : nullptr);
}

}  // namespace wasmoor::sandbox
