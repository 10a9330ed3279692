#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/engines.h"
#include "cmd/line/json_text.h"
#include "cmd/runtime/features_document.h"
#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class FeaturesCommand : public Command {
 public:
  void Configure(Options& options) override {
    options.About(
        "The document of features.md of the OCI runtime specification: namespaces, mount options, "
        "hooks, capabilities and the rest that a configuration may name.");
    options.Example("wasmoor-runtime features | jq .mountOptions", "The mount options it knows.");
  }

  Result<int> Run() override {
    fputs(JsonText(FeaturesDocument(Engines())).c_str(), stdout);
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> MakeFeatures(Executable& executable) {
  return Make<FeaturesCommand>(executable);
}

}  // namespace wasmoor::cmd
