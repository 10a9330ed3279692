#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::os {

// Waits until `descriptor` can be read, or is at its end (poll(2)).
Status WaitReadable(const Fd& descriptor);

// Something under way that has to wait for another process again and again. Whoever has time calls
// Wait; whoever has a loop waits until `waits_for` can be read, and then calls Advance. Destroying
// it before its end undoes what it has done so far. One thread.
template <typename T>
class Pending {
 public:
  virtual ~Pending() = default;

  // Valid after an Advance without result, until the next.
  virtual const Fd& waits_for() const = 0;

  // Goes on as far as it can: the result, or none if it has to wait. To be called once at first;
  // and not again after a result or an error.
  virtual Result<std::optional<T>> Advance() = 0;

  Result<T> Wait() {
    for (;;) {
      std::optional<T> result = TRY(Advance());
      if (result) return *std::move(result);
      TRY(WaitReadable(waits_for()));
    }
  }
};

// What is there already.
template <typename T>
class Ready : public Pending<T> {
 public:
  explicit Ready(T value) : value_(std::move(value)) {}
  const Fd& waits_for() const override { return none_; }
  Result<std::optional<T>> Advance() override { return std::optional<T>(std::move(value_)); }

 private:
  T value_;
  Fd none_;
};

}  // namespace wasmoor::os
