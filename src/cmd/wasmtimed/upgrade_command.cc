#include <chrono>

#include "cmd/wasmtimed/config.h"
#include "cmd/wasmtimed/wasmtimed.h"
#include "proto/wasmoor/daemon.pb.h"
#include "wasmoor/ttrpc/client.h"

namespace wasmoor::cmd {
namespace {

namespace api = ::wasmoor::daemon::v1;

constexpr const char* kService = "wasmoor.daemon.v1.Daemon";
// What is under way comes to its end before, and thousands of sandboxes are taken over.
constexpr std::chrono::seconds kPatience{60};

class UpgradeCommand : public Command {
 public:
  void Configure(Options& options) override {
    AddDaemonOptions(options, &flags_);
    options.About(
        "Has the daemon that runs go on as the program that is installed now under its name, in "
        "the same process: after an update of the package, say. Nothing ends by it: containers "
        "run on, and containerd's connections stay. Guests that run in its hosts stay there, with "
        "the engine of before, until they end (the setting upgrade_deadline has them killed "
        "earlier); what is started from then on has the new one.");
    options.About(
        "The new program is asked first whether the settings are right and whether it can go on "
        "with what the old one holds; if not, nothing changes, and this command says why.");
  }

  Result<int> Run() override {
    const DaemonConfig config = TRY(ReadDaemonConfig(flags_));
    auto connected = ttrpc::BlockingClient::Connect(config.listen);
    if (!connected)
      return Fail(connected.error().code(),
                  "no daemon answers at {}: {}; is it started ('systemctl status "
                  "containerd-wasmtimed'), with --listen at another path?",
                  config.listen, connected.error().message());
    const auto before = TRY(connected->Call<api::InfoResponse>(
        kService, "Info", api::InfoRequest(), {.timeout = kPatience, .metadata = {}}));
    api::UpgradeRequest request;
    request.set_instance(before.instance());
    const auto after = TRY(connected->Call<api::InfoResponse>(
        kService, "Upgrade", request, {.timeout = kPatience, .metadata = {}}));
    fmt::print("process {}: version {} goes on with what {} held: {} {}\n", after.pid(),
               after.version(), before.version(), after.sandboxes(),
               after.sandboxes() == 1 ? "sandbox" : "sandboxes");
    return 0;
  }

 private:
  DaemonFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeUpgradeDaemon(Executable&) {
  return std::make_unique<UpgradeCommand>();
}

}  // namespace wasmoor::cmd
