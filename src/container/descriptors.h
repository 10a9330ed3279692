#pragma once

#include <vector>

#include "wasmoor/os/fd.h"

namespace wasmoor::container {

// The descriptors that an engine opens and keeps to itself: the file that a module's memory is
// mapped from, for one, which a process that runs the module must have. Seen as what is open
// afterwards and was not before.
class EngineDescriptors {
 public:
  EngineDescriptors();  // What is open now is not the engine's.
  ~EngineDescriptors();
  EngineDescriptors(EngineDescriptors&&) = default;
  EngineDescriptors& operator=(EngineDescriptors&&) = delete;

  // What has been opened since and is still open is the engine's.
  void Find();

  // Borrowed of the engine.
  const std::vector<os::Fd>& found() const { return found_; }

 private:
  std::vector<int> before_;  // Sorted.
  std::vector<os::Fd> found_;
};

}  // namespace wasmoor::container
