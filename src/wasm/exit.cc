#include "wasmoor/wasm/exit.h"

namespace wasmoor::wasm {
namespace {

constexpr int kTrapStatus = 134;     // 128 + SIGABRT, as a shell shows for a program that aborted.
constexpr int kTimeoutStatus = 124;  // As timeout(1).
constexpr int kSignalBase = 128;

}  // namespace

std::string_view TrapName(TrapCode code) {
  switch (code) {
    case TrapCode::kOther: return "other";
    case TrapCode::kUnreachable: return "unreachable";
    case TrapCode::kMemoryOutOfBounds: return "memory_out_of_bounds";
    case TrapCode::kTableOutOfBounds: return "table_out_of_bounds";
    case TrapCode::kIndirectCallToNull: return "indirect_call_to_null";
    case TrapCode::kBadSignature: return "bad_signature";
    case TrapCode::kIntegerOverflow: return "integer_overflow";
    case TrapCode::kIntegerDivisionByZero: return "integer_division_by_zero";
    case TrapCode::kBadConversionToInteger: return "bad_conversion_to_integer";
    case TrapCode::kStackOverflow: return "stack_overflow";
    case TrapCode::kNullReference: return "null_reference";
    case TrapCode::kMisalignedAtomic: return "misaligned_atomic";
    case TrapCode::kUncaughtException: return "uncaught_exception";
    case TrapCode::kHostFunction: return "host_function";
  }
  return "other";
}

int Exit::ShellStatus() const {
  switch (kind) {
    case Kind::kExited: return code & 0xff;
    case Kind::kTrapped: return kTrapStatus;
    case Kind::kTimedOut: return kTimeoutStatus;
    case Kind::kSignaled: return kSignalBase + signal;
  }
  return kTrapStatus;
}

}  // namespace wasmoor::wasm
