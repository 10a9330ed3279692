#include "function/catalog/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "wasmoor/os/file.h"
#include "wasmoor/os/path.h"

namespace wasmoor::function {
namespace {

tl::unexpected<Error> CannotOpen(int error, std::string_view name) {
  if (error == EXDEV)
    return Fail(Code::kInvalidArgument,
                "{}: is a symbolic link that leads out of its directory, where nothing is taken "
                "from",
                name);
  if (error == ELOOP)
    return Fail(Code::kInvalidArgument, "{}: its symbolic links lead nowhere", name);
  return FailErrno(error, "{}", name);
}

}  // namespace

Result<os::Fd> OpenFileBeneath(const os::Fd& directory, const std::string& path,
                               std::string_view name) {
  auto found = os::OpenBeneath(directory, path.c_str(), O_PATH);
  if (!found) return CannotOpen(found.error(), name);
  if (!S_ISREG(TRY_AS(os::Stat(*found), "{}", name).st_mode)) return std::move(*found);
  // What has come in its place since does not make this wait.
  auto file = os::OpenBeneath(directory, path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return CannotOpen(file.error(), name);
  return std::move(*file);
}

Result<std::string> ReadRegular(const os::Fd& file, uint64_t max_bytes, std::string_view name) {
  if (!S_ISREG(TRY_AS(os::Stat(file), "{}", name).st_mode))
    return Fail(Code::kInvalidArgument, "{}: is not a regular file", name);
  auto bytes = os::ReadAll(file, max_bytes);
  if (!bytes && bytes.error().code() == Code::kOutOfRange)
    return Fail(Code::kInvalidArgument, "{}: has more than {} bytes", name, max_bytes);
  if (!bytes) return tl::unexpected(std::move(bytes).error().WithContext(name));
  return std::string(bytes->begin(), bytes->end());
}

}  // namespace wasmoor::function
