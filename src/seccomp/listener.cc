#include "wasmoor/seccomp/listener.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace wasmoor::seccomp {
namespace {

constexpr const char* kField = "linux.seccomp.listenerPath";

std::string ProcessState(const std::string& metadata, pid_t process, const oci::State& state) {
  nlohmann::ordered_json json;
  json["ociVersion"] = state.oci_version;
  json["fds"] = {"seccompFd"};
  json["pid"] = process;
  if (!metadata.empty()) json["metadata"] = metadata;
  json["state"] = nlohmann::ordered_json::parse(oci::ToJson(state), nullptr, false);
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<os::Fd> Connect(const std::string& path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return Fail(Code::kInvalidArgument, "{}: '{}' is no name of a socket: 1 to {} bytes", kField,
                path, sizeof(address.sun_path) - 1);
  memcpy(address.sun_path, path.data(), path.size());
  os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return FailErrno(errno, "{}: socket", kField);
  while (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno != EINTR)
      return FailErrno(errno, "{}: connect to {}; nobody may be listening there", kField, path);
  }
  return socket;
}

}  // namespace

Status SendListener(const std::string& path, const std::string& metadata, const os::Fd& listener,
                    pid_t process, const oci::State& state) {
  const std::string text = ProcessState(metadata, process, state);
  const os::Fd socket = TRY(Connect(path));
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct iovec part = {const_cast<char*>(text.data()), text.size()};
  struct msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int descriptor = listener.get();
  memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
  while (part.iov_len > 0) {
    const ssize_t sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return FailErrno(errno, "{}: send the container's state to {}", kField, path);
    }
    part.iov_base = static_cast<char*>(part.iov_base) + sent;
    part.iov_len -= sent;
    // The descriptor went with the first byte.
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  }
  return {};
}

}  // namespace wasmoor::seccomp
