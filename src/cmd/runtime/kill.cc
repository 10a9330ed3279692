#include "cmd/runtime/verb.h"
#include "wasmoor/os/signal.h"

namespace wasmoor::cmd {
namespace {

class KillVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About(
        "Sends SIGNAL to the container's first process: a name, with or without SIG, or a number; "
        "SIGTERM if it is not given.");
    options.Flag("--all", all_, "To every process of the container").Letter("-a");
    TakeContainer(options, "CONTAINER [SIGNAL]", 1);
    options.Example("wasmoor-runtime kill c1", "Asks c1 to end.");
    options.Example("wasmoor-runtime kill --all c1 KILL", "Ends all of it.");
  }

  Status Check() override {
    if (words_.size() > 1) signal_ = TRY(os::ParseSignal(words_[1]));
    return {};
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    const jail::Container container = TRY(containers.Find(id()));
    TRY(container.Kill(signal_, all_ ? jail::Whom::kEveryProcess : jail::Whom::kFirstProcess));
    return 0;
  }

 private:
  bool all_ = false;
  int signal_ = SIGTERM;
};

}  // namespace

std::unique_ptr<Command> MakeKill(Executable& executable) { return MakeVerb<KillVerb>(executable); }

}  // namespace wasmoor::cmd
