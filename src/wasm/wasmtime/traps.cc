#include "wasm/wasmtime/traps.h"

#include <array>

namespace wasmoor::wasm::wasmtime {
namespace {

// wasm.h and wasmtime/trap.h name the numbers; what has no counterpart is kOther.
TrapCode CodeFrom(wasmtime_trap_code_t code) {
  switch (code) {
    case WASMTIME_TRAP_CODE_STACK_OVERFLOW: return TrapCode::kStackOverflow;
    case WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS: return TrapCode::kMemoryOutOfBounds;
    case WASMTIME_TRAP_CODE_HEAP_MISALIGNED: return TrapCode::kMisalignedAtomic;
    case WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS: return TrapCode::kTableOutOfBounds;
    case WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL: return TrapCode::kIndirectCallToNull;
    case WASMTIME_TRAP_CODE_BAD_SIGNATURE: return TrapCode::kBadSignature;
    case WASMTIME_TRAP_CODE_INTEGER_OVERFLOW: return TrapCode::kIntegerOverflow;
    case WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO: return TrapCode::kIntegerDivisionByZero;
    case WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER: return TrapCode::kBadConversionToInteger;
    case WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED: return TrapCode::kUnreachable;
    case WASMTIME_TRAP_CODE_NULL_REFERENCE: return TrapCode::kNullReference;
    case WASMTIME_TRAP_CODE_UNCAUGHT_EXCEPTION: return TrapCode::kUncaughtException;
    default: return TrapCode::kOther;
  }
}

// What the engine says of an exception that left the guest; it is no trap to it.
constexpr std::string_view kThrown = "thrown Wasm exception";

// Names the engine's messages carry where no code does (components).
TrapCode CodeFromText(std::string_view text) {
  struct Known {
    std::string_view part;
    TrapCode code;
  };
  static constexpr std::array kKnown = {
      Known{"`unreachable` instruction", TrapCode::kUnreachable},
      Known{"call stack exhausted", TrapCode::kStackOverflow},
      Known{"out of bounds memory access", TrapCode::kMemoryOutOfBounds},
      Known{"integer divide by zero", TrapCode::kIntegerDivisionByZero},
      Known{"integer overflow", TrapCode::kIntegerOverflow},
      Known{"uncaught exception", TrapCode::kUncaughtException},
      Known{kThrown, TrapCode::kUncaughtException},
  };
  for (const Known& known : kKnown) {
    if (text.find(known.part) != std::string_view::npos) return known.code;
  }
  return TrapCode::kOther;
}

// A frame reads "module!function"; of a module without a name only the function is worth reading.
std::string WithoutNamelessModules(std::string_view frames) {
  constexpr std::string_view kNameless = "<unknown>!";
  std::string text(frames);
  for (size_t at = text.find(kNameless); at != std::string::npos; at = text.find(kNameless, at))
    text.erase(at, kNameless.size());
  return text;
}

// The engine's text of a trap is
//   error while executing at wasm backtrace:
//       0: 0x38 - module!function
//   [a paragraph about debug settings]
//
//   Caused by:
//       wasm trap: wasm `unreachable` instruction executed
// The frames become the backtrace, the cause the message. A text of another shape is all message.
void SplitText(std::string_view text, Trap* trap) {
  constexpr std::string_view kHead = "error while executing at wasm backtrace:\n";
  constexpr std::string_view kCause = "\n\nCaused by:\n";
  constexpr std::string_view kPrefix = "wasm trap: ";
  std::string_view message = text;
  const size_t cause = text.find(kCause);
  if (const size_t head = text.find(kHead);
      head != std::string_view::npos && cause != std::string_view::npos && head < cause) {
    const size_t frames = head + kHead.size();
    trap->backtrace = WithoutNamelessModules(text.substr(frames, cause - frames));
    message = text.substr(cause + kCause.size());
  }
  trap->message = OneLine(message);
  if (trap->message.starts_with(kPrefix)) trap->message.erase(0, kPrefix.size());
  if (trap->message == kThrown) trap->message = "an exception that nothing catches was thrown";
}

void AddFrames(const wasm_frame_vec_t& frames, Trap* trap) {
  for (size_t i = 0; i < frames.size; ++i) {
    const wasm_frame_t* from = frames.data[i];
    Frame frame;
    frame.function = NameView(wasmtime_frame_func_name(from));
    frame.function_index = wasm_frame_func_index(from);
    frame.module_offset = wasm_frame_module_offset(from);
    if (frame.function.empty()) frame.function = fmt::format("<function {}>", frame.function_index);
    trap->frames.push_back(std::move(frame));
  }
}

}  // namespace

Trap TrapFrom(const wasm_trap_t& from) {
  Trap trap;
  ByteVector message;
  wasm_trap_message(&from, message.get());
  const std::string_view text = NameView(message.get());
  wasmtime_trap_code_t code = 0;
  trap.code = wasmtime_trap_code(&from, &code) ? CodeFrom(code) : CodeFromText(text);
  SplitText(text, &trap);
  wasm_frame_vec_t frames;
  wasm_trap_trace(&from, &frames);
  AddFrames(frames, &trap);
  wasm_frame_vec_delete(&frames);
  return trap;
}

Trap TrapFrom(const wasmtime_error_t& from) {
  Trap trap;
  const std::string text = ErrorText(from);
  trap.code = CodeFromText(text);
  SplitText(text, &trap);
  wasm_frame_vec_t frames;
  wasmtime_error_wasm_trace(&from, &frames);
  AddFrames(frames, &trap);
  wasm_frame_vec_delete(&frames);
  return trap;
}

bool HasFrames(const wasmtime_error_t& error) {
  wasm_frame_vec_t frames;
  wasmtime_error_wasm_trace(&error, &frames);
  const bool any = frames.size > 0;
  wasm_frame_vec_delete(&frames);
  return any;
}

}  // namespace wasmoor::wasm::wasmtime
