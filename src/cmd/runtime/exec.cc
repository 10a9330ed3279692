#include <optional>

#include "cmd/runtime/exec_flags.h"
#include "cmd/runtime/foreground.h"
#include "cmd/runtime/process_flags.h"
#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class ExecVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About(
        "Starts a program in the namespaces, the control group and the root filesystem of a "
        "running "
        "container. In one of WebAssembly it is another module or component of its root "
        "filesystem, 'FILE#FUNCTION' for one of its functions.");
    flags_.Configure(options);
    options.Section("Options");
    options.Flag("--detach", detach_, "Return when it runs, and leave it").Letter("-d");
    options.Flag("--ignore-paused", ignore_paused_,
                 "Also in a paused container, where it waits for 'resume'");
    process_.Configure(options);
    options.Take({.usage = "CONTAINER [PROGRAM [ARGS...]]",
                  .target = &words_,
                  .least = 1,
                  .most = SIZE_MAX,
                  .verbatim = true});
    options.ExitStatus("0-255", "The program's own");
    options.ExitStatus("128+N", "Signal N ended it");
    options.ExitStatus("255", "It could not be started");
    options.Example("wasmoor-runtime exec --tty c1 sh", "A shell in a Linux container.");
    options.Example("wasmoor-runtime exec c1 /tools/check.wasm", "A module in one of WebAssembly.");
  }

  Status Check() override {
    if (words_.size() == 1 && flags_.process_file.empty())
      return Fail(Code::kInvalidArgument, "PROGRAM is missing: what to run in container {}", id());
    TRY(flags_.Check());
    return process_.Check();
  }

  Result<int> Run() override {
    TRY(runtime_.Protect());
    const jail::Containers containers = TRY(runtime_.Open());
    const jail::Container container = TRY(containers.Find(id()));
    TRY(CheckState(container.state().status));
    oci::Process process = TRY(
        flags_.ProcessFor(TRY(container.ConfiguredProcess()), {words_.begin() + 1, words_.end()}));
    TRY(CheckTerminal(process));
    // It runs before this process can give its terminal a size.
    if (process.terminal && !process.console_size) process.console_size = OwnTerminalSize();
    jail::ProcessOptions options;
    options.console_socket = process_.console_socket;
    options.pid_file = process_.pid_file;
    options.preserve_fds = process_.preserve_fds;
    std::optional<Foreground> foreground;
    if (!detach_) foreground.emplace(TRY(Foreground::Begin()));
    const jail::Started started = TRY(container.Exec(process, options, runtime_.executors()));
    runtime_.Debug(fmt::format("container {}: process {} runs in it", id(), started.pid));
    if (detach_) return 0;
    foreground->Attach(started);
    return foreground->Wait();
  }

 private:
  Status CheckState(oci::Status status) const {
    if (status == oci::Status::kRunning || status == oci::Status::kCreated) return {};
    if (status == oci::Status::kPaused && ignore_paused_) return {};
    if (status == oci::Status::kPaused)
      return Fail(Code::kFailedPrecondition,
                  "cannot exec in a paused container (use --ignore-paused to override)");
    return Fail(Code::kFailedPrecondition, "cannot exec in a {} container: container not running",
                oci::StatusName(status));
  }

  Status CheckTerminal(const oci::Process& process) const {
    const bool has_socket = !process_.console_socket.empty();
    if (process.terminal && detach_ && !has_socket)
      return Fail(Code::kInvalidArgument,
                  "with a terminal and --detach nobody takes the terminal: give --console-socket");
    if (!process.terminal && has_socket)
      return Fail(Code::kInvalidArgument,
                  "--console-socket: the process has no terminal (--tty, or 'terminal' of "
                  "--process)");
    return {};
  }

  ExecFlags flags_;
  ProcessFlags process_;
  bool detach_ = false, ignore_paused_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeExec(Executable& executable) { return MakeVerb<ExecVerb>(executable); }

}  // namespace wasmoor::cmd
