#pragma once

#include <utility>

namespace wasmoor::os {

// Sole owner of a file descriptor; closes it when destroyed. `const Fd&` borrows, `Fd` owns; a
// descriptor never crosses a function as an int. Movable, not copyable; not thread-safe.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int descriptor) : descriptor_(descriptor) {}  // Takes ownership; -1 is "none".
  Fd(Fd&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }

  bool valid() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }  // For the system call itself. Still owned by this.
  [[nodiscard]] int Release() { return std::exchange(descriptor_, -1); }  // The caller owns it now.
  void Close();

 private:
  int descriptor_ = -1;
};

}  // namespace wasmoor::os
