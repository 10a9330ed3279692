#include "wasmoor/os/carried.h"

#include <fcntl.h>
#include <unistd.h>

namespace wasmoor::os {

Carried::~Carried() {
  for (const int number : numbers_) ::fcntl(number, F_SETFD, FD_CLOEXEC);
}

int Carried::Keep(const Fd& file) {
  if (!file.valid() || ::fcntl(file.get(), F_SETFD, 0) != 0) return 0;
  numbers_.push_back(file.get());
  return file.get();
}

Fd TakeCarried(int number) {
  if (number <= STDERR_FILENO || ::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) return Fd();
  return Fd(number);
}

}  // namespace wasmoor::os
