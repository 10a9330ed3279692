#include "cmd/runtime/document.h"

#include <fcntl.h>
#include <unistd.h>

#include "wasmoor/oci/spec.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cmd {

Result<std::string> ReadDocument(const std::string& path) {
  os::Fd file;
  if (path == "-") {
    file = os::Fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  } else {
    file = TRY(os::OpenAt(os::Fd(AT_FDCWD), path.c_str(), O_RDONLY | O_CLOEXEC));
  }
  const auto bytes = TRY_AS(os::ReadAll(file, oci::kMaxSpecBytes), "{}", path);
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace wasmoor::cmd
