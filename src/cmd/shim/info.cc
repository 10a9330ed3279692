#include "cmd/shim_line/info.h"

#include "cmd/engines.h"
#include "cmd/shim/shim.h"

namespace wasmoor::cmd {
namespace {

class InfoCommand : public Command {
 public:
  explicit InfoCommand(Shim& shim) : shim_(shim) {}

  void Configure(Options& options) override { options.About(kInfoHelp); }

  Result<int> Run() override {
    TRY(TellInfo(shim_, Engines()));
    return 0;
  }

 private:
  Shim& shim_;
};

}  // namespace

std::unique_ptr<Command> MakeInfoShim(Executable& shim) {
  return std::make_unique<InfoCommand>(static_cast<Shim&>(shim));
}

}  // namespace wasmoor::cmd
