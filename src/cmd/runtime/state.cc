#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "cmd/runtime/state_document.h"
#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class StateVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About(
        "The state as the OCI runtime specification has it; 'paused' is one more status. It is "
        "looked at now: a container whose program ended is 'stopped'.");
    TakeContainer(options);
    options.Example("wasmoor-runtime state c1 | jq -r .status", "Says whether c1 runs.");
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    Summary summary = Summarize(TRY(containers.Find(id())));
    NameOwners({&summary, 1});
    fputs(JsonText(StateDocument(summary)).c_str(), stdout);
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> MakeState(Executable& executable) {
  return MakeVerb<StateVerb>(executable);
}

}  // namespace wasmoor::cmd
