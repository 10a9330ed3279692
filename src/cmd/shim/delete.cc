#include "cmd/shim/shim.h"
#include "cmd/shim_line/clear.h"

namespace wasmoor::cmd {
namespace {

class DeleteCommand : public Command {
 public:
  explicit DeleteCommand(Shim& shim) : shim_(shim) {}

  void Configure(Options& options) override {
    options.About(
        "Kills what runs in the container, unmounts its root filesystem and removes everything "
        "else "
        "of it. Prints a message of the type containerd.task.v2.DeleteResponse, for containerd: "
        "how "
        "the container ended, as far as that is known; status 137 if it had to be killed.");
  }

  Status Check() override { return shim_.CheckOwner(); }

  Result<int> Run() override {
    TRY(ClearAndTell(shim_));
    return 0;
  }

 private:
  Shim& shim_;
};

}  // namespace

std::unique_ptr<Command> MakeDeleteShim(Executable& shim) {
  return std::make_unique<DeleteCommand>(static_cast<Shim&>(shim));
}

}  // namespace wasmoor::cmd
