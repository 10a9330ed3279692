#include "cmd/runtime/runtime.h"

#include <seccomp.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cmd/engines.h"
#include "cmd/line/json_text.h"
#include "cmd/line/pages.h"
#include "cmd/line/text.h"
#include "cmd/runtime/state_root.h"
#include "cmd/runtime/verb.h"
#include "wasmoor/oci/state.h"
#include "wasmoor/os/self.h"
#include "wasmoor/program/compiler.h"

namespace wasmoor::cmd {
namespace {

constexpr int kExecFailed = 255;

constexpr std::array kCommands = {
    CommandEntry{"create", "Create a container", MakeCreate},
    CommandEntry{"start", "Start the program of a created container", MakeStart},
    CommandEntry{"state", "Print the state of a container as JSON", MakeState},
    CommandEntry{"kill", "Send a signal to a container", MakeKill},
    CommandEntry{"delete", "Remove a stopped container and all that belongs to it", MakeDelete},
    CommandEntry{"run", "Create a container, start it, wait for its end and delete it", MakeRun},
    CommandEntry{"exec", "Run another program in a running container", MakeExec},
    CommandEntry{"ps", "List the processes of a container", MakePs},
    CommandEntry{"pause", "Suspend all processes of a container", MakePause},
    CommandEntry{"resume", "Let a paused container go on", MakeResume},
    CommandEntry{"update", "Change the limits of a container", MakeUpdate},
    CommandEntry{"list", "List containers", MakeList},
    CommandEntry{"events", "Print what a container uses, and when it runs out of memory",
                 MakeEvents},
    CommandEntry{"features", "Print what this runtime supports as JSON", MakeFeatures},
    CommandEntry{"spec", "Write a configuration to begin with", MakeSpec},
    CommandEntry{"checkpoint", "Not supported: save a running container", MakeCheckpoint},
    CommandEntry{"restore", "Not supported: start a saved container", MakeRestore},
    kHelpEntry,
    kManEntry,
    kCompletionEntry,
};

constexpr std::array<About::Pair, 1> kStatuses = {{
    {"1", "Not done; standard error and the log say why"},
}};

constexpr std::array<About::Pair, 2> kEnvironment = {{
    {"XDG_RUNTIME_DIR", "Without root's rights, containers are kept in its folder wasmoor"},
    {"WASMOOR_CACHE_DIR", "Folder of the compiled modules, an absolute path"},
}};

constexpr std::array<About::Pair, 3> kExamples = {{
    {"wasmoor-runtime spec", "Writes a config.json, for a rootfs/ beside it"},
    {"wasmoor-runtime run c1", "Runs that in a container called c1"},
    {"podman run --runtime wasmoor-runtime alpine true", "Has podman do all of it"},
}};

constexpr About kAbout = {
    .name = "wasmoor-runtime",
    .opening = "wasmoor-runtime runs containers, of WebAssembly and of Linux programs.",
    .purpose = "run containers, of WebAssembly and of Linux programs",
    .description =
        "An OCI runtime: it makes the container that a bundle describes, a directory with a "
        "config.json and a root filesystem. Programs such as podman and containerd call it, with "
        "the command lines of runc(8). A container whose program is a WebAssembly module or "
        "component is run by the engine in it, without any program of the host.",
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

Words LogFormats() { return {"text", "json"}; }
Words RootlessWords() { return {"auto", "true", "false"}; }

}  // namespace

Runtime::Runtime(char* const* arguments) : Executable(kAbout), arguments_(arguments) {}

Status Runtime::Protect() const {
  TRY_AS(os::ProtectSelf(arguments_), "this program");
  return {};
}

void Runtime::ConfigureGlobals(Options& options) {
  options.Value("--root", root_, "DIR", "Keep containers here instead of in /run/wasmoor")
      .Complete(Completes::kDirectories);
  options.Value("--log", log_file_, "FILE", "Append errors to this file as well")
      .Complete(Completes::kFiles);
  options.Value("--log-format", log_format_, "FORMAT", "How the log is written: text or json")
      .OneOf(LogFormats);
  options.Flag("--debug", debug_, "Log what is done, too");
  options.Flag("--systemd-cgroup", systemd_cgroup_,
               "Have control groups made by systemd; linux.cgroupsPath is slice:prefix:name then");
  options
      .Value("--rootless", rootless_, "WHETHER",
             "Whether the caller lacks root's rights: auto, true or false")
      .OneOf(RootlessWords);
  options.Value("--criu", criu_, "PATH", "Of no effect: nothing is checkpointed").Hide();
}

Status Runtime::CheckGlobals() {
  log_.SetFile(log_file_, log_format_ == "json" ? LogFormat::kJson : LogFormat::kText);
  return {};
}

std::string Runtime::VersionText(bool json) const {
  const struct scmp_version* seccomp = seccomp_version();
  const std::string library =
      fmt::format("{}.{}.{}", seccomp->major, seccomp->minor, seccomp->micro);
  const std::string spec = oci::State().oci_version;
  if (json) {
    Json report = {{"version", WASMOOR_VERSION}, {"spec", spec}, {"libseccomp", library}};
    for (const wasm::EngineFactory& engine : Engines())
      report["engines"].push_back({{"name", engine.name}, {"version", engine.version}});
    return JsonLine(report);
  }
  std::string text = fmt::format("wasmoor-runtime version {}\nspec: {}\nlibseccomp: {}\n",
                                 WASMOOR_VERSION, spec, library);
  for (const wasm::EngineFactory& engine : Engines())
    text += fmt::format("engine: {} {}\n", engine.name, engine.version);
  return text;
}

int Runtime::Report(const Command* command, std::string_view command_name, const Error& error,
                    Failure failure) {
  if (const Status logged = log_.Write(Level::kError, error.message()); !logged)
    Print(nullptr, command_name, logged.error());
  if (log_.has_file()) {
    // Whoever gives a log shows standard error under a name of his own.
    fputs((Printable(error.message()) + '\n').c_str(), stderr);
  } else {
    Print(command, command_name, error);
  }
  return failure == Failure::kRun && command_name == "exec" ? kExecFailed : kAbout.usage_status;
}

void Runtime::Say(Level level, std::string_view message) {
  if (log_.has_file() && log_.Write(level, message)) return;
  fputs(fmt::format("wasmoor-runtime: {}: {}\n", level == Level::kDebug ? "debug" : "warning",
                    Printable(message))
            .c_str(),
        stderr);
}

void Runtime::Warn(std::span<const std::string> warnings) {
  for (const std::string& warning : warnings) Say(Level::kWarning, warning);
}

void Runtime::Debug(std::string_view message) {
  if (debug_) Say(Level::kDebug, message);
}

Result<jail::Containers> Runtime::Open() {
  if (root_.empty()) root_ = TRY(DefaultStateRoot(Caller::Now(), rootless_));
  std::error_code failed;
  root_ = std::filesystem::absolute(root_, failed);
  if (failed) return FailErrno(failed.value(), "--root");
  Debug(fmt::format("containers are kept in {}", root_));
  return jail::Containers::Open({.root = root_});
}

jail::Executors Runtime::executors() {
  if (!wasm_) {
    container::WasmOptions options;
    options.engine = Engines().front();
    options.caches = container::CacheDirectories(root_);
    options.compiler = {std::string(name()), std::string(kCompilerWord)};
    options.warn = [this](std::string_view line) { Say(Level::kWarning, line); };
    wasm_.emplace(std::move(options));
    executors_ = {&*wasm_, &native_};
  }
  return executors_;
}

int Runtime::RunCompiler(std::span<char* const> words) {
  return program::RunCompiler(Engines().front(), words);
}

}  // namespace wasmoor::cmd
