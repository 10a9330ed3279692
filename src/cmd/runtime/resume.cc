#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class ResumeVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About("Lets the processes of a paused container go on.");
    TakeContainer(options);
    options.Example("wasmoor-runtime resume c1", "c1 goes on where it stood.");
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    jail::Container container = TRY(containers.Find(id()));
    TRY(container.Resume());
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> MakeResume(Executable& executable) {
  return MakeVerb<ResumeVerb>(executable);
}

}  // namespace wasmoor::cmd
