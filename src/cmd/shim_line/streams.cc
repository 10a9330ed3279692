#include "cmd/shim_line/streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

constexpr uint64_t kMostInput = 10 << 20;  // As containerd's own shim has it.

Result<os::Fd> Copy(int stream) {
  os::Fd copy(::fcntl(stream, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return FailErrno(errno, "standard stream {}", stream);
  return copy;
}

}  // namespace

Result<std::vector<uint8_t>> ReadStandardInput() {
  if (::isatty(STDIN_FILENO)) return std::vector<uint8_t>();
  return os::ReadAll(TRY(Copy(STDIN_FILENO)), kMostInput);
}

Status WriteStandardOutput(std::string_view bytes) {
  return os::WriteAll(TRY(Copy(STDOUT_FILENO)), bytes);
}

}  // namespace wasmoor::cmd
