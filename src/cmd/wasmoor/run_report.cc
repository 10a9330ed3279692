#include "cmd/wasmoor/run_report.h"

#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"

namespace wasmoor::cmd {

std::string ErrorJson(std::string_view file, const Error& error) {
  return JsonLine({{"error", error.message()}, {"code", CodeName(error.code())}, {"file", file}});
}

std::string ListeningJson(std::string_view address) { return JsonLine({{"listening", address}}); }

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
