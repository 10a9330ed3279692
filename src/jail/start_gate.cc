#include "jail/start_gate.h"

#include <sys/socket.h>

#include <cerrno>

#include "wasmoor/os/file.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::jail {
namespace {

constexpr const char* kGate = "start";

}  // namespace

Result<os::Fd> MakeStartGate(const os::Fd& state_directory) {
  return os::ListenUnix(state_directory, kGate);
}

Result<Channel> WaitAtGate(const os::Fd& gate) {
  for (;;) {
    os::Fd connection(::accept4(gate.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return FailErrno(errno, "wait for start");
    }
    Channel channel(std::move(connection));
    // Whoever only looked is gone again.
    const Result<Message> word = channel.Receive();
    if (word && word->step == Step::kStart) return channel;
  }
}

bool IsWaitingAtGate(const os::Fd& state_directory) {
  return os::ConnectUnix(state_directory, kGate).has_value();
}

Result<Channel> OpenStartGate(const os::Fd& state_directory) {
  Channel channel(TRY(os::ConnectUnix(state_directory, kGate)));
  TRY(channel.Send(Step::kStart));
  return channel;
}

Status PassStartGate(const Channel& channel, const os::Fd& state_directory) {
  const Result<Message> end = channel.Receive();
  if (end || end.error().code() != Code::kAborted)
    return end ? Fail(Code::kInternal, "the container's process spoke out of turn")
               : Status(tl::unexpected(end.error()));
  static_cast<void>(os::UnlinkAt(state_directory, kGate));
  return {};
}

}  // namespace wasmoor::jail
