#include "cmd/shim/shim.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "cmd/engines.h"
#include "cmd/line/pages.h"
#include "cmd/line/text.h"
#include "wasmoor/container/executor.h"

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
    {"TTRPC_ADDRESS", "Socket where containerd takes events"},
    {"GRPC_ADDRESS", "Socket where containerd is asked for images"},
    {"MAX_SHIM_VERSION", "Set by a containerd that knows versions of the task service"},
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

Shim::Shim(char* const* arguments) : Executable(kAbout), arguments_(arguments) {}

void Shim::ConfigureGlobals(Options& options) {
  options.Value("--namespace", namespace_, "NAME", "Namespace of containerd that it is for");
  options.Value("--id", id_, "ID", "Container that it is for");
  options.Value("--address", address_, "SOCKET", "Where containerd listens")
      .Complete(Completes::kFiles);
  options
      .Value("--publish-binary", publish_binary_, "PATH",
             "containerd itself, which publishes events where TTRPC_ADDRESS is not set")
      .Complete(Completes::kFiles);
  options
      .Value("--bundle", bundle_, "DIR",
             "Directory of the container's configuration; the current one if it is not given")
      .Complete(Completes::kDirectories);
  options.Flag("--debug", debug_, "Log what is done, too");
  options.Value("--socket", socket_, "PATH", "Of no effect: start finds the path").Hide();
}

std::string Shim::VersionText(bool json) const {
  if (json) return fmt::format("{{\"version\":\"{}\"}}\n", WASMOOR_VERSION);
  std::string text = fmt::format("{}:\n  Version:  {}\n", kName, WASMOOR_VERSION);
  for (const wasm::EngineFactory& engine : Engines())
    text += fmt::format("  Engine:   {} {}\n", engine.name, engine.version);
  return text;
}

int Shim::Report(const Command* command, std::string_view command_name, const Error& error,
                 Failure) {
  Print(command, command_name, error);
  return kAbout.usage_status;
}

Status Shim::CheckOwner() const {
  // They become parts of paths.
  for (const auto& [flag, value] : {std::pair("-namespace", &namespace_), std::pair("-id", &id_)}) {
    if (value->empty() || *value == "." || *value == ".." || value->find('/') != std::string::npos)
      return Fail(Code::kInvalidArgument, "{} must be a name, is '{}'", flag, *value);
  }
  return {};
}

Result<std::string> Shim::Bundle() const {
  std::error_code failed;
  std::string path = std::filesystem::absolute(bundle_.empty() ? "." : bundle_, failed);
  if (failed) return FailErrno(failed.value(), "the bundle's directory");
  if (path.ends_with("/.")) path.resize(path.size() - 2);
  return path;
}

std::string Shim::StateRoot() const {
  return fmt::format("/run/wasmoor/containerd/{}", namespace_);
}

int Shim::RunCompiler(std::span<char* const> words) {
  return container::RunCompiler(Engines().front(), words);
}

std::vector<char*> ArrangeWords(std::span<char* const> words) {
  static char info[] = "info";
  std::vector<char*> arranged(words.begin(), words.end());
  const auto is_info = [](const char* word) {
    return std::string_view(word) == "-info" || std::string_view(word) == "--info";
  };
  const auto found = std::find_if(arranged.begin(), arranged.end(), is_info);
  if (found == arranged.end()) return arranged;
  arranged.erase(found);
  arranged.push_back(info);
  return arranged;
}

}  // namespace wasmoor::cmd
