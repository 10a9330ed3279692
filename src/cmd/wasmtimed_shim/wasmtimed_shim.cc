#include "cmd/wasmtimed_shim/wasmtimed_shim.h"

#include <array>

#include "cmd/line/pages.h"
#include "cmd/shim_line/info.h"

namespace wasmoor::cmd {
namespace {

constexpr std::string_view kName = "containerd-shim-wasmtimed-v1";

constexpr std::array kCommands = {
    CommandEntry{"start",
                 "Print the address of the sandbox of a container's pod; have the daemon make it "
                 "first, if there is none",
                 MakeStartSandbox},
    CommandEntry{"delete", "Remove what is left of a container that nobody is connected to",
                 MakeDeleteSandbox},
    CommandEntry{"info", "Print what this runtime supports; also -info", MakeTellInfo},
    kHelpEntry,
    kManEntry,
    kCompletionEntry,
};

constexpr std::array<About::Pair, 1> kStatuses = {{
    {"1", "Not done; standard error says why"},
}};

constexpr std::array<About::Pair, 3> kEnvironment = {
    {kTtrpcAddress, kGrpcAddress, kMaxShimVersion}};

constexpr std::array<About::Pair, 1> kExamples = {{
    {"ctr run --rm --runtime io.containerd.wasmtimed.v1 docker.io/team/app:1 app",
     "Has containerd start it, for a container of a WebAssembly image"},
}};

constexpr About kAbout = {
    .name = kName,
    .opening =
        "containerd-shim-wasmtimed-v1 asks the daemon of the node, containerd-wasmtimed, to hold "
        "the containers of a pod for containerd.",
    .purpose = "ask the node's daemon to hold the containers of a pod for containerd",
    .description =
        "A shim of containerd for the runtime io.containerd.wasmtimed.v1. containerd starts it, "
        "and "
        "no person has a reason to. It must be in the PATH of containerd, or the runtime's "
        "configuration must name its path. It serves nothing itself: containerd-wasmtimed must "
        "run, and listen at /run/io.containerd.wasmwasi.v1/manager.sock, or where the runtime's "
        "options say by the key daemon.address.",
    .manual_section = "8",
    .manual_heading = "System Administration",
    .version_letter = "-v",
    .usage_status = 1,
    .dialect = Dialect::kGo,
    .commands = kCommands,
    .statuses = kStatuses,
    .environment = kEnvironment,
    .examples = kExamples,
};

class WasmtimedShim : public ShimLine {
 public:
  WasmtimedShim() : ShimLine(kAbout, "io.containerd.wasmtimed.v1") {}

  std::string VersionText(bool json) const override {
    if (json) return fmt::format("{{\"version\":\"{}\"}}\n", WASMOOR_VERSION);
    return fmt::format("{}:\n  Version:  {}\n", kName, WASMOOR_VERSION);
  }
};

class InfoCommand : public Command {
 public:
  explicit InfoCommand(ShimLine& shim) : shim_(shim) {}

  void Configure(Options& options) override { options.About(kInfoHelp); }

  // Whatever engine the daemon has: it is asked about no container here.
  Result<int> Run() override {
    TRY(TellInfo(shim_, {}));
    return 0;
  }

 private:
  ShimLine& shim_;
};

}  // namespace

std::unique_ptr<ShimLine> MakeWasmtimedShim() { return std::make_unique<WasmtimedShim>(); }

std::unique_ptr<Command> MakeTellInfo(Executable& shim) {
  return std::make_unique<InfoCommand>(static_cast<ShimLine&>(shim));
}

}  // namespace wasmoor::cmd
