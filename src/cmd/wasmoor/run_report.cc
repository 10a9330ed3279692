#include "cmd/wasmoor/run_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cmd/wasmoor/json_text.h"
#include "cmd/wasmoor/text.h"

namespace wasmoor::cmd {

std::string ErrorJson(std::string_view file, const Error& error) {
  return JsonLine({{"error", error.message()}, {"code", CodeName(error.code())}, {"file", file}});
}

std::string ListeningJson(std::string_view address) { return JsonLine({{"listening", address}}); }

std::string TrapText(std::string_view file, const wasm::Trap& trap) {
  std::string text = fmt::format("wasmoor: {}: trap: {}\n", Printable(file), Printable(trap.message));
  if (!trap.backtrace.empty()) {
    text += fmt::format("backtrace, innermost first:\n{}\n",
                        Printable(trap.backtrace, Lines::kMany));
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
