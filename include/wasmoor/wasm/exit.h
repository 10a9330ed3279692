#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wasmoor::wasm {

// Why a guest's code stopped by itself against its will. The first group is the core
// specification's traps (WebAssembly Core 4.4 "trap"); every engine maps its own to these.
enum class TrapCode : uint8_t {
  kOther,
  kUnreachable,
  kMemoryOutOfBounds,
  kTableOutOfBounds,
  kIndirectCallToNull,
  kBadSignature,
  kIntegerOverflow,
  kIntegerDivisionByZero,
  kBadConversionToInteger,
  kStackOverflow,
  kNullReference,
  kMisalignedAtomic,
  kUncaughtException,
  kHostFunction,  // A host function refused the call, for example for want of a binding.
};

std::string_view TrapName(TrapCode code);  // "unreachable", "stack_overflow" …

// One function on the guest's stack when it trapped, innermost first.
struct Frame {
  std::string function;  // Demangled if the module names it, else "<function N>"; never empty.
  uint32_t function_index = 0;
  uint64_t module_offset = 0;  // Bytes from the start of the .wasm file.
};

struct Trap {
  TrapCode code = TrapCode::kOther;
  std::string message;        // One line: what happened.
  std::vector<Frame> frames;  // Empty if the engine could not walk the stack.
  std::string backtrace;  // For people: several lines, with file:line where the module has DWARF.
};

// How a guest ended. A value: a guest that fails is not an Error of the host's.
struct Exit {
  enum class Kind : uint8_t {
    kExited,    // It returned (code 0), or asked to end with `code`.
    kTrapped,   // See `trap`.
    kTimedOut,  // Its deadline passed.
    kSignaled,  // It was stopped by `signal`, or raised it itself.
  };

  Kind kind = Kind::kExited;
  int32_t code = 0;
  int signal = 0;
  Trap trap;
  std::string results;  // What the invoked export returned, as text; empty for a command.

  bool ok() const { return kind == Kind::kExited && code == 0; }

  // The status a shell sees: the guest's own code (its low 8 bits), 134 for a trap (128 + SIGABRT,
  // as a native program that aborts), 124 for a timeout (as timeout(1)), 128 + n for a signal.
  int ShellStatus() const;
};

}  // namespace wasmoor::wasm
