#include "container/grants.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "wasmoor/os/file.h"

namespace wasmoor::container {
namespace {

constexpr std::string_view kWorkingDirectory = "PWD", kListeners = "LISTEN_FDS";
constexpr int kFirstListener = STDERR_FILENO + 1;
constexpr int kMostListeners = 1024;
constexpr int kDirectory = O_PATH | O_DIRECTORY;

const std::string* Find(const Variables& environment, std::string_view name) {
  for (const auto& [key, value] : environment) {
    if (key == name) return &value;
  }
  return nullptr;
}

wasi::Preopen Preopened(std::string name, os::Fd directory) {
  return {.host = name, .guest = std::move(name), .directory = std::move(directory)};
}

// The directories in a directory. What cannot be opened is not the guest's: links that lead
// nowhere. One that may not be listed has no entries that anybody could know of.
std::vector<wasi::Preopen> DirectoriesIn(const os::Fd& root) {
  std::vector<wasi::Preopen> preopens;
  auto names = os::ReadNames(root);
  if (!names) return preopens;
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    os::Fd directory(::openat(root.get(), name.c_str(), kDirectory | O_CLOEXEC));
    if (directory.valid()) preopens.push_back(Preopened("/" + name, std::move(directory)));
  }
  return preopens;
}

// What is handed on is not close-on-exec; the runtime's own sockets are, and one of them listens.
bool IsHandedOver(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFD);
  if (flags < 0 || (flags & FD_CLOEXEC) != 0) return false;
  int listening = 0;
  socklen_t size = sizeof listening;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
         listening != 0;
}

bool IsWritableProcfs(const std::string& path) {
  struct statfs status = {};
  if (::statfs(path.c_str(), &status) != 0) return false;
  return status.f_type == PROC_SUPER_MAGIC && (status.f_flags & ST_RDONLY) == 0;
}

}  // namespace

Variables EnvironmentOf(std::span<const std::string> variables, const std::string& cwd) {
  Variables environment;
  for (const std::string& variable : variables) {
    const size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    environment.emplace_back(variable.substr(0, equals), variable.substr(equals + 1));
  }
  if (!cwd.empty() && cwd != "/" && Find(environment, kWorkingDirectory) == nullptr)
    environment.emplace_back(kWorkingDirectory, cwd);
  return environment;
}

Result<std::vector<wasi::Preopen>> OpenTree() {
  std::vector<wasi::Preopen> preopens;
  os::Fd root = TRY(os::OpenAt(os::Fd(), "/", kDirectory));
  os::Fd here(::open(".", kDirectory | O_CLOEXEC));
  if (!here.valid()) return FailErrno(errno, "process.cwd");
  if (!os::IsSameFile(TRY(os::Stat(root)), TRY(os::Stat(here)))) {
    preopens = DirectoriesIn(root);
    preopens.push_back(Preopened(".", std::move(here)));
  }
  preopens.insert(preopens.begin(), Preopened("/", std::move(root)));
  return preopens;
}

std::vector<wasi::Listener> TakeListeners(const Variables& environment) {
  std::vector<wasi::Listener> listeners;
  const std::string* const text = Find(environment, kListeners);
  if (text == nullptr) return listeners;
  int count = 0;
  std::from_chars(text->data(), text->data() + text->size(), count);
  for (int i = 0; i < std::min(count, kMostListeners); ++i) {
    const int descriptor = kFirstListener + i;
    if (IsHandedOver(descriptor))
      listeners.push_back(
          {.address = fmt::format("LISTEN_FDS {}", i), .socket = os::Fd(descriptor)});
  }
  return listeners;
}

Status RefuseWritableProcfs(std::span<const std::string> mounts) {
  for (const std::string& path : mounts) {
    if (!IsWritableProcfs(path)) continue;
    return Fail(Code::kFailedPrecondition,
                "a component does not run where procfs is mounted writable, as it is at {}: start "
                "it in a container of its own, or mount that read-only",
                path);
  }
  return {};
}

}  // namespace wasmoor::container
