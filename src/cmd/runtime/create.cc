#include "cmd/runtime/process_flags.h"
#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class CreateVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About(
        "Makes the container that the bundle describes, up to its program, which waits for "
        "'wasmoor-runtime start'. CONTAINER is a name for it that no other has.");
    flags_.Configure(options);
    TakeContainer(options);
    options.Example("wasmoor-runtime create --bundle /srv/c1 c1", "Makes c1 from /srv/c1.");
  }

  Status Check() override { return flags_.Check(); }

  Result<int> Run() override {
    TRY(runtime_.Protect());
    const jail::Containers containers = TRY(runtime_.Open());
    const auto created = TRY(containers.Create(flags_.OptionsFor(id(), runtime_.systemd_cgroup()),
                                               runtime_.executors()));
    runtime_.Debug(fmt::format("container {}: created, process {}, run by '{}'", id(),
                               created.first.pid, created.container.executor()));
    if (!created.first.terminal.valid()) return 0;
    std::vector<std::string> warnings;
    TRY(containers.Delete(id(), jail::Force::kYes, &warnings));
    return Fail(Code::kInvalidArgument,
                "process.terminal is true, and nobody takes the terminal: give --console-socket, "
                "or use 'wasmoor-runtime run'");
  }

 private:
  CreateFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeCreate(Executable& executable) {
  return MakeVerb<CreateVerb>(executable);
}

}  // namespace wasmoor::cmd
