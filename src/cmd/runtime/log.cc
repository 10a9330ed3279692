#include "cmd/runtime/log.h"

#include <fcntl.h>

#include <array>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "wasmoor/base/time.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

std::string_view LevelName(Level level) {
  constexpr std::array<std::string_view, 3> kNames = {"debug", "warning", "error"};
  return kNames[static_cast<size_t>(level)];
}

}  // namespace

std::string LogLine(Level level, std::string_view message, LogFormat format,
                    std::chrono::system_clock::time_point time) {
  const std::string when = Rfc3339(time, Precision::kSeconds);
  if (format == LogFormat::kJson)
    return JsonLine({{"level", LevelName(level)}, {"msg", message}, {"time", when}});
  // A JSON string is a quoted one of Go's, too.
  std::string quoted = JsonLine(message);
  quoted.pop_back();
  return fmt::format("time=\"{}\" level={} msg={}\n", when, LevelName(level), quoted);
}

void Log::SetFile(std::string path, LogFormat format) {
  path_ = std::move(path);
  format_ = format;
}

Status Log::Write(Level level, std::string_view message) {
  if (!has_file()) return {};
  if (!file_.valid()) {
    constexpr mode_t kReadable = 0644;
    constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    file_ = TRY_AS(os::OpenAt(os::Fd(AT_FDCWD), path_.c_str(), kFlags, kReadable), "--log");
  }
  const std::string line = LogLine(level, message, format_, std::chrono::system_clock::now());
  return os::WriteAll(file_, line);
}

}  // namespace wasmoor::cmd
