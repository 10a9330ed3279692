#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/pending.h"

namespace wasmoor::loop {

// Carries an os::Pending to its end from a loop. Destroying it ends what is under way, and nobody
// is told.
template <typename T>
class Pump {
 public:
  using Done = std::function<void(Result<T>)>;

  explicit Pump(Loop& loop) : loop_(loop) {}
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // `done` may be called before this returns, and may destroy the pump.
  void Run(std::unique_ptr<os::Pending<T>> pending, Done done) {
    pending_ = std::move(pending);
    done_ = std::move(done);
    Step();
  }

  bool busy() const { return pending_ != nullptr; }

 private:
  void Step() {
    // Before the descriptor may be closed.
    source_ = Source();
    Result<std::optional<T>> result = pending_->Advance();
    if (result && !*result) {
      auto source = loop_.Watch(pending_->waits_for());
      if (!source) return Finish(tl::unexpected(std::move(source).error()));
      source_ = std::move(*source);
      source_.OnReadable([this] { Step(); });
      return;
    }
    Finish(result ? Result<T>(**std::move(result)) : tl::unexpected(std::move(result).error()));
  }

  void Finish(Result<T> result) {
    pending_.reset();
    const Done done = std::exchange(done_, nullptr);
    done(std::move(result));
  }

  Loop& loop_;
  std::unique_ptr<os::Pending<T>> pending_;
  Source source_;  // Destroyed before what it watches.
  Done done_;
};

}  // namespace wasmoor::loop
