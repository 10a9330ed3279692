#include "cmd/wasmoor/serve.h"

#include <array>
#include <filesystem>
#include <utility>

#include "cmd/functions/function_flags.h"

namespace wasmoor::cmd {
namespace {

Words ReplyWords() { return {"auto", "plain", "cgi", "wasmbox"}; }
Words GroupWords() { return {"auto", "off", "required"}; }
Words IsolateWords() { return {"thread", "process"}; }
Words LogWords() { return {"none", "failures", "all"}; }

}  // namespace

void ServeCommand::Configure(Options& options) {
  options.About(
      "Each file NAME.wasm in the directory is the function /NAME, and each TENANT/NAME.wasm the "
      "function /TENANT/NAME: a WASI command that gets the request's body on standard input and "
      "CGI variables in its environment, or a component of wasi:http. A file that is put there can "
      "be called at once. NAME.toml beside it is its manifest.");
  options.About(
      "Every request runs in a fresh instance, which may use what the fields cpu_quota "
      "(thousandths of a CPU) and Memory-Request (MB) of the request say, and is granted nothing "
      "that no setting allows.");
  options.Section("Server");
  options
      .Value("--functions", functions_, "DIR", "Where the functions are; the default is functions")
      .Complete(Completes::kDirectories);
  options.Repeated("--listen", listen_, "ADDRESS",
                   "Where requests come in: 127.0.0.1:8080, :8080, unix:/path; may be repeated");
  options.Repeated("--health", health_, "ADDRESS", "Where /ready, /live and /metrics are");
  options.Repeated("--admin", admin_, "ADDRESS",
                   "Where the operator's page is; who reaches it may call every function");
  options.Value("--config", config_, "FILE", "Settings, as TOML; flags count for more")
      .Complete(Completes::kFiles);
  options.Repeated("--set", set_, "KEY=VALUE", "A setting of that file, such as usual.cpu=250m");
  options.Section("Limits");
  options.Value("--memory", memory_, "SIZE",
                "For all guests together; what the server's own limit leaves");
  options.Value("--loops", loops_, "N", "Event loops; one for each CPU that there is");
  options
      .Value("--control-groups", groups_, "WHETHER",
             "Whether CPU limits are kept by control groups, or by guests' own clocks")
      .OneOf(GroupWords);
  options
      .Value("--isolate", isolate_, "MODE",
             "Whether tenants' functions share a process, each request in a jailed thread, or each "
             "tenant's have one of their own; thread")
      .OneOf(IsolateWords);
  options.Value("--grace", grace_, "TIME", "What runs at SIGTERM has to end; 25s");
  options.Section("Replies");
  options
      .Value("--reply", reply_, "FORM",
             "What a function's output is, where its manifest says nothing")
      .OneOf(ReplyWords);
  options
      .Value("--access-log", access_log_, "WHICH",
             "Requests told of on standard output, a line of JSON each")
      .OneOf(LogWords);
  engine_.Configure(options);
  options.Example("wasmoor serve --functions functions", "Serves functions/hello.wasm as /hello");
  options.Example("curl localhost:8080/hello", "Calls it");
  options.ExitStatus("0", "It was told to end, and has");
}

Status ServeCommand::Check() {
  TRY(engine_.Check());
  if (engine_.no_cache)
    return Fail(Code::kInvalidArgument, "--no-cache: a server keeps compiled functions in a cache");
  function::ServerSettings& settings = options_.settings;
  settings.functions = "functions";
  if (!config_.empty()) TRY_AS(ReadFunctionSettings(config_, &settings), "--config");
  const std::array<std::pair<std::string_view, const std::string*>, 8> texts = {{
      {"functions", &functions_},
      {"memory", &memory_},
      {"loops", &loops_},
      {"control_groups", &groups_},
      {"isolate", &isolate_},
      {"grace", &grace_},
      {"reply", &reply_},
      {"access_log", &access_log_},
  }};
  for (const auto& [key, text] : texts) {
    if (text->empty()) continue;
    TRY_AS(SetFunctionSetting(key, settings::Text{*text}, &settings), "{}", key);
  }
  if (!listen_.empty()) settings.listen = listen_;
  if (!health_.empty()) settings.health = health_;
  if (!admin_.empty()) settings.admin = admin_;
  for (const std::string& one : set_) TRY(SetFunctionSettingText(one, &settings));
  settings.functions = std::filesystem::absolute(settings.functions).string();
  options_.engine = engine_.factory;
  options_.features = engine_.features;
  options_.cache_directory = engine_.cache_directory;
  options_.who = "wasmoor serve";
  return {};
}

Result<int> ServeCommand::Run() { return ServeFunctions(options_); }

}  // namespace wasmoor::cmd
