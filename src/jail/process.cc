#include "jail/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <vector>

#include "jail/store.h"
#include "jail/terminal.h"
#include "wasmoor/os/signal.h"
#include "wasmoor/seccomp/cache.h"

namespace wasmoor::jail {
namespace {

constexpr int kFirstOther = STDERR_FILENO + 1;

// getcwd(2): a directory outside of the root has no path that starts with a slash. Whoever got here
// by a descriptor of the host that was left open would see the host (CVE-2024-21626).
Status CheckInsideRoot(const std::string& cwd) {
  std::array<char, PATH_MAX> path;
  if (::getcwd(path.data(), path.size()) == nullptr)
    return FailErrno(errno, "process.cwd: {}", cwd);
  if (path[0] == '/') return {};
  return Fail(Code::kPermissionDenied, "process.cwd: {} is outside of the container", cwd);
}

Status CheckPreserved(int count) {
  for (int number = kFirstOther; number < kFirstOther + count; ++number) {
    const int flags = ::fcntl(number, F_GETFD);
    // Ours are close-on-exec; what the caller means to hand on is not.
    if (flags < 0 || (flags & FD_CLOEXEC) != 0)
      return Fail(Code::kInvalidArgument, "--preserve-fds {}: descriptor {} is not open", count,
                  number);
  }
  return {};
}

}  // namespace

Result<ProcessPlan> ProcessPlan::Make(const std::string& container_id, const oci::Spec& container,
                                      const oci::Process& process, const ProcessOptions& options,
                                      std::unique_ptr<Program> program, const Store& store) {
  Attributes attributes = TRY(ParseAttributes(process, container.on_linux.personality));
  if (program->privileges() == Privileges::kNone) {
    attributes.capabilities = {};
    attributes.no_new_privileges = true;
  }
  std::optional<seccomp::Program> filter;
  if (container.on_linux.seccomp) {
    filter = TRY(seccomp::CompileCached(*container.on_linux.seccomp, store.seccomp_cache()));
  }
  TRY(CheckPreserved(options.preserve_fds));
  return ProcessPlan{container_id,          process,           options,
                     std::move(attributes), std::move(filter), std::move(program)};
}

Status ContainerProcess::Begin(bool other_user_namespace) {
  other_user_namespace_ = other_user_namespace;
  // What the container's processes might see of this one before it is one of them is not for them
  // (CVE-2016-9962). execve(2) ends it.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::signal(SIGPIPE, SIG_IGN);
  if (::setsid() < 0) return FailErrno(errno, "setsid");
  if (!plan_.options.no_new_keyring) TRY(ApplyKeyring(plan_.container_id));
  if (!other_user_namespace) return {};
  // Files are made as the namespace's root from now on. Where it maps none there is none to be.
  if (::setresgid(0, 0, 0) != 0 && errno != EINVAL) return FailErrno(errno, "setresgid");
  if (::setresuid(0, 0, 0) != 0 && errno != EINVAL) return FailErrno(errno, "setresuid");
  return {};
}

Result<os::Fd> ContainerProcess::MakeTerminal(const os::Fd& root) {
  if (!plan_.spec.terminal) return os::Fd();
  Terminal terminal = TRY(OpenTerminal(root, plan_.spec.console_size));
  TRY(channel_.SendDescriptor(terminal.master, "/dev/pts"));
  return std::move(terminal.slave);
}

Status ContainerProcess::TakeStreams(const os::Fd& terminal) {
  if (terminal.valid()) {
    TRY(TakeTerminal(terminal));
  } else {
    const std::array streams = {plan_.options.standard_input, plan_.options.standard_output,
                                plan_.options.standard_error};
    // Out of the way of each other first: one's number may be another's place.
    std::array<os::Fd, streams.size()> copies;
    for (size_t i = 0; i < streams.size(); ++i) {
      if (streams[i] == nullptr) continue;
      copies[i] = os::Fd(::fcntl(streams[i]->get(), F_DUPFD_CLOEXEC, kFirstOther));
      if (!copies[i].valid()) return FailErrno(errno, "standard stream {}", i);
    }
    for (size_t i = 0; i < streams.size(); ++i) {
      if (copies[i].valid() && ::dup2(copies[i].get(), static_cast<int>(i)) < 0)
        return FailErrno(errno, "standard stream {}", i);
    }
  }
  OwnStreams(plan_.attributes.uid);
  return {};
}

// As root, who may reach directories that the user may not; and, where it is root who may not (a
// network filesystem), again as the user.
Status ContainerProcess::EnterDirectory() {
  const std::string& cwd = plan_.spec.cwd;
  if (::chdir(cwd.c_str()) != 0) {
    if (errno != EACCES) return FailErrno(errno, "process.cwd: {}", cwd);
    return {};
  }
  directory_entered_ = true;
  return CheckInsideRoot(cwd);
}

Status ContainerProcess::InstallFilter() {
  if (!plan_.filter || filter_installed_) return {};
  filter_installed_ = true;
  const os::Fd listener = TRY_AS(seccomp::Install(*plan_.filter), "linux.seccomp");
  if (!listener.valid()) return {};
  return channel_.Write(Step::kListener, std::to_string(listener.get()));
}

Status ContainerProcess::Settle(const os::Fd& terminal) {
  TRY(TakeStreams(terminal));
  TRY(ApplyInside(plan_.attributes));
  TRY(EnterDirectory());
  // Without no_new_privs a filter needs rights that are given up next (seccomp(2)).
  if (!plan_.attributes.no_new_privileges) TRY(InstallFilter());
  if (!other_user_namespace_) TRY(ApplyLimits(plan_.attributes, 0));
  TRY(ApplyIdentity(plan_.attributes));
  if (!directory_entered_) {
    if (::chdir(plan_.spec.cwd.c_str()) != 0)
      return FailErrno(errno, "process.cwd: {}", plan_.spec.cwd);
    TRY(CheckInsideRoot(plan_.spec.cwd));
  }
  TRY(plan_.program->Check());
  // Whoever listens has to be there before the program starts.
  if (plan_.filter && plan_.filter->listens()) TRY(InstallFilter());
  return channel_.Write(Step::kReady, other_user_namespace_ ? kWithoutLimits : "");
}

void ContainerProcess::CloseOthers(std::span<const os::Fd* const> keeps) {
  std::vector<unsigned> kept;
  for (const os::Fd* one : keeps) kept.push_back(static_cast<unsigned>(one->get()));
  for (const os::Fd* one : plan_.program->keeps())
    kept.push_back(static_cast<unsigned>(one->get()));
  std::sort(kept.begin(), kept.end());
  unsigned next = static_cast<unsigned>(kFirstOther + plan_.options.preserve_fds);
  for (const unsigned one : kept) {
    if (one < next) continue;
    if (one > next) ::close_range(next, one - 1, 0);
    ::fcntl(static_cast<int>(one), F_SETFD, FD_CLOEXEC);
    next = one + 1;
  }
  ::close_range(next, ~0U, 0);
}

Error ContainerProcess::Become(std::span<const os::Fd* const> keeps) {
  CloseOthers(keeps);
  os::TakeUsualSignals();
  return plan_.program->Become([&]() -> Status {
    TRY(InstallFilter());
    if (plan_.program->executes()) return {};
    // The runtime hears now that all is well. What else is open is the program's own.
    for (const os::Fd* one : keeps) ::close(one->get());
    return {};
  });
}

}  // namespace wasmoor::jail
