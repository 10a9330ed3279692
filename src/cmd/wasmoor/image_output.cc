#include "cmd/wasmoor/image_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <vector>

#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"
#include "wasmoor/os/signal.h"

namespace wasmoor::cmd {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kMode = 0666;  // Less the umask, as of every file that a shell makes.

}  // namespace

Result<ImageOutput> ImageOutput::Open(const std::string& name) {
  ImageOutput output;
  output.path_ = name;
  const bool to_stdout = name == "-";
  struct stat status = {};
  const bool exists = !to_stdout && ::stat(name.c_str(), &status) == 0;
  if (to_stdout || (exists && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) {
    if (to_stdout && ::isatty(STDOUT_FILENO) == 1)
      return Fail(Code::kFailedPrecondition,
                  "standard output is a terminal: name a file, or send it to another program");
    output.kind_ = Kind::kStream;
    output.target_ = to_stdout
                         ? os::Fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1))
                         : TRY(os::OpenAt(os::Fd(AT_FDCWD), name.c_str(), O_WRONLY | O_NOCTTY));
    output.file_ = TRY(os::FileInMemory("wasmoor-archive", {}));
    return output;
  }
  if (exists && S_ISDIR(status.st_mode))
    return Fail(Code::kFailedPrecondition, "{}: is a directory: name a file in it", name);
  if (exists && ::access(name.c_str(), W_OK) != 0)
    return FailErrno(errno, "{}: is there and may not be written", name);
  // The file that a symbolic link leads to is replaced, and not the link.
  std::error_code ignored;
  const fs::path path = exists ? fs::canonical(name, ignored) : fs::path(name);
  output.leaf_ = path.filename().native();
  if (output.leaf_.empty() || output.leaf_ == "." || output.leaf_ == "..")
    return Fail(Code::kFailedPrecondition, "'{}': is no name of a file", name);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  output.folder_ = TRY(os::OpenAt(os::Fd(AT_FDCWD), folder.c_str(), O_RDONLY | O_DIRECTORY));
  auto unnamed = os::OpenUnnamed(output.folder_, kMode);
  if (!unnamed && unnamed.error().code() != Code::kUnimplemented)
    return tl::unexpected(std::move(unnamed).error().WithContext(name));
  output.is_unnamed_ = unnamed.has_value();
  output.file_ =
      output.is_unnamed_ ? std::move(*unnamed) : TRY(os::FileInMemory("wasmoor-archive", {}));
  return output;
}

Status ImageOutput::CopyTo(const os::Fd& target) const {
  constexpr size_t kPiece = 64 << 10;
  std::vector<uint8_t> piece(kPiece);
  for (uint64_t offset = 0;;) {
    const size_t got = TRY(os::ReadAt(file_, piece, offset));
    TRY_AS(os::WriteAll(target, std::span(piece).first(got)), "{}", path_);
    if (got < piece.size()) return {};
    offset += got;
  }
}

// Under its name, which is taken over from whatever has it.
Status ImageOutput::Link() {
  if (is_unnamed_) {
    const Status linked = os::LinkUnnamed(file_, folder_, leaf_.c_str());
    if (linked) return {};
  }
  // A name can be taken over only by one that is there: for a moment the file has another,
  // which no signal may leave there.
  const os::SignalsHeld held;
  const std::string other = fmt::format(".{}.{}.new", leaf_, ::getpid());
  Status done = is_unnamed_ ? os::LinkUnnamed(file_, folder_, other.c_str()) : Status();
  if (!is_unnamed_ || !done) {
    const os::Fd copy = TRY(os::OpenAt(folder_, other.c_str(), O_WRONLY | O_CREAT | O_EXCL, kMode));
    done = CopyTo(copy);
  }
  if (done) done = os::RenameAt(folder_, other.c_str(), leaf_.c_str());
  if (!done) static_cast<void>(os::UnlinkAt(folder_, other.c_str()));
  return done;
}

Status ImageOutput::Publish() {
  if (kind_ == Kind::kStream) return CopyTo(target_);
  TRY_AS(Link(), "{}", path_);
  return {};
}

}  // namespace wasmoor::cmd
