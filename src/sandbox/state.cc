#include "wasmoor/sandbox/sandbox.h"

namespace wasmoor::sandbox {

std::string_view StateName(State state) {
  switch (state) {
    case State::kCreated: return "created";
    case State::kRunning: return "running";
    case State::kPaused: return "paused";
    case State::kStopped: return "stopped";
  }
  return "unknown";
}

}  // namespace wasmoor::sandbox
