#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class StartVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About("Lets the program begin for which the container was created.");
    TakeContainer(options);
    options.Example("wasmoor-runtime start c1", "Starts what 'create' has made.");
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    jail::Container container = TRY(containers.Find(id()));
    std::vector<std::string> warnings;
    TRY(container.Start(&warnings));
    runtime_.Warn(warnings);
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> MakeStart(Executable& executable) {
  return MakeVerb<StartVerb>(executable);
}

}  // namespace wasmoor::cmd
