#include "container/finder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string_view>

#include "jail/rootfs/mount_options.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::container {
namespace {

// Where execvp(3) looks without a PATH.
constexpr std::string_view kStandardPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string Normal(const std::string& base, std::string_view path) {
  // An absolute `path` replaces the base.
  return (std::filesystem::path("/") / base / path).lexically_normal().native();
}

// `path` below `directory`, both normal and absolute: what is left of it, without a slash in front.
std::optional<std::string> Below(const std::string& path, std::string directory) {
  if (directory.ends_with('/')) directory.pop_back();
  if (path == directory) return "";
  if (!path.starts_with(directory) || path[directory.size()] != '/') return std::nullopt;
  return path.substr(directory.size() + 1);
}

// The mount that hides what the root has at a path, and the rest of the path in it.
struct Covering {
  const oci::Mount* mount = nullptr;
  size_t depth = 0;
  std::string rest;
};

// The deepest; of two at one place the later, which lies on top.
Covering FindCovering(const oci::Spec& spec, const std::string& path) {
  Covering best;
  for (const oci::Mount& mount : spec.mounts) {
    const std::string destination = Normal("/", mount.destination);
    auto rest = Below(path, destination);
    if (!rest || destination.size() < best.depth) continue;
    best = {.mount = &mount, .depth = destination.size(), .rest = *std::move(rest)};
  }
  return best;
}

Result<os::Fd> OpenBelowSource(const oci::Mount& mount, const std::string& rest) {
  os::Fd source = TRY(os::OpenAt(os::Fd(), mount.source.c_str(), O_PATH));
  if (rest.empty()) return source;
  return os::OpenInRoot(source, rest, O_PATH, os::Links::kFollow);
}

// A descriptor by which nothing can be read yet.
Result<os::Fd> Locate(const jail::ProgramRequest& request, const std::string& path) {
  if (request.is_first) {
    const Covering covering = FindCovering(request.spec, path);
    if (covering.mount != nullptr) {
      const jail::MountOptions options = jail::ParseMountOptions(covering.mount->options);
      if (options.bind || covering.mount->type == "bind")
        return OpenBelowSource(*covering.mount, covering.rest);
      // A filesystem of its own, which nobody has put a program into yet.
      if (!options.remount && !options.copy_up)
        return FailErrno(ENOENT, "{} below the mount {}", path, covering.mount->destination);
    }
  }
  return os::OpenInRoot(request.root, path, O_PATH, os::Links::kFollow);
}

// kNotFound where there is nothing, or nothing that could be a program.
Result<ProgramFile> Open(const jail::ProgramRequest& request, std::string path) {
  auto located = Locate(request, path);
  if (!located) {
    const int error = located.error().error_number();
    if (error == ENOENT || error == ENOTDIR || error == ELOOP)
      return Fail(Code::kNotFound, "{}: no such file or directory in the container", path);
    return tl::unexpected(std::move(located).error().WithContext(path));
  }
  const struct stat status = TRY_AS(os::Stat(*located), "{}", path);
  // As execve(2) has it, and as callers look for it: podman exits with 126 by the text.
  if (S_ISDIR(status.st_mode)) return FailErrno(EACCES, "{}: is a directory", path);
  if (!S_ISREG(status.st_mode))
    return Fail(Code::kInvalidArgument, "{}: is no regular file, and so no program", path);
  // proc_pid_fd(5): the file itself, which no name has to lead to any more.
  const std::string again = fmt::format("/proc/thread-self/fd/{}", located->get());
  auto file = os::OpenAt(os::Fd(), again.c_str(), O_RDONLY);
  if (!file) return FailErrno(file.error().error_number(), "{}", path);
  return ProgramFile{.path = std::move(path), .file = std::move(*file)};
}

std::string_view PathVariable(const oci::Process& process) {
  constexpr std::string_view kName = "PATH=";
  for (const std::string_view variable : process.env) {
    if (variable.starts_with(kName)) return variable.substr(kName.size());
  }
  return kStandardPath;
}

}  // namespace

Result<ProgramFile> FindProgram(const jail::ProgramRequest& request, const std::string& path) {
  const std::string& cwd = request.process.cwd;
  if (path.find('/') != std::string::npos) return Open(request, Normal(cwd, path));
  std::string_view rest = PathVariable(request.process);
  for (bool more = !path.empty(); more;) {
    const size_t end = rest.find(':');
    // An empty folder is the working directory.
    const std::string folder = Normal(cwd, rest.substr(0, end));
    if (auto found = Open(request, Normal(folder, path))) return found;
    more = end != std::string_view::npos;
    if (more) rest.remove_prefix(end + 1);
  }
  return Fail(Code::kNotFound,
              "exec: \"{}\": executable file not found in $PATH: no such file or directory", path);
}

}  // namespace wasmoor::container
