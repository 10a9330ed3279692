#include "sandbox/exit_note.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <charconv>

#include "wasmoor/base/time.h"
#include "wasmoor/os/file.h"

namespace wasmoor::sandbox {
namespace {

constexpr const char* kNote = "exit";
constexpr size_t kMostText = 256;

}  // namespace

Status WriteExitNote(const std::string& bundle, pid_t pid, const Exit& exit) {
  const std::string text = fmt::format("{} {} {}\n", pid, exit.status, ToNanoseconds(exit.at));
  const os::Fd directory =
      TRY_AS(os::OpenAt(os::Fd(), bundle.c_str(), O_PATH | O_DIRECTORY), "note how {} ended", pid);
  const os::Fd file = TRY(
      os::OpenAt(directory, kNote, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  TRY_AS(os::WriteAll(file, text), "{}/{}", bundle, kNote);
  return {};
}

std::optional<Exit> ReadExitNote(const std::string& bundle) {
  const std::string path = bundle + "/" + kNote;
  const auto file = os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_NOFOLLOW);
  const auto bytes = file ? os::ReadAll(*file, kMostText) : tl::unexpected(file.error());
  if (!bytes) return std::nullopt;
  const char* at = reinterpret_cast<const char*>(bytes->data());
  const char* const end = at + bytes->size();
  std::array<int64_t, 3> numbers = {};
  for (int64_t& number : numbers) {
    const auto [rest, failed] = std::from_chars(at, end, number);
    // A number that nothing follows may have been cut.
    if (failed != std::errc() || rest == end) return std::nullopt;
    at = rest + 1;
  }
  return Exit{static_cast<uint32_t>(numbers[1]), FromNanoseconds(numbers[2])};
}

}  // namespace wasmoor::sandbox
