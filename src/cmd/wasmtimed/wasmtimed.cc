#include "cmd/wasmtimed/wasmtimed.h"

#include <array>

#include "cmd/engines.h"
#include "cmd/line/pages.h"
#include "wasmoor/program/compiler.h"

namespace wasmoor::cmd {
namespace {

constexpr std::string_view kName = "containerd-wasmtimed";

constexpr std::array kCommands = {
    CommandEntry{"serve", "Serve the sandboxes of this node; what is done if no command is named",
                 MakeServeDaemon},
    CommandEntry{"upgrade",
                 "Have the daemon that runs go on as the program that is installed now; --upgrade "
                 "does the same",
                 MakeUpgradeDaemon},
    kHelpEntry,
    kManEntry,
    kCompletionEntry,
};

constexpr std::array<About::Pair, 2> kStatuses = {{
    {"1", "It could not serve, or not any longer; the log says why"},
    {"2", "The command line is wrong"},
}};

constexpr std::array<About::Pair, 8> kEnvironment = {{
    {"NOTIFY_SOCKET", "Who is told that it is ready (sd_notify(3))"},
    {"WATCHDOG_USEC", "How often it must say that it is alive (sd_watchdog_enabled(3))"},
    {"LISTEN_FDS", "Sockets that are open already (sd_listen_fds(3)): 'manager' and 'controller'"},
    {"WASMOOR_CACHE_DIR", "Folder of the compiled modules, an absolute path"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT",
     "Collector that gets traces, as OTLP over HTTP: http://127.0.0.1:4318; none: no traces"},
    {"OTEL_EXPORTER_OTLP_HEADERS", "What is sent with every request to it: NAME=VALUE,..."},
    {"OTEL_TRACES_SAMPLER", "Which calls are traced, with OTEL_TRACES_SAMPLER_ARG"},
    {"OTEL_SERVICE_NAME", "What traces call it, with OTEL_RESOURCE_ATTRIBUTES"},
}};

constexpr std::array<About::Pair, 3> kExamples = {{
    {"containerd-wasmtimed --upgrade", "After an update: nothing that runs ends by it"},
    {"systemctl start containerd-wasmtimed", "Starts it as the service that it is meant to be"},
    {"ctr run --rm --runtime io.containerd.wasmtimed.v1 docker.io/team/app:1 app",
     "Has containerd run a container in it"},
}};

constexpr About kAbout = {
    .name = kName,
    .opening =
        "containerd-wasmtimed holds the containers of all pods of a node for containerd, of "
        "WebAssembly and of Linux programs.",
    .purpose = "hold the containers of all pods of a node for containerd",
    .description =
        "The one wasm host of a node. containerd's runtime io.containerd.wasmtimed.v1 is "
        "containerd-shim-wasmtimed-v1, which asks this daemon for a pod's sandbox and ends; no pod "
        "has a process of its own but those of its containers. Runs as root. Its end ends the "
        "containers of its sandboxes: containerd is told so, and a kubelet makes them anew once it "
        "runs again.",
    .manual_section = "8",
    .manual_heading = "System Administration",
    .version_letter = "-v",
    .commands = kCommands,
    .statuses = kStatuses,
    .environment = kEnvironment,
    .examples = kExamples,
};

}  // namespace

Wasmtimed::Wasmtimed(char* const* arguments) : Executable(kAbout), arguments_(arguments) {}

void AddDaemonOptions(Options& options, DaemonFlags* flags) {
  options
      .Value("--config", flags->config, "FILE",
             "Settings, as TOML; /etc/wasmoor/wasmtimed.toml if that exists")
      .Complete(Completes::kFiles);
  options
      .Value("--listen", flags->listen, "PATH",
             "Socket where shims ask for sandboxes; /run/io.containerd.wasmwasi.v1/manager.sock")
      .Complete(Completes::kFiles);
}

std::string Wasmtimed::VersionText(bool json) const {
  if (json) return fmt::format("{{\"version\":\"{}\"}}\n", WASMOOR_VERSION);
  std::string text = fmt::format("{}:\n  Version:  {}\n", kName, WASMOOR_VERSION);
  for (const wasm::EngineFactory& engine : Engines())
    text += fmt::format("  Engine:   {} {}\n", engine.name, engine.version);
  return text;
}

int Wasmtimed::Report(const Command* command, std::string_view command_name, const Error& error,
                      Failure failure) {
  constexpr int kFailed = 1;
  Print(command, command_name, error);
  return failure == Failure::kUsage ? kAbout.usage_status : kFailed;
}

std::vector<char*> Wasmtimed::Arrange(std::span<char* const> words) const {
  static char serve[] = "serve";
  constexpr std::array<std::string_view, 5> kOwn = {"-h", "--help", "-v", "--version", "--json"};
  std::vector<char*> arranged(words.begin(), words.end());
  const std::string_view first = words.size() > 1 ? words[1] : "";
  static char upgrade[] = "upgrade";
  if (first == "--upgrade") {
    arranged[1] = upgrade;
    return arranged;
  }
  const bool is_own = std::find(kOwn.begin(), kOwn.end(), first) != kOwn.end();
  if (first.empty() || (first.starts_with('-') && !is_own))
    arranged.insert(arranged.begin() + 1, serve);
  return arranged;
}

int RunCompiler(std::span<char* const> words) {
  return program::RunCompiler(Engines().front(), words);
}

}  // namespace wasmoor::cmd
