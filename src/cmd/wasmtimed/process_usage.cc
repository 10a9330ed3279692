#include "cmd/wasmtimed/process_usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string>
#include <string_view>

#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

constexpr uint64_t kMostText = 4096;

// The numbers of /proc/PID/stat that stand behind the program's name, which may hold anything but
// is in parentheses. The first is field 3 of proc(5).
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text.substr(text.rfind(')') + 1)) {}

  uint64_t Number(int field) {
    uint64_t value = 0;
    std::string_view word;
    for (; at_ <= field; ++at_) {
      rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
      word = rest_.substr(0, rest_.find(' '));
      rest_.remove_prefix(word.size());
    }
    std::from_chars(word.data(), word.data() + word.size(), value);
    return value;
  }

 private:
  std::string_view rest_;
  int at_ = 3;
};

// The size of the directory is their number, from Linux 6.2 on; before it is 0.
Result<uint64_t> CountDescriptors(const std::string& process) {
  const std::string path = process + "/fd";
  const os::Fd directory =
      TRY(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const struct stat status = TRY(os::Stat(directory));
  if (status.st_size > 0) return static_cast<uint64_t>(status.st_size);
  return TRY(os::ReadNames(directory)).size();
}

}  // namespace

ProcessUsage& ProcessUsage::operator+=(const ProcessUsage& other) {
  cpu_seconds += other.cpu_seconds;
  resident_bytes += other.resident_bytes;
  threads += other.threads;
  descriptors += other.descriptors;
  return *this;
}

Result<ProcessUsage> ReadProcessUsage(pid_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  const std::string path = process + "/stat";
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto bytes = TRY_AS(os::ReadAll(file, kMostText), "{}", path);
  constexpr int kUserTime = 14, kSystemTime = 15, kThreads = 20, kResidentPages = 24;
  Fields fields({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  ProcessUsage usage;
  const uint64_t user = fields.Number(kUserTime), system = fields.Number(kSystemTime);
  usage.cpu_seconds =
      static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  usage.threads = fields.Number(kThreads);
  usage.resident_bytes =
      fields.Number(kResidentPages) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  usage.descriptors = TRY(CountDescriptors(process));
  return usage;
}

ProcessUsage ReadProcessUsage(std::span<const pid_t> pids) {
  ProcessUsage sum;
  for (const pid_t pid : pids) {
    if (const auto usage = ReadProcessUsage(pid)) sum += *usage;
  }
  return sum;
}

}  // namespace wasmoor::cmd
