#include "jail/attend.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>

#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"
#include "wasmoor/os/unix_socket.h"
#include "wasmoor/seccomp/listener.h"

namespace wasmoor::jail {
namespace {

Status HandOverListener(const Attendance& attendance, const std::string& number) {
  int descriptor = -1;
  std::from_chars(number.data(), number.data() + number.size(), descriptor);
  const oci::Seccomp& profile = *attendance.spec.on_linux.seccomp;
  const os::Fd listener = TRY_AS(os::CopyDescriptor(attendance.process.process, descriptor),
                                 "linux.seccomp: the listener");
  return seccomp::SendListener(profile.listener_path, profile.listener_metadata, listener,
                               attendance.process.pid, attendance.state);
}

}  // namespace

Result<os::Fd> ConnectConsole(const oci::Process& process, const ProcessOptions& options) {
  if (options.console_socket.empty()) return os::Fd();
  if (!process.terminal)
    return Fail(Code::kInvalidArgument, "--console-socket: process.terminal is false");
  return TRY_AS(os::ConnectUnix(options.console_socket), "--console-socket");
}

Result<bool> Attend(const Attendance& attendance, os::Fd* terminal) {
  Message message = TRY(attendance.channel.Receive());
  switch (message.step) {
    case Step::kDescriptor:
      if (attendance.console.valid()) {
        TRY_AS(os::Send(attendance.console, message.text, &message.descriptor), "--console-socket");
      } else {
        *terminal = std::move(message.descriptor);
      }
      return false;
    case Step::kListener: TRY(HandOverListener(attendance, message.text)); return false;
    case Step::kReady:
      if (message.text == kWithoutLimits)
        TRY(ApplyLimits(attendance.plan.attributes, attendance.process.pid));
      return true;
    default: return Fail(Code::kInternal, "the container's process spoke out of turn");
  }
}

Status WritePidFile(const std::string& path, pid_t pid) {
  if (path.empty()) return {};
  const std::string fresh = fmt::format("{}.{}", path, ::getpid());
  const os::Fd file =
      TRY_AS(os::OpenAt(os::Fd(), fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
                        S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH),
             "--pid-file");
  Status done = os::WriteAll(file, std::to_string(pid));
  if (done) done = os::RenameAt(os::Fd(), fresh.c_str(), path.c_str());
  if (!done) static_cast<void>(os::UnlinkAt(os::Fd(), fresh.c_str()));
  TRY_AS(std::move(done), "--pid-file {}", path);
  return {};
}

void KillChild(const os::Cloned& child) {
  static_cast<void>(os::SignalProcess(child.process, SIGKILL));
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) continue;
}

}  // namespace wasmoor::jail
