#include "cmd/wasmtimed/daemon_log.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/base/time.h"

namespace wasmoor::cmd {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted = JsonLine(Printable(text));
  quoted.pop_back();
  return quoted;
}

}  // namespace

void DaemonLog::Write(task::LogLevel level, std::string_view message, const node::Key* key) const {
  if (level > most_) return;
  constexpr std::array<std::string_view, 4> kNames = {"error", "warning", "info", "debug"};
  const std::string_view name = kNames[static_cast<size_t>(level)];
  const std::string when = Rfc3339(std::chrono::system_clock::now(), Precision::kNanoseconds);
  std::string line;
  if (format_ == LogFormat::kJson) {
    Json json = {{"time", when}, {"level", name}, {"msg", message}};
    if (key != nullptr) {
      json["ns"] = key->name_space;
      json["pod"] = key->id;
    }
    line = JsonLine(json);
  } else {
    line = fmt::format("time=\"{}\" level={} msg={}", when, name, Quoted(message));
    if (key != nullptr)
      line += fmt::format(" ns={} pod={}", Quoted(key->name_space), Quoted(key->id));
    line += '\n';
  }
  // There is nobody to tell if it fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace wasmoor::cmd
