#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cmd {

enum class Level : uint8_t { kDebug, kWarning, kError };
enum class LogFormat : uint8_t { kText, kJson };

// One line, with its end, as logrus writes it, which the callers of runtimes read: a JSON object
// of level, msg and time, or `time="…" level=error msg="…"`.
std::string LogLine(Level level, std::string_view message, LogFormat format,
                    std::chrono::system_clock::time_point time);

// Where a caller of the runtime wants to read what went wrong. The file is made by the first line
// and only ever appended to; one line is one write(2), so that processes can share it.
class Log {
 public:
  void SetFile(std::string path, LogFormat format);
  bool has_file() const { return !path_.empty(); }
  // No effect without a file.
  Status Write(Level level, std::string_view message);

 private:
  std::string path_;
  LogFormat format_ = LogFormat::kText;
  os::Fd file_;
};

}  // namespace wasmoor::cmd
