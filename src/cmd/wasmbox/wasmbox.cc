#include "cmd/wasmbox/wasmbox.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cmd/engines.h"
#include "cmd/functions/function_flags.h"

namespace wasmoor::cmd {
namespace {

constexpr std::string_view kName = "wasmbox";

class ServeBox : public Command {
 public:
  void Configure(Options& options) override;
  Status Check() override;
  Result<int> Run() override { return ServeFunctions(options_); }

 private:
  std::string functions_, config_, cache_directory_, isolate_;
  std::vector<std::string> set_, admin_;
  FunctionServerOptions options_;
};

void ServeBox::Configure(Options& options) {
  options.About(
      "It is wasmoor serve as WasmBox's environment variables set it up: its ports, its fields, "
      "its "
      "replies. What it is asked beyond that stands in a file of settings (wasmoor serve --help).");
  options
      .Value("--functions", functions_, "DIR", "Where the functions are; the default is functions")
      .Complete(Completes::kDirectories);
  options.Value("--config", config_, "FILE", "Settings, as TOML; variables count for more")
      .Complete(Completes::kFiles);
  options.Repeated("--set", set_, "KEY=VALUE", "A setting of that file; counts for most");
  options.Repeated("--admin", admin_, "ADDRESS",
                   "Where the operator's page is; who reaches it may call every function");
  options
      .Value("--isolate", isolate_, "MODE",
             "Whether tenants' functions share a process, or each tenant's have one of their own; "
             "thread")
      .OneOf([]() -> Words { return {"thread", "process"}; });
  options.Value("--cache-dir", cache_directory_, "DIR", "Folder of the compiled functions")
      .Complete(Completes::kDirectories);
  options.ExitStatus("0", "It was told to end, and has");
}

Status ServeBox::Check() {
  function::ServerSettings& settings = options_.settings;
  settings.functions = "functions";
  settings.reply = function::Reply::kWasmbox;
  if (!config_.empty()) TRY_AS(ReadFunctionSettings(config_, &settings), "--config");
  const auto warn = [](std::string_view line) {
    fprintf(stderr, "wasmbox: %.*s\n", static_cast<int>(line.size()), line.data());
  };
  const auto get = [](const char* name) -> const char* { return std::getenv(name); };
  TRY(ReadWasmboxEnvironment(get, warn, &options_));
  if (!functions_.empty()) settings.functions = functions_;
  if (!admin_.empty()) settings.admin = admin_;
  if (!isolate_.empty()) {
    TRY_AS(SetFunctionSetting("isolate", settings::Text{isolate_}, &settings), "--isolate");
  }
  for (const std::string& one : set_) TRY(SetFunctionSettingText(one, &settings));
  settings.functions = std::filesystem::absolute(settings.functions).string();
  options_.engine = Engines().front();
  options_.cache_directory = cache_directory_;
  options_.who = kName;
  return {};
}

constexpr std::array kCommands = {
    CommandEntry{"serve", "Serve functions; what is done if no command is named", Make<ServeBox>},
    kHelpEntry,
    kManEntry,
    kCompletionEntry,
};

constexpr std::array<About::Pair, 2> kStatuses = {{
    {"1", "It could not serve; the message says why"},
    {"2", "The command line, or a variable, is wrong"},
}};

constexpr std::array<About::Pair, 14> kEnvironment = {{
    {"WEBSERVER_HOST", "Where requests come in, with WEBSERVER_PORT (8095, or Knative's PORT)"},
    {"HEALTHCHECK_HOST", "Where /ready, /live and /metrics are, with HEALTHCHECK_PORT (8086)"},
    {"ENABLE_CGROUPS", "false: CPU limits are kept by guests' own clocks"},
    {"MEMORY_LIMIT", "For all guests together, in MB; what the server's own limit leaves"},
    {"POD_UID", "Told in the field Pod of each reply"},
    {"LOG_LEVEL", "debug: every request is told of, and not only those that fail"},
    {"READINESS_UTILIZATION_TRESHOLD",
     "Of the memory for guests; where more is promised, it is not ready"},
    {"READINESS_WINDOW", "Seconds over which that is averaged (10)"},
    {"QP_HOST", "Knative's queue-proxy, with QP_PORT: ws://127.0.0.1 and 9096"},
    {"REPORTING_PERIOD_MS", "How often it is told how busy this is (50)"},
    {"METRICS_COLLECTION_WINDOW", "Reports over which that is averaged"},
    {"MAX_RETRIES",
     "Tries after which the operator is told that nobody is there; with "
     "RETRY_DELAY_SEC between them at first"},
    {"WASM_RUNTIME", "wasmtime or wasmedge; functions of both run"},
    {"WASMOOR_CACHE_DIR", "Folder of the compiled functions, an absolute path"},
}};

constexpr std::array<About::Pair, 2> kExamples = {{
    {"wasmbox", "Serves ./functions on port 8095"},
    {"curl -H 'cpu_quota: 500' -H 'Memory-Request: 200' localhost:8095/hello", "Calls one"},
}};

constexpr About kAbout = {
    .name = kName,
    .opening =
        "wasmbox serves the WebAssembly functions of a directory, each request in a sandbox with "
        "a CPU and a memory limit of its own.",
    .purpose = "serve WebAssembly functions, many tenants' in one container",
    .description =
        "A serverless multiplexer for Kubernetes and Knative, set up by WasmBox's environment "
        "variables. A file NAME.wasm in the directory is the function /NAME.",
    .manual_section = "1",
    .manual_heading = "User Commands",
    .version_letter = "-V",
    .commands = kCommands,
    .statuses = kStatuses,
    .environment = kEnvironment,
    .examples = kExamples,
};

}  // namespace

Wasmbox::Wasmbox() : Executable(kAbout) {}

std::string Wasmbox::VersionText(bool json) const {
  if (json) return fmt::format("{{\"version\":\"{}\"}}\n", WASMOOR_VERSION);
  std::string text = fmt::format("wasmbox {}\n", WASMOOR_VERSION);
  for (const wasm::EngineFactory& engine : Engines())
    text += fmt::format("engine {} {}\n", engine.name, engine.version);
  return text;
}

int Wasmbox::Report(const Command* command, std::string_view command_name, const Error& error,
                    Failure failure) {
  constexpr int kFailed = 1;
  Print(command, command_name, error);
  return failure == Failure::kUsage ? kAbout.usage_status : kFailed;
}

std::vector<char*> Wasmbox::Arrange(std::span<char* const> words) {
  static char serve[] = "serve";
  constexpr std::array<std::string_view, 5> kOwn = {"-h", "--help", "-V", "--version", "--json"};
  std::vector<char*> arranged(words.begin(), words.end());
  const std::string_view first = words.size() > 1 ? words[1] : "";
  bool is_own = false;
  for (const std::string_view one : kOwn) is_own = is_own || one == first;
  if (first.empty() || (first.starts_with('-') && !is_own))
    arranged.insert(arranged.begin() + 1, serve);
  return arranged;
}

}  // namespace wasmoor::cmd
