#include <fcntl.h>

#include <charconv>

#include "jail/store.h"
#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

constexpr size_t kMostStat = 4096;

struct Stat {
  char state = 0;
  uint64_t start_time = 0;
};

// proc_pid_stat(5): the name of the program stands in parentheses and may hold anything, so that
// the fields are counted from the last one: state is the 3rd, the start time the 22nd.
Result<Stat> ReadStat(pid_t pid) {
  const std::string path = fmt::format("/proc/{}/stat", pid);
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY));
  const auto bytes = TRY_AS(os::ReadAll(file, kMostStat), "{}", path);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t end = text.rfind(')');
  Stat stat;
  if (end != std::string_view::npos && end + 2 < text.size()) {
    text.remove_prefix(end + 2);
    stat.state = text[0];
    constexpr int kFieldsBetween = 19;
    for (int i = 0; i < kFieldsBetween; ++i)
      text.remove_prefix(std::min(text.find(' '), text.size() - 1) + 1);
    std::from_chars(text.data(), text.data() + text.size(), stat.start_time);
  }
  if (stat.start_time == 0) return Fail(Code::kDataLoss, "{}: cannot be understood", path);
  return stat;
}

}  // namespace

Result<ProcessId> ProcessId::Of(pid_t pid) { return ProcessId{pid, TRY(ReadStat(pid)).start_time}; }

bool ProcessId::Alive() const {
  if (pid == 0) return false;
  const auto stat = ReadStat(pid);
  return stat && stat->start_time == start_time && stat->state != 'Z' && stat->state != 'X';
}

}  // namespace wasmoor::jail
