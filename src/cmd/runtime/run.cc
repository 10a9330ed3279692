#include <optional>

#include "cmd/runtime/foreground.h"
#include "cmd/runtime/process_flags.h"
#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class RunVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About(
        "Does what create, start and delete do, and waits in between: signals that this process "
        "gets are the container's, and with process.terminal so is its terminal.");
    flags_.Configure(options);
    options.Flag("--detach", detach_, "Return when the container runs, and leave it").Letter("-d");
    options.Flag("--keep", keep_, "Do not delete the container after its end");
    options.Flag("--no-subreaper", no_subreaper_, "Of no effect: no orphan is adopted").Hide();
    TakeContainer(options);
    options.ExitStatus("0-255", "The program's own");
    options.ExitStatus("128+N", "Signal N ended it");
    options.Example("wasmoor-runtime run --bundle /srv/c1 c1", "Runs it to its end.");
  }

  Status Check() override { return flags_.Check(); }

  Result<int> Run() override {
    TRY(runtime_.Protect());
    const jail::Containers containers = TRY(runtime_.Open());
    auto created = TRY(containers.Create(flags_.OptionsFor(id(), runtime_.systemd_cgroup()),
                                         runtime_.executors()));
    runtime_.Debug(fmt::format("container {}: created, process {}, run by '{}'", id(),
                               created.first.pid, created.container.executor()));
    Result<int> status = RunCreated(created);
    // Nobody knows of a container that could not be run.
    if ((detach_ || keep_) && status) return status;
    std::vector<std::string> warnings;
    const Status deleted = containers.Delete(id(), jail::Force::kYes, &warnings);
    runtime_.Warn(warnings);
    if (status && !deleted) return tl::unexpected(deleted.error());
    return status;
  }

 private:
  Result<int> RunCreated(jail::Containers::Created& created) {
    if (detach_ && created.first.terminal.valid())
      return Fail(Code::kInvalidArgument,
                  "process.terminal is true, and with --detach nobody takes the terminal: give "
                  "--console-socket");
    std::optional<Foreground> foreground;
    if (!detach_) {
      foreground.emplace(TRY(Foreground::Begin()));
      foreground->Attach(created.first);
    }
    std::vector<std::string> warnings;
    TRY(created.container.Start(&warnings));
    runtime_.Warn(warnings);
    return foreground ? foreground->Wait() : Result<int>(0);
  }

  CreateFlags flags_;
  bool detach_ = false, keep_ = false, no_subreaper_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeRun(Executable& executable) { return MakeVerb<RunVerb>(executable); }

}  // namespace wasmoor::cmd
