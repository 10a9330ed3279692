#include "cmd/wasmoor/run_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "cmd/line/text.h"

namespace wasmoor::cmd {
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

std::string ErrorJson(std::string_view file, const Error& error) {
  return JsonLine({{"error", error.message()}, {"code", CodeName(error.code())}, {"file", file}});
}

std::string ListeningJson(std::string_view address) { return JsonLine({{"listening", address}}); }

std::string TrapText(std::string_view file, const wasm::Trap& trap) {
  std::string text =
      fmt::format("wasmoor: {}: trap: {}\n", Printable(file), Printable(trap.message));
  if (!trap.backtrace.empty()) {
    text += fmt::format("backtrace, innermost first:\n{}\n", BacktraceText(trap.backtrace));
  }
  return text;
}

std::string TrapJson(std::string_view file, const wasm::Trap& trap) {
  Json frames = Json::array();
  for (const wasm::Frame& frame : trap.frames) {
    frames.push_back({{"function", frame.function},
                      {"index", frame.function_index},
                      {"offset", frame.module_offset}});
  }
  return JsonLine({{"error", trap.message},
                   {"code", "trap"},
                   {"file", file},
                   {"trap", wasm::TrapName(trap.code)},
                   {"frames", std::move(frames)}});
}

}  // namespace wasmoor::cmd
