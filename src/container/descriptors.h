#pragma once

#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::container {

// The descriptors that an engine opens and keeps to itself: the file that a module's memory is
// mapped from, for one, which a process that runs the module must have. Seen as what is open after
// a call and was not before it; nothing else may be opened or closed meanwhile. One thread.
class EngineDescriptors {
 public:
  EngineDescriptors() = default;
  ~EngineDescriptors();
  EngineDescriptors(EngineDescriptors&&) = default;
  EngineDescriptors& operator=(EngineDescriptors&&) = delete;

  // What is open now is not the engine's …
  void Look();
  // … and what has been opened since and is still open, is. kResourceExhausted: more than a module
  // can need.
  Status Find();

  // Borrowed of the engine.
  const std::vector<os::Fd>& found() const { return found_; }

 private:
  std::vector<bool> before_;  // By number.
  std::vector<os::Fd> found_;
};

}  // namespace wasmoor::container
