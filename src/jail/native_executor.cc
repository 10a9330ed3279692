#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "wasmoor/jail/executor.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/spawn.h"

namespace wasmoor::jail {
namespace {

// execvp(3) where there is no PATH.
constexpr std::string_view kStandardPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The rest of "NAME=…" in an environment; nullptr if it has no such variable.
const char* Find(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=')
      return entry.c_str() + name.size() + 1;
  }
  return nullptr;
}

// 0, or why it cannot be executed by this user. A seccomp filter may be on already and forbid to
// look, by these errors as a rule: then execve(2) tells.
int WhyNot(const std::string& path) {
  struct stat status;
  int error = 0;
  if (::stat(path.c_str(), &status) != 0) {
    error = errno;
  } else if (S_ISDIR(status.st_mode)) {
    error = EISDIR;
  } else if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) {
    error = errno;
  }
  return error == EPERM || error == ENOSYS ? 0 : error;
}

// The texts are those that callers look for: podman exits with 127 or 126 by them.
Result<std::string> FindExecutable(const std::string& name,
                                   const std::vector<std::string>& environment) {
  if (name.find('/') != std::string::npos) {
    const int error = WhyNot(name);
    // execve(2) has the same number for a directory.
    if (error == EISDIR) return FailErrno(EACCES, "exec: \"{}\": is a directory", name);
    if (error != 0) return FailErrno(error, "exec: \"{}\": stat {}", name, name);
    return name;
  }
  const char* const variable = Find(environment, "PATH");
  std::string_view rest = variable != nullptr ? variable : kStandardPath;
  int worst = ENOENT;
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    std::string path = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
    const int error = WhyNot(path);
    if (error == 0) return path;
    if (error == EACCES) worst = EACCES;
  }
  if (worst == EACCES) return FailErrno(EACCES, "exec: \"{}\"", name);
  return tl::unexpected(Error(Code::kNotFound,
                              fmt::format("exec: \"{}\": executable file not found in $PATH", name),
                              ENOENT));
}

// The home directory that /etc/passwd (passwd(5)) has for a user; "/" if it has none. The file is
// the container's: any nonsense may be in it.
std::string HomeOf(uid_t uid) {
  constexpr size_t kMostText = size_t{1} << 20;
  const auto file = os::OpenAt(os::Fd(), "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
  const auto bytes = file ? os::ReadAll(*file, kMostText) : tl::unexpected(file.error());
  if (!bytes) return "/";
  std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::array<std::string_view, 6> fields;
    for (std::string_view& field : fields) {
      field = line.substr(0, line.find(':'));
      line.remove_prefix(std::min(line.size(), field.size() + 1));
    }
    uid_t found = 0;
    const auto [end, error] =
        std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), found);
    if (error == std::errc() && found == uid && fields[5].starts_with('/'))
      return std::string(fields[5]);
  }
  return "/";
}

class NativeProgram : public Program {
 public:
  explicit NativeProgram(const oci::Process& process)
      : arguments_(process.args), environment_(process.env) {}

  Privileges privileges() const override { return Privileges::kConfigured; }
  bool executes() const override { return true; }

  Status Check() override {
    if (Find(environment_, "HOME") == nullptr) environment_.push_back("HOME=" + HomeOf(::getuid()));
    path_ = TRY(FindExecutable(arguments_[0], environment_));
    return {};
  }

  Error Become(const std::function<Status()>& confine) override {
    const std::vector<char*> arguments = os::Pointers(arguments_);
    const std::vector<char*> environment = os::Pointers(environment_);
    if (const Status confined = confine(); !confined) return confined.error();
    ::execve(path_.c_str(), arguments.data(), environment.data());
    const int error = errno;
    if (error == ENOEXEC)
      return FailErrno(error,
                       "exec {}: is no Linux executable for this machine, no script that starts "
                       "with #!, and no WebAssembly",
                       path_)
          .value();
    return FailErrno(error, "exec {}", path_).value();
  }

 private:
  std::vector<std::string> arguments_, environment_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<Preparation>> NativeExecutor::Prepare(const ProgramRequest& request) const {
  if (request.process.args.empty())
    return Fail(Code::kInvalidArgument, "process.args: must name a program");
  if (request.file != nullptr)
    return Fail(Code::kInvalidArgument, "{}: is no file of the root filesystem, and no WebAssembly",
                request.process.args.front());
  return std::make_unique<os::Ready<std::unique_ptr<Program>>>(
      std::make_unique<NativeProgram>(request.process));
}

}  // namespace wasmoor::jail
