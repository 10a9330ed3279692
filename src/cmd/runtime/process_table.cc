#include "cmd/runtime/process_table.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace wasmoor::cmd {
namespace {

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos) return fields;
    line.remove_prefix(begin);
    fields.push_back(line.substr(0, line.find(' ')));
    line.remove_prefix(fields.back().size());
  }
}

bool IsOneOf(std::string_view field, std::span<const pid_t> pids) {
  pid_t pid = 0;
  std::from_chars(field.data(), field.data() + field.size(), pid);
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

}  // namespace

Result<std::string> LinesOfProcesses(std::string_view output, std::span<const pid_t> pids) {
  std::string lines;
  std::optional<size_t> column;
  while (!output.empty()) {
    const std::string_view line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(line.size() + 1, output.size()));
    const std::vector<std::string_view> fields = Fields(line);
    if (!column) {
      const auto it = std::find(fields.begin(), fields.end(), "PID");
      if (it == fields.end())
        return Fail(Code::kInvalidArgument,
                    "ps: there is no column PID in what these options print: '{}'", line);
      column = static_cast<size_t>(it - fields.begin());
    } else if (fields.size() <= *column || !IsOneOf(fields[*column], pids)) {
      continue;
    }
    lines += line;
    lines += '\n';
  }
  return lines;
}

std::string PidsJson(std::span<const pid_t> pids) {
  std::string text = "[";
  for (pid_t pid : pids) text += fmt::format("{}{}", text.size() > 1 ? "," : "", pid);
  return text + "]\n";
}

}  // namespace wasmoor::cmd
