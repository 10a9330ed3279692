#include "cmd/shim/shim.h"

#include <array>

#include "cmd/engines.h"
#include "cmd/line/pages.h"
#include "cmd/line/text.h"
#include "wasmoor/program/compiler.h"

namespace wasmoor::cmd {
namespace {

constexpr std::string_view kName = "containerd-shim-wasmtime-v1";
constexpr std::string_view kInfo = "info";

constexpr std::array kCommands = {
    CommandEntry{"start",
                 "Print the address of the shim of a container's pod; start it first, if "
                 "there is none",
                 MakeStartShim},
    CommandEntry{"delete", "Remove what is left of a container whose shim is gone", MakeDeleteShim},
    CommandEntry{kInfo, "Print what this runtime supports; also -info", MakeInfoShim},
    kHelpEntry,
    kManEntry,
    kCompletionEntry,
};

constexpr std::array<About::Pair, 1> kStatuses = {{
    {"1", "Not done; standard error says why"},
}};

constexpr std::array<About::Pair, 4> kEnvironment = {{
    kTtrpcAddress,
    kGrpcAddress,
    kMaxShimVersion,
    {"WASMOOR_CACHE_DIR", "Folder of the compiled modules, an absolute path"},
}};

constexpr std::array<About::Pair, 1> kExamples = {{
    {"ctr run --rm --runtime io.containerd.wasmtime.v1 docker.io/team/app:1 app",
     "Has containerd start it, for a container of a WebAssembly image"},
}};

constexpr About kAbout = {
    .name = kName,
    .opening =
        "containerd-shim-wasmtime-v1 holds the containers of a pod for containerd, of "
        "WebAssembly and of Linux programs.",
    .purpose = "hold the containers of a pod for containerd, of WebAssembly and of Linux programs",
    .description =
        "A shim of containerd for the runtime io.containerd.wasmtime.v1. containerd starts it, one "
        "for each pod, and no person has a reason to. It must be in the PATH of containerd, or the "
        "runtime's configuration must name its path. Containers run on when containerd is stopped, "
        "and it finds them again.",
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

}  // namespace

Shim::Shim(char* const* arguments)
    : ShimLine(kAbout, "io.containerd.wasmtime.v1"), arguments_(arguments) {}

std::string Shim::VersionText(bool json) const {
  if (json) return fmt::format("{{\"version\":\"{}\"}}\n", WASMOOR_VERSION);
  std::string text = fmt::format("{}:\n  Version:  {}\n", kName, WASMOOR_VERSION);
  for (const wasm::EngineFactory& engine : Engines())
    text += fmt::format("  Engine:   {} {}\n", engine.name, engine.version);
  return text;
}

int Shim::RunCompiler(std::span<char* const> words) {
  return program::RunCompiler(Engines().front(), words);
}

}  // namespace wasmoor::cmd
