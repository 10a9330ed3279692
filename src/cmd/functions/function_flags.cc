#include "cmd/functions/function_flags.h"

#include <array>
#include <charconv>
#include <limits>
#include <vector>

#include "wasmoor/base/units.h"
#include "wasmoor/function/catalog/granting.h"

namespace wasmoor::cmd {
namespace {

using function::ServerSettings;
using settings::Value;

constexpr std::string_view kReadWriteSuffix = ":rw";

tl::unexpected<Error> MustBe(std::string_view what) {
  return Fail(Code::kInvalidArgument, "must be {}", what);
}

Result<std::string> TextOf(const Value& value, std::string_view what) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* text = std::get_if<settings::Text>(&value)) return std::string(text->text);
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  return MustBe(what);
}

Result<std::vector<std::string>> TextsOf(const Value& value) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) return *texts;
  return std::vector{TRY(TextOf(value, "a string or a list of strings"))};
}

Result<uint64_t> NumberOf(const Value& value, uint64_t least, uint64_t most) {
  const std::string what = fmt::format("a whole number from {} to {}", least, most);
  const std::string text = TRY(TextOf(value, what));
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc() || stopped != end || number < least || number > most)
    return MustBe(what);
  return number;
}

Result<uint64_t> SizeOf(const Value& value) {
  return ParseSize(TRY(TextOf(value, "a size, such as \"64MiB\"")));
}

Result<std::chrono::milliseconds> TimeOf(const Value& value) {
  const auto time = TRY(ParseDuration(TRY(TextOf(value, "a time, such as \"30s\""))));
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(time);
  if (rounded.count() <= 0) return MustBe("a time above 0, such as \"30s\"");
  return rounded;
}

// "250m", or "1.5" CPUs' worth: what Kubernetes writes; a whole number is millicores.
Result<uint32_t> MillicoresOf(const Value& value) {
  constexpr std::string_view kWhat = "millicores: 250, or \"250m\"";
  std::string text = TRY(TextOf(value, kWhat));
  if (text.ends_with('m')) text.pop_back();
  constexpr uint64_t kMost = 1'000'000;
  auto number = NumberOf(Value(text), 1, kMost);
  if (!number) return MustBe(kWhat);
  return static_cast<uint32_t>(*number);
}

Result<double> FactorOf(const Value& value, double least, double most) {
  const std::string text = TRY(TextOf(value, "a number"));
  double factor = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, factor);
  if (failed != std::errc() || stopped != end || !(factor >= least) || !(factor <= most))
    return Fail(Code::kInvalidArgument, "must be a number from {} to {}", least, most);
  return factor;
}

Result<bool> FlagOf(const Value& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag;
  const std::string text = TRY(TextOf(value, "true or false"));
  if (text != "true" && text != "false") return MustBe("true or false");
  return text == "true";
}

template <typename T, size_t kCount>
Result<T> WordOf(const Value& value,
                 const std::array<std::pair<std::string_view, T>, kCount>& words) {
  std::string all;
  for (const auto& [word, meaning] : words) all += all.empty() ? word : fmt::format(", {}", word);
  const std::string text = TRY(TextOf(value, all));
  for (const auto& [word, meaning] : words) {
    if (word == text) return meaning;
  }
  return MustBe("one of " + all);
}

Status SetReply(const Value& value, ServerSettings* settings) {
  using function::Reply;
  constexpr std::array<std::pair<std::string_view, Reply>, 4> kWords = {
      {{"auto", Reply::kAuto},
       {"plain", Reply::kPlain},
       {"cgi", Reply::kCgi},
       {"wasmbox", Reply::kWasmbox}}};
  settings->reply = TRY(WordOf(value, kWords));
  return {};
}

Status SetGroups(const Value& value, ServerSettings* settings) {
  using function::Groups;
  constexpr std::array<std::pair<std::string_view, Groups>, 3> kWords = {
      {{"auto", Groups::kAuto}, {"off", Groups::kOff}, {"required", Groups::kRequired}}};
  settings->groups = TRY(WordOf(value, kWords));
  return {};
}

Status SetIsolate(const Value& value, ServerSettings* settings) {
  using function::Isolation;
  constexpr std::array<std::pair<std::string_view, Isolation>, 2> kWords = {
      {{"thread", Isolation::kThread}, {"process", Isolation::kProcess}}};
  settings->isolation = TRY(WordOf(value, kWords));
  return {};
}

Status SetAccessLog(const Value& value, ServerSettings* settings) {
  using Log = ServerSettings::AccessLog;
  constexpr std::array<std::pair<std::string_view, Log>, 3> kWords = {
      {{"none", Log::kNone}, {"failures", Log::kFailures}, {"all", Log::kAll}}};
  settings->access_log = TRY(WordOf(value, kWords));
  return {};
}

Status SetDirectories(const Value& value, ServerSettings* settings) {
  settings->granting.directories.clear();
  for (std::string& text : TRY(TextsOf(value))) {
    function::Granting::Directory directory;
    if (text.ends_with(kReadWriteSuffix)) {
      directory.access = wasi::Access::kReadWrite;
      text.resize(text.size() - kReadWriteSuffix.size());
    }
    directory.path = std::move(text);
    settings->granting.directories.push_back(std::move(directory));
  }
  return CheckGranting(settings->granting);
}

Status SetSecrets(const Value& value, ServerSettings* settings) {
  settings->granting.secrets = TRY(TextsOf(value));
  return CheckGranting(settings->granting);
}

Status SetOutgoing(const Value& value, ServerSettings* settings) {
  settings->granting.outgoing = TRY(serve::ParseDestinations(TRY(TextsOf(value))));
  return {};
}

constexpr uint64_t kMostThreads = 4096, kMostLoops = 256;

// clang-format off
struct FunctionSetting {
  std::string_view key;
  Status (*set)(const Value& value, ServerSettings* settings);
};
constexpr std::array kSettings = {
    FunctionSetting{"functions", [](const Value& value, ServerSettings* settings) -> Status {
      settings->functions = TRY(TextOf(value, "the path of a directory")); return {}; }},
    FunctionSetting{"listen", [](const Value& value, ServerSettings* settings) -> Status {
      settings->listen = TRY(TextsOf(value)); return {}; }},
    FunctionSetting{"health", [](const Value& value, ServerSettings* settings) -> Status {
      settings->health = TRY(TextsOf(value)); return {}; }},
    FunctionSetting{"admin", [](const Value& value, ServerSettings* settings) -> Status {
      settings->admin = TRY(TextsOf(value)); return {}; }},
    FunctionSetting{"admin_hosts", [](const Value& value, ServerSettings* settings) -> Status {
      settings->admin_hosts = TRY(TextsOf(value)); return {}; }},
    FunctionSetting{"reply", SetReply},
    FunctionSetting{"usage_fields", [](const Value& value, ServerSettings* settings) -> Status {
      settings->tells_usage = TRY(FlagOf(value)); return {}; }},
    FunctionSetting{"access_log", SetAccessLog},
    FunctionSetting{"control_groups", SetGroups},
    FunctionSetting{"isolate", SetIsolate},
    FunctionSetting{"workers", [](const Value& value, ServerSettings* settings) -> Status {
      settings->workers = static_cast<uint32_t>(TRY(NumberOf(value, 1, kMostThreads))); return {}; }},
    FunctionSetting{"worker_idle", [](const Value& value, ServerSettings* settings) -> Status {
      settings->worker_idle = TRY(TimeOf(value)); return {}; }},
    FunctionSetting{"loops", [](const Value& value, ServerSettings* settings) -> Status {
      settings->loops = static_cast<uint32_t>(TRY(NumberOf(value, 1, kMostLoops))); return {}; }},
    FunctionSetting{"guests", [](const Value& value, ServerSettings* settings) -> Status {
      settings->guests = static_cast<uint32_t>(TRY(NumberOf(value, 1, kMostThreads))); return {}; }},
    FunctionSetting{"memory", [](const Value& value, ServerSettings* settings) -> Status {
      settings->memory_bytes = TRY(SizeOf(value)); return {}; }},
    FunctionSetting{"idle_memory", [](const Value& value, ServerSettings* settings) -> Status {
      settings->idle_memory_bytes = TRY(SizeOf(value)); return {}; }},
    FunctionSetting{"overcommit", [](const Value& value, ServerSettings* settings) -> Status {
      settings->overcommit = TRY(FactorOf(value, 1, 1000)); return {}; }},
    FunctionSetting{"queue.requests", [](const Value& value, ServerSettings* settings) -> Status {
      settings->queue_requests = static_cast<uint32_t>(TRY(NumberOf(value, 0, 10'000'000))); return {}; }},
    FunctionSetting{"queue.factor", [](const Value& value, ServerSettings* settings) -> Status {
      settings->queue_factor = TRY(FactorOf(value, 0, 1'000'000)); return {}; }},
    FunctionSetting{"grace", [](const Value& value, ServerSettings* settings) -> Status {
      settings->grace = TRY(TimeOf(value)); return {}; }},
    FunctionSetting{"max_loaded", [](const Value& value, ServerSettings* settings) -> Status {
      settings->max_loaded = TRY(NumberOf(value, 1, 1'000'000)); return {}; }},
    FunctionSetting{"usual.cpu", [](const Value& value, ServerSettings* settings) -> Status {
      settings->usual.millicores = TRY(MillicoresOf(value)); return {}; }},
    FunctionSetting{"usual.memory", [](const Value& value, ServerSettings* settings) -> Status {
      settings->usual.memory_bytes = TRY(SizeOf(value)); return {}; }},
    FunctionSetting{"usual.timeout", [](const Value& value, ServerSettings* settings) -> Status {
      settings->usual.time = TRY(TimeOf(value)); return {}; }},
    FunctionSetting{"maxima.cpu", [](const Value& value, ServerSettings* settings) -> Status {
      settings->most.millicores = TRY(MillicoresOf(value)); return {}; }},
    FunctionSetting{"maxima.memory", [](const Value& value, ServerSettings* settings) -> Status {
      settings->most.memory_bytes = TRY(SizeOf(value)); return {}; }},
    FunctionSetting{"maxima.timeout", [](const Value& value, ServerSettings* settings) -> Status {
      settings->most.time = TRY(TimeOf(value)); return {}; }},
    FunctionSetting{"maxima.body", [](const Value& value, ServerSettings* settings) -> Status {
      settings->body_bytes = TRY(SizeOf(value)); return {}; }},
    FunctionSetting{"grant.directories", SetDirectories},
    FunctionSetting{"grant.secrets", SetSecrets},
    FunctionSetting{"grant.outgoing", SetOutgoing},
};
// clang-format on

}  // namespace

Status SetFunctionSetting(std::string_view key, const Value& value, ServerSettings* settings) {
  for (const FunctionSetting& setting : kSettings) {
    if (setting.key == key) return setting.set(value, settings);
  }
  return Fail(Code::kInvalidArgument, "there is no such setting");
}

Status SetFunctionSettingText(std::string_view text, ServerSettings* settings) {
  const size_t equals = text.find('=');
  if (equals == text.npos) return Fail(Code::kInvalidArgument, "--set '{}': write KEY=VALUE", text);
  const std::string_view key = text.substr(0, equals);
  TRY_AS(SetFunctionSetting(key, settings::Text{text.substr(equals + 1)}, settings), "--set {}",
         key);
  return {};
}

Status ReadFunctionSettings(const std::string& path, ServerSettings* settings) {
  const std::string text = TRY(settings::ReadSettingsFile(path));
  return settings::ReadToml(text, path, [settings](const std::string& key, const Value& value) {
    return SetFunctionSetting(key, value, settings);
  });
}

}  // namespace wasmoor::cmd
