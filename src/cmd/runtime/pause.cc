#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class PauseVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About("Suspends all processes of a running container, by its control group.");
    TakeContainer(options);
    options.Example("wasmoor-runtime pause c1", "Nothing of c1 runs until 'resume'.");
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    jail::Container container = TRY(containers.Find(id()));
    TRY(container.Pause());
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> MakePause(Executable& executable) {
  return MakeVerb<PauseVerb>(executable);
}

}  // namespace wasmoor::cmd
