#include <cstdio>
#include <filesystem>

#include "cmd/shim/address.h"
#include "cmd/shim/shim.h"
#include "cmd/shim/streams.h"
#include "proto/containerd/task.pb.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/sandbox/process/process_sandbox.h"
#include "wasmoor/ttrpc/timestamp.h"

namespace wasmoor::cmd {
namespace {

using ::containerd::task::v2::DeleteResponse;

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
    const std::string bundle = TRY(OwnBundle());
    DeleteResponse response;
    response.set_pid(PidNow());
    const sandbox::Exit exit = TRY(sandbox::ClearContainer(shim_.StateRoot(), shim_.id(), bundle));
    response.set_exit_status(exit.status);
    ttrpc::SetTime(exit.at, response.mutable_exited_at());
    RemoveSocket(bundle);
    TRY(WriteStandardOutput(response.SerializeAsString()));
    return 0;
  }

 private:
  // containerd starts this in the bundle of any container of the pod.
  Result<std::string> OwnBundle() const {
    const std::filesystem::path bundle = TRY(shim_.Bundle());
    return (bundle.parent_path() / shim_.id()).string();
  }

  // 0 if it does not run, or nobody knows.
  uint32_t PidNow() const {
    const auto containers = jail::Containers::Open({.root = shim_.StateRoot()});
    if (!containers) return 0;
    const Result<jail::Container> container = containers->Find(shim_.id());
    return container ? static_cast<uint32_t>(container->state().pid) : 0;
  }

  // A shim that was killed has left it.
  static void RemoveSocket(const std::string& bundle) {
    const Result<std::string> path = ReadAddress(bundle);
    if (!path) return;
    // containerd logs what is on standard error, and goes on.
    if (const Status removed = RemoveDeadSocket(*path); !removed)
      fputs((Printable(removed.error().message()) + '\n').c_str(), stderr);
  }

  Shim& shim_;
};

}  // namespace

std::unique_ptr<Command> MakeDeleteShim(Executable& shim) {
  return std::make_unique<DeleteCommand>(static_cast<Shim&>(shim));
}

}  // namespace wasmoor::cmd
