#include "cmd/wasmoor/run_options.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdlib>

#include "cmd/engines.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::cmd {
namespace {

constexpr std::string_view kGuestSeparator = "::";
constexpr std::string_view kReadOnlySuffix = ":ro";

// The guest runs on this process's own stack, of which the kernel grants 8 MiB by default and our
// own frames need the rest.
constexpr uint64_t kDefaultStack = 1 << 20;
constexpr uint64_t kSmallestStack = 64 << 10;
constexpr uint64_t kLargestStack = 6 << 20;

Words EngineNames() {
  Words names;
  for (const wasm::EngineFactory& engine : Engines()) names.push_back(engine.name);
  return names;
}

Words FeatureNames() {
  Words names;
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures()) names.push_back(feature.name);
  return names;
}

Words TierNames() { return {"auto", "baseline", "optimized"}; }

// Parsing has let known names only through.
void SetFeatures(const std::vector<std::string>& names, bool value, wasm::Features* features) {
  for (const std::string& name : names) {
    for (const wasm::FeatureInfo& feature : wasm::AllFeatures()) {
      if (feature.name == name) features->*feature.member = value;
    }
  }
}

}  // namespace

Result<std::pair<std::string, std::string>> ParseVariable(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || text.empty())
    return Fail(Code::kInvalidArgument, "--env '{}': has no name: write NAME=VALUE", text);
  if (equals != std::string::npos)
    return std::make_pair(text.substr(0, equals), text.substr(equals + 1));
  const char* value = std::getenv(text.c_str());
  if (value == nullptr) {
    return Fail(Code::kInvalidArgument, "--env {}: is not set here: set it, or write {}=VALUE",
                text, text);
  }
  return std::make_pair(text, std::string(value));
}

Result<DirectoryFlag> ParseDirectory(std::string_view text) {
  DirectoryFlag flag;
  std::string_view rest = text;
  if (rest.ends_with(kReadOnlySuffix)) {
    flag.access = wasi::Access::kReadOnly;
    rest.remove_suffix(kReadOnlySuffix.size());
  }
  const size_t separator = rest.find(kGuestSeparator);
  flag.host = rest.substr(0, separator);
  flag.guest =
      separator == std::string_view::npos ? rest : rest.substr(separator + kGuestSeparator.size());
  if (flag.host.empty() || flag.guest.empty()) {
    return Fail(Code::kInvalidArgument, "--dir '{}': write HOST, HOST::GUEST, or either with :ro",
                text);
  }
  return flag;
}

namespace {

// Opens what is granted. Errors name the option and its text.
Result<wasi::Grants> GrantsFrom(const RunFlags& flags) {
  wasi::Grants grants;
  for (const std::string& text : flags.environment)
    grants.environment.push_back(TRY(ParseVariable(text)));
  for (const std::string& text : flags.directories) {
    DirectoryFlag flag = TRY(ParseDirectory(text));
    os::Fd directory(::open(flag.host.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) return FailErrno(errno, "--dir {}", flag.host);
    grants.preopens.push_back(
        {std::move(flag.host), std::move(flag.guest), flag.access, std::move(directory)});
  }
  for (const std::string& text : flags.listeners)
    grants.listeners.push_back({text, TRY_AS(os::ListenTcp(text), "--tcplisten")});
  return grants;
}

}  // namespace

void EngineFlags::Configure(Options& options) {
  options.Section("Code");
  options.Value("--engine", engine, "NAME", "Engine to use; see 'wasmoor --version'")
      .OneOf(EngineNames);
  options
      .Repeated("--enable", enable, "FEATURE",
                "Allow a WebAssembly proposal that is off by default, such as threads")
      .OneOf(FeatureNames);
  options
      .Repeated("--disable", disable, "FEATURE", "Refuse modules that use a WebAssembly proposal")
      .OneOf(FeatureNames);
  options.Value("--cache-dir", cache_directory, "DIR", "Folder of the compiled modules")
      .Complete(Completes::kDirectories);
  options.Flag("--no-cache", no_cache, "Compile anew, keep nothing");
}

Status EngineFlags::Check() {
  factory = TRY_AS(FindEngine(engine), "--engine");
  SetFeatures(enable, true, &features);
  SetFeatures(disable, false, &features);
  return {};
}

void RunFlags::Configure(Options& options) {
  options.Section("Grants");
  options
      .Repeated(
          "--dir", directories, "HOST[::GUEST][:ro]",
          "Grant a directory, with all in it, as GUEST (or by its own name); ':ro' at the end "
          "grants reading only")
      .Complete(Completes::kDirectories);
  options.Repeated("--env", environment, "NAME[=VALUE]",
                   "Set an environment variable; without a value, pass ours on");
  options.Repeated("--tcplisten", listeners, "ADDR:PORT",
                   "Listen here and give the guest the socket, as its next descriptor after the "
                   "directories; port 0 takes a free one and says which");
  options.Value("--http-listen", http_listen, "ADDR:PORT",
                "Where a component that exports wasi:http/incoming-handler is served "
                "(127.0.0.1:8080)");
  options.Value("--http-allow", http_allow, "HOST[:PORT],...",
                "Hosts that it may send requests to; '*' is every one, and none is the default");
  options.Section("Limits");
  options.Value("--max-memory", max_memory_text, "SIZE",
                "Most linear memory the guest may have, in all (4GiB)");
  options.Value("--max-stack", max_stack_text, "SIZE", "Most stack the guest may use (1MiB)");
  options.Value("--timeout", timeout_text, "DURATION",
                "End the guest after this time, with status 124");
  options.Section("Code");
  options.Value("--invoke", invoke, "EXPORT",
                "Call this export instead of the program's start; ARGS are its arguments (of a "
                "component: 'name(1, \"two\")')");
  options
      .Value(
          "--tier", tier, "TIER",
          "Code to run: optimized; baseline (compiles fast, runs slower); auto: whatever is ready "
          "soonest, while the optimized code is made in the background for next time (auto)")
      .OneOf(TierNames);
  engine.Configure(options);
  options.Section("Output");
  options.Flag("--stats", stats, "When it ends, say on standard error what it used");
  options.Flag("--json", json, "Statistics, errors and traps as one line of JSON each");
}

Status RunFlags::Check() {
  TRY(engine.Check());
  if (!max_memory_text.empty())
    limits.memory_bytes = TRY_AS(ParseSize(max_memory_text), "--max-memory");
  stack_bytes = kDefaultStack;
  if (!max_stack_text.empty()) stack_bytes = TRY_AS(ParseSize(max_stack_text), "--max-stack");
  if (stack_bytes < kSmallestStack || stack_bytes > kLargestStack) {
    return Fail(Code::kInvalidArgument, "--max-stack {}: must be from {} to {}", max_stack_text,
                FormatSize(kSmallestStack), FormatSize(kLargestStack));
  }
  if (!timeout_text.empty()) timeout = TRY_AS(ParseDuration(timeout_text), "--timeout");
  grants = TRY(GrantsFrom(*this));
  return {};
}

}  // namespace wasmoor::cmd
