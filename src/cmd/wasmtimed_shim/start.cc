#include "cmd/shim_line/address.h"
#include "cmd/shim_line/bootstrap.h"
#include "cmd/shim_line/streams.h"
#include "cmd/wasmtimed_shim/daemon_call.h"
#include "cmd/wasmtimed_shim/wasmtimed_shim.h"
#include "proto/containerd/manager.pb.h"
#include "wasmoor/task/options.h"

namespace wasmoor::cmd {
namespace {

namespace api = ::runwasi::services::sandbox::v1;

class StartCommand : public Command {
 public:
  explicit StartCommand(ShimLine& shim) : shim_(shim) {}

  void Configure(Options& options) override {
    options.About(
        "Prints the address of the socket where the node's daemon serves the sandbox of the "
        "container's pod, which it makes if there is none yet. The current directory is the "
        "container's bundle, whose annotation io.containerd.runc.v2.group or "
        "io.kubernetes.cri.sandbox-id names the pod. Standard input are the parameters of the "
        "start, as containerd has them, or the runtime's options alone.");
    options.About(
        "The daemon is asked at /run/io.containerd.wasmwasi.v1/manager.sock, or at the path that "
        "the runtime's options have as address in the table [daemon].");
  }

  Status Check() override { return shim_.CheckOwner(); }

  Result<int> Run() override {
    const std::vector<uint8_t> input = TRY(ReadStandardInput());
    const Bootstrap bootstrap =
        TRY(ParseBootstrap(input, {.id = shim_.id(),
                                   .name_space = shim_.name_space(),
                                   .knows_versions = !Variable("MAX_SHIM_VERSION").empty()}));
    task::Options options;
    TRY(task::ApplyAny(bootstrap.options, &options));
    ttrpc::BlockingClient daemon = TRY(ConnectToDaemon(options.daemon_address));
    const auto made =
        TRY_AS(AskDaemon<api::CreateResponse>(daemon, "Create", TRY(RequestFor(bootstrap))),
               "containerd-wasmtimed");
    TRY_AS(NoteDaemon(TRY(shim_.Bundle()), options.daemon_address), "the bundle");
    TRY_AS(WriteAddress(made.socket_path()), "the bundle's address");
    TRY(WriteStandardOutput(BootstrapAnswer(bootstrap.form, AddressOf(made.socket_path()))));
    return 0;
  }

 private:
  Result<api::CreateRequest> RequestFor(const Bootstrap& bootstrap) const {
    api::CreateRequest request;
    request.set_namespace_(shim_.name_space());
    request.set_id(TRY(GroupOf(shim_.id())));
    request.set_ttrpc_address(Variable("TTRPC_ADDRESS"));
    request.set_working_directory(TRY(shim_.Bundle()));
    request.set_containerd_address(shim_.containerd_address());
    request.set_publish_binary(shim_.publish_binary());
    request.set_debug(shim_.debug() || bootstrap.debug);
    *request.mutable_options() = bootstrap.options;
    return request;
  }

  ShimLine& shim_;
};

}  // namespace

std::unique_ptr<Command> MakeStartSandbox(Executable& shim) {
  return std::make_unique<StartCommand>(static_cast<ShimLine&>(shim));
}

}  // namespace wasmoor::cmd
