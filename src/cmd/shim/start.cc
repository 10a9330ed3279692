#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "cmd/shim/server.h"
#include "cmd/shim/shim.h"
#include "cmd/shim_line/address.h"
#include "cmd/shim_line/bootstrap.h"
#include "cmd/shim_line/streams.h"
#include "jail/spawn_daemon.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"
#include "wasmoor/os/self.h"

namespace wasmoor::cmd {
namespace {

// Runs this program anew if that is needed, and then with the input that this one has read.
Status Protect(const Shim& shim, std::span<const uint8_t> input) {
  const os::Fd again = TRY(os::FileInMemory("stdin", input));
  if (::dup2(again.get(), STDIN_FILENO) < 0) return FailErrno(errno, "standard input");
  TRY_AS(os::ProtectSelf(shim.arguments()), "this program");
  return {};
}

// One more than containerd's, so that the kernel ends a shim rather than containerd.
std::string OomScore() {
  constexpr int kHighest = 1000;  // proc_pid_oom_score_adj(5).
  constexpr size_t kMostText = 64;
  const std::string path = fmt::format("/proc/{}/oom_score_adj", ::getppid());
  const Result<os::Fd> file = os::OpenAt(os::Fd(), path.c_str(), O_RDONLY);
  if (!file) return {};
  const auto text = os::ReadAll(*file, kMostText);
  if (!text) return {};
  int score = 0;
  const char* begin = reinterpret_cast<const char*>(text->data());
  if (std::from_chars(begin, begin + text->size(), score).ec != std::errc()) return {};
  return std::to_string(std::min(score + 1, kHighest));
}

// With SCHED_CORE, no process of another pod runs beside this one's on the threads of a core
// (PR_SCHED_CORE(2const)).
Status ShareCore() {
  constexpr unsigned long kProcessGroup = 2;
  if (Variable("SCHED_CORE").empty()) return {};
  if (::prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, kProcessGroup, 0) != 0)
    return FailErrno(errno, "SCHED_CORE is set: core scheduling");
  return {};
}

class StartCommand : public Command {
 public:
  explicit StartCommand(Shim& shim) : shim_(shim) {}

  void Configure(Options& options) override {
    options.About(
        "Prints the address of the socket where the shim of the container's pod serves. If there "
        "is "
        "none yet, it is started. The current directory is the container's bundle, whose "
        "annotation "
        "io.containerd.runc.v2.group or io.kubernetes.cri.sandbox-id names the pod. Standard input "
        "are the parameters of the start, as containerd has them, or the runtime's options alone.");
  }

  Status Check() override { return shim_.CheckOwner(); }

  Result<int> Run() override {
    // What containerd itself has inherited would stay open as long as the pod lives.
    constexpr unsigned kFirstOther = STDERR_FILENO + 1;
    if (::close_range(kFirstOther, ~0U, 0) != 0 && errno != ENOSYS)
      return FailErrno(errno, "close_range");
    const std::vector<uint8_t> input = TRY(ReadStandardInput());
    const Bootstrap bootstrap =
        TRY(ParseBootstrap(input, {.id = shim_.id(),
                                   .name_space = shim_.name_space(),
                                   .knows_versions = !Variable("MAX_SHIM_VERSION").empty()}));
    const std::string group = TRY(GroupOf(shim_.id()));
    const SocketName name = {.directory = bootstrap.socket_directory,
                             .containerd_address = shim_.containerd_address(),
                             .name_space = shim_.name_space(),
                             .group = group};
    const std::string path = TRY(name.Path());
    if (!IsSocketServed(path)) {
      TRY(Protect(shim_, input));
      TRY(Serve(bootstrap, group, path));
    }
    TRY_AS(WriteAddress(path), "the bundle's address");
    TRY(WriteStandardOutput(BootstrapAnswer(bootstrap.form, AddressOf(path))));
    return 0;
  }

 private:
  // In the new process this does not return.
  Status Serve(const Bootstrap& bootstrap, const std::string& group, const std::string& path) {
    ServerSettings settings = {.program = shim_.arguments()[0],
                               .name_space = shim_.name_space(),
                               .group = group,
                               .bundle = TRY(shim_.Bundle()),
                               .socket_path = path,
                               .containerd_address = shim_.containerd_address(),
                               .publish_binary = shim_.publish_binary(),
                               .ttrpc_address = Variable("TTRPC_ADDRESS"),
                               .state_root = shim_.StateRoot(),
                               .oom_score = OomScore(),
                               .options = {}};
    TRY(task::ApplyAny(bootstrap.options, &settings.options));
    if (shim_.debug() || bootstrap.debug) settings.options.log_level = task::LogLevel::kDebug;
    Claim claim = TRY(ClaimSocket(path));
    if (claim.is_served) return {};
    TRY(ShareCore());
    const Result<pid_t> pid = jail::SpawnDaemon();
    if (!pid) {
      ::unlink(path.c_str());
      return tl::unexpected(pid.error());
    }
    if (*pid == 0) _exit(RunServer(settings, std::move(claim.listening)));
    return {};
  }

  Shim& shim_;
};

}  // namespace

std::unique_ptr<Command> MakeStartShim(Executable& shim) {
  return std::make_unique<StartCommand>(static_cast<Shim&>(shim));
}

}  // namespace wasmoor::cmd
