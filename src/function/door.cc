#include "function/door.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "wasmoor/os/socket.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::function {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

}  // namespace

Result<Door> Door::Open(const std::string& address) {
  if (address.starts_with(kUnixPrefix)) {
    const std::string path = address.substr(kUnixPrefix.size());
    // One that nobody listens at any more is left from before.
    const auto listener = os::ConnectUnix(path);
    if (!listener && listener.error().error_number() == ECONNREFUSED) ::unlink(path.c_str());
    os::Fd socket = TRY_AS(os::ListenUnix(path), "listen at {}", address);
    ::chmod(path.c_str(), 0666);
    return Door(std::move(socket), address, path);
  }
  os::Fd socket = TRY_AS(os::ListenTcp(address), "listen at {}", address);
  std::string bound = TRY(os::LocalAddress(socket));
  return Door(std::move(socket), std::move(bound), {});
}

Door::Door(os::Fd socket, std::string address, std::string path)
    : socket_(std::move(socket)), address_(std::move(address)), path_(std::move(path)) {}

Door::Door(Door&& other) noexcept
    : socket_(std::move(other.socket_)),
      address_(std::move(other.address_)),
      path_(std::exchange(other.path_, {})) {}

Door::~Door() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace wasmoor::function
