#include "wasmoor/program/report.h"

#include <fmt/format.h>

#include "wasmoor/base/printable.h"

namespace wasmoor::program {
namespace {

// Every line of a backtrace is indented. One that is not is the rest of a name with a newline in
// it, which could pass for a line of ours.
std::string BacktraceText(std::string_view backtrace) {
  std::string text;
  while (!backtrace.empty()) {
    const size_t end = backtrace.find("\n");
    text += Printable(backtrace.substr(0, end), Lines::kMany);
    if (end == std::string_view::npos) break;
    backtrace.remove_prefix(end + 1);
    text += backtrace.empty() || backtrace.starts_with(' ') ? "\n" : Printable("\n");
  }
  return text;
}

}  // namespace

std::string TrapText(std::string_view file, const wasm::Trap& trap) {
  std::string text =
      fmt::format("wasmoor: {}: trap: {}\n", Printable(file), Printable(trap.message));
  if (!trap.backtrace.empty())
    text += fmt::format("backtrace, innermost first:\n{}\n", BacktraceText(trap.backtrace));
  return text;
}

}  // namespace wasmoor::program
