#include <optional>

#include "cmd/shim_line/address.h"
#include "cmd/shim_line/clear.h"
#include "cmd/shim_line/streams.h"
#include "cmd/wasmtimed_shim/daemon_call.h"
#include "cmd/wasmtimed_shim/wasmtimed_shim.h"
#include "proto/containerd/manager.pb.h"
#include "proto/containerd/task.pb.h"

namespace wasmoor::cmd {
namespace {

namespace api = ::runwasi::services::sandbox::v1;

class DeleteCommand : public Command {
 public:
  explicit DeleteCommand(ShimLine& shim) : shim_(shim) {}

  void Configure(Options& options) override {
    options.About(
        "Has the node's daemon kill what runs in the container and remove it. If the daemon does "
        "not run, or does not know of the container, what is left of it is cleared here. Prints a "
        "message of the type containerd.task.v2.DeleteResponse, for containerd: how the container "
        "ended, as far as that is known; status 137 if it had to be killed.");
  }

  Status Check() override { return shim_.CheckOwner(); }

  Result<int> Run() override {
    const auto ended = TRY(AskForEnd());
    if (!ended) {
      TRY(ClearAndTell(shim_));
      return 0;
    }
    ::containerd::task::v2::DeleteResponse response;
    response.set_pid(ended->pid());
    response.set_exit_status(ended->exit_status());
    *response.mutable_exited_at() = ended->exited_at();
    TRY(WriteStandardOutput(response.SerializeAsString()));
    return 0;
  }

 private:
  // Nothing if the daemon cannot have the container.
  Result<std::optional<api::DeleteResponse>> AskForEnd() {
    auto daemon = ConnectToDaemon(TRY(NotedDaemon(TRY(shim_.OwnBundle()))));
    if (!daemon && daemon.error().code() == Code::kUnavailable) return std::nullopt;
    if (!daemon) return tl::unexpected(std::move(daemon).error());
    api::DeleteRequest request;
    request.set_namespace_(shim_.name_space());
    request.set_id(shim_.id());
    if (const Result<std::string> group = GroupOf(shim_.id())) request.set_group(*group);
    auto ended = AskDaemon<api::DeleteResponse>(*daemon, "Delete", request);
    if (ended) return *std::move(ended);
    // It has ended meanwhile, or knows of no such container.
    const Code code = ended.error().code();
    if (code == Code::kNotFound || code == Code::kUnavailable) return std::nullopt;
    return tl::unexpected(std::move(ended).error().WithContext("containerd-wasmtimed"));
  }

  ShimLine& shim_;
};

}  // namespace

std::unique_ptr<Command> MakeDeleteSandbox(Executable& shim) {
  return std::make_unique<DeleteCommand>(static_cast<ShimLine&>(shim));
}

}  // namespace wasmoor::cmd
