#include "cmd/wasmtimed_shim/daemon_call.h"

#include <fcntl.h>

#include <cerrno>

#include "cmd/shim_line/daemon_socket.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::cmd {

namespace {

constexpr const char* kNote = "/wasmtimed-address";
constexpr mode_t kOwner = 0600;
constexpr uint64_t kMostText = 4096;

}  // namespace

Status NoteDaemon(const std::string& bundle, const std::string& address) {
  if (address.empty()) return {};
  const std::string path = bundle + kNote;
  const os::Fd file =
      TRY(os::OpenAt(os::Fd(), path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kOwner));
  return os::WriteAll(file, address);
}

Result<std::string> NotedDaemon(const std::string& bundle) {
  const std::string path = bundle + kNote;
  const Result<os::Fd> file = os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_NOFOLLOW);
  if (!file && file.error().error_number() == ENOENT) return std::string();
  if (!file) return tl::unexpected(file.error());
  const auto bytes = TRY_AS(os::ReadAll(*file, kMostText), "{}", path);
  return std::string(bytes.begin(), bytes.end());
}

Result<ttrpc::BlockingClient> ConnectToDaemon(const std::string& address) {
  const std::string path = address.empty() ? kDaemonSocket : address;
  Result<os::Fd> connection = os::ConnectUnixAtOnce(path);
  if (connection) return ttrpc::BlockingClient::Adopt(*std::move(connection));
  const int error = connection.error().error_number();
  if (error == EAGAIN)
    return Fail(Code::kDeadlineExceeded,
                "containerd-wasmtimed takes no more callers at {}: it hangs, or has far too much "
                "to do; 'journalctl -u containerd-wasmtimed' says more",
                path);
  if (error != ENOENT && error != ECONNREFUSED) return tl::unexpected(connection.error());
  return Fail(Code::kUnavailable,
              "containerd-wasmtimed does not run: nobody listens at {}; start it with 'systemctl "
              "start containerd-wasmtimed'",
              path);
}

}  // namespace wasmoor::cmd
