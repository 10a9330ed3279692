#include "wasm/wasmtime/handles.h"

#include <cctype>

namespace wasmoor::wasm::wasmtime {

std::string ErrorText(const wasmtime_error_t& error) {
  ByteVector message;
  wasmtime_error_message(&error, message.get());
  return std::string(message.text());
}

// The engine prints an error and its causes as
//   outermost
//
//   Caused by:
//       0: next
//       1: innermost
std::string OneLine(std::string_view engine_text) {
  std::string line;
  while (!engine_text.empty()) {
    const size_t end = engine_text.find('\n');
    std::string_view part = engine_text.substr(0, end);
    engine_text = end == std::string_view::npos ? "" : engine_text.substr(end + 1);
    while (!part.empty() && std::isspace(static_cast<unsigned char>(part.front())))
      part.remove_prefix(1);
    if (part.empty() || part == "Caused by:") continue;
    const size_t colon = part.find(": ");
    const bool numbered =
        colon != std::string_view::npos && colon > 0 &&
        part.substr(0, colon).find_first_not_of("0123456789") == std::string::npos;
    if (numbered) part.remove_prefix(colon + 2);
    if (!line.empty()) line += ": ";
    line += part;
  }
  return line;
}

Status ToStatus(wasmtime_error_t* error, Code code) {
  if (error == nullptr) return {};
  const ErrorHandle owned(error);
  return tl::unexpected(Error(code, OneLine(ErrorText(*owned))));
}

}  // namespace wasmoor::wasm::wasmtime
