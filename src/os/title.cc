#include "wasmoor/os/title.h"

#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace wasmoor::os {
namespace {

// Where the kernel has laid a process's words and behind them its environment, each string with a
// NUL at its end, and behind them the name of the executable (execve(2); /proc shows these bytes).
struct StartArea {
  char* words = nullptr;
  char* environment = nullptr;
  char* end = nullptr;
};

// Empty if it is not as said, because somebody has put other pointers there.
StartArea FindStartArea() {
  StartArea area = {.words = program_invocation_name,
                    .end = reinterpret_cast<char*>(getauxval(AT_EXECFN))};
  constexpr ptrdiff_t kMost = 8 << 20;  // Beyond every ARG_MAX there is.
  const auto in_order = [](const char* a, const char* b) { return a < b && b - a < kMost; };
  if (!in_order(area.words, area.end)) return {};
  area.environment = environ != nullptr && *environ != nullptr ? *environ : area.end;
  if (!in_order(area.words, area.environment) || area.environment > area.end) return {};
  return area;
}

}  // namespace

void ShowAs(std::span<const std::string> words) {
  if (words.empty()) return;
  const StartArea area = FindStartArea();
  environ = nullptr;
  std::string line;
  for (const std::string& word : words) (line += word) += '\0';
  if (area.words != nullptr) {
    // The last byte stays NUL: another makes the kernel read on, for titles with blanks.
    const auto room = static_cast<size_t>(area.environment - area.words) - 1;
    std::memset(area.words, 0, static_cast<size_t>(area.end - area.words));
    std::memcpy(area.words, line.data(), std::min(room, line.size()));
  }
  const std::string& name = words.front();
  const size_t slash = name.find_last_of('/');
  ::prctl(PR_SET_NAME, name.c_str() + (slash == std::string::npos ? 0 : slash + 1), 0, 0, 0);
}

}  // namespace wasmoor::os
