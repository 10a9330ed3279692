#include "wasmoor/os/fd.h"

#include <unistd.h>

namespace wasmoor::os {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Close();
    descriptor_ = other.Release();
  }
  return *this;
}

// An error of close(2) has no remedy: on Linux the descriptor is gone whatever it says.
void Fd::Close() {
  if (descriptor_ >= 0) ::close(Release());
}

}  // namespace wasmoor::os
