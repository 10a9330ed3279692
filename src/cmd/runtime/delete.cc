#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class DeleteVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About(
        "Removes a stopped container: its control group and what is kept of it. The bundle stays.");
    options
        .Flag("--force", force_,
              "Kill it first, whatever its state; one that does not exist is no error")
        .Letter("-f");
    TakeContainer(options);
    options.Example("wasmoor-runtime delete --force c1", "Removes c1 even if it runs.");
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    std::vector<std::string> warnings;
    TRY(containers.Delete(id(), force_ ? jail::Force::kYes : jail::Force::kNo, &warnings));
    runtime_.Warn(warnings);
    return 0;
  }

 private:
  bool force_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeDelete(Executable& executable) {
  return MakeVerb<DeleteVerb>(executable);
}

}  // namespace wasmoor::cmd
