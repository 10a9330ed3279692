#include "cgroup/control_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <span>

#include "wasmoor/cgroup/stats.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {
namespace {

// No limit of v1 is the largest number of pages a signed 64-bit count of bytes has room for; pages
// have 64 KiB at most where wasmoor runs.
constexpr uint64_t kLargestOfV1 = 0x7fff'ffff'ffff'0000;

}  // namespace

Result<os::Fd> OpenGroup(const std::string& path) {
  return os::OpenAt(os::Fd(), path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

Result<os::Fd> MakeGroup(const std::string& path) {
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return FailErrno(errno, "make control group {}", path);
  return OpenGroup(path);
}

std::vector<std::string> GroupsIn(const std::string& path) {
  std::vector<std::string> groups;
  DIR* const directory = ::opendir(path.c_str());
  if (directory == nullptr) return groups;
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
      groups.push_back(path + "/" + entry->d_name);
  }
  ::closedir(directory);
  return groups;
}

void RemoveEmpty(const std::string& path) {
  for (const std::string& nested : GroupsIn(path)) RemoveEmpty(nested);
  ::rmdir(path.c_str());
}

Status WriteControl(const os::Fd& group, const std::string& file, std::string_view value) {
  // Not by os::OpenAt, whose error says "open", where the operator cares what was to be written.
  os::Fd control(openat(group.get(), file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!control.valid()) return FailErrno(errno, "write '{}' to {}", value, file);
  ssize_t put;
  do {
    put = write(control.get(), value.data(), value.size());
  } while (put < 0 && errno == EINTR);
  if (put < 0) return FailErrno(errno, "write '{}' to {}", value, file);
  return {};
}

Result<std::string> ReadControl(const os::Fd& group, const std::string& file) {
  os::Fd control(openat(group.get(), file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!control.valid()) return FailErrno(errno, "read {}", file);
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(control.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FailErrno(errno, "read {}", file);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

bool HasControl(const os::Fd& group, const std::string& file) {
  return faccessat(group.get(), file.c_str(), F_OK, 0) == 0;
}

Result<uint64_t> ReadNumber(const os::Fd& group, const std::string& file) {
  return ToNumber(TRY(ReadControl(group, file)));
}

uint64_t ReadNumberOr(const os::Fd& group, const std::string& file, uint64_t otherwise) {
  return ReadNumber(group, file).value_or(otherwise);
}

std::string ReadControlOrNothing(const os::Fd& group, const std::string& file) {
  return ReadControl(group, file).value_or(std::string());
}

uint64_t ToNumber(std::string_view text) {
  if (text.starts_with("max") || text.starts_with("-1")) return kUnlimited;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return kUnlimited;
  if (error != std::errc()) return 0;
  return number >= kLargestOfV1 ? kUnlimited : number;
}

std::string_view TakeUntil(std::string_view* text, char separator) {
  const size_t end = text->find(separator);
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return part;
}

uint64_t NumberOf(std::string_view text, std::string_view key) {
  uint64_t number = 0;
  EachLine(text, [&](std::string_view name, std::string_view value) {
    if (name == key) number = ToNumber(value);
  });
  return number;
}

}  // namespace wasmoor::cgroup
