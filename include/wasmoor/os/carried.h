#pragma once

#include <vector>

#include "wasmoor/os/fd.h"

namespace wasmoor::os {

// Descriptors that are to stay open when this process executes another program in its place
// (execve(2)), which finds them by their numbers. Any thread, one at a time.
class Carried {
 public:
  Carried() = default;
  Carried(const Carried&) = delete;
  Carried& operator=(const Carried&) = delete;
  // There is no other program: they are closed by the next one again (FD_CLOEXEC).
  ~Carried();

  // The number of a descriptor that stays; 0 if it is none. It stays the caller's, who must not
  // close it before this is destroyed.
  int Keep(const Fd& file);

 private:
  std::vector<int> numbers_;
};

// What the program before has kept as that number, close-on-exec from now on; none if there is no
// such descriptor, or it is one of the three standard ones. Once for each.
Fd TakeCarried(int number);

}  // namespace wasmoor::os
