#include "cmd/wasmtimed/config.h"

#include <array>
#include <cerrno>
#include <utility>

#include "settings/toml.h"
#include "task/settings.h"

namespace wasmoor::cmd {
namespace {

using settings::Value;

constexpr size_t kMostPath = 106;  // unix(7): 108 with a NUL; containerd keeps to one less.
// Of a socket in SocketDirectory: "/s/" and its name.
constexpr size_t kMostState = kMostPath - 3 - 32;
constexpr std::string_view kSandbox = "sandbox.";
constexpr int64_t kMostSeconds = 365 * 24 * 3600;

Status SetPath(const std::string& path, size_t most, std::string* out) {
  if (!path.starts_with('/'))
    return Fail(Code::kInvalidArgument, "must be an absolute path, is '{}'", path);
  if (path.size() > most)
    return Fail(Code::kInvalidArgument,
                "must have at most {} characters, as the paths of sockets may have no more than "
                "{}; this one has {}: {}",
                most, kMostPath, path.size(), path);
  *out = path;
  return {};
}

Status SetLevel(const std::string& word, DaemonConfig* config) {
  task::Options options;
  TRY(task::Set("log_level", word, &options));
  config->log_level = options.log_level;
  return {};
}

Status SetFormat(const std::string& word, DaemonConfig* config) {
  if (word != "text" && word != "json")
    return Fail(Code::kInvalidArgument, "must be text or json, is '{}'", word);
  config->log_format = word == "json" ? LogFormat::kJson : LogFormat::kText;
  return {};
}

Status SetListen(const std::string& path, DaemonConfig* config) {
  return SetPath(path, kMostPath, &config->listen);
}
Status SetController(const std::string& path, DaemonConfig* config) {
  return SetPath(path, kMostPath, &config->controller);
}
Status SetContainerd(const std::string& path, DaemonConfig* config) {
  return SetPath(path, kMostPath, &config->containerd);
}
Status SetState(const std::string& path, DaemonConfig* config) {
  return SetPath(path, kMostState, &config->state);
}

// Whether a TCP socket can be had there is seen when it is made.
Status SetObserve(const std::vector<std::string>& all, DaemonConfig* config) {
  std::string path;
  for (const std::string& where : all) {
    if (where.starts_with('/')) {
      TRY(SetPath(where, kMostPath, &path));
    } else if (where.find(':') == std::string::npos) {
      return Fail(Code::kInvalidArgument,
                  "must be ADDRESS:PORT, as 127.0.0.1:9464, or the absolute path of a socket, is "
                  "'{}'",
                  where);
    }
  }
  config->observe = all;
  return {};
}

Status SetObserve(const Value& value, DaemonConfig* config) {
  if (const auto* all = std::get_if<std::vector<std::string>>(&value))
    return SetObserve(*all, config);
  if (const auto* one = std::get_if<std::string>(&value))
    return SetObserve(std::vector{*one}, config);
  return Fail(Code::kInvalidArgument, "must be a string or a list of strings");
}

struct DaemonSetting {
  std::string_view key;
  Status (*set)(const std::string& text, DaemonConfig* config);
};
constexpr std::array kSettings = {
    DaemonSetting{"listen", SetListen},         DaemonSetting{"controller", SetController},
    DaemonSetting{"containerd", SetContainerd}, DaemonSetting{"state", SetState},
    DaemonSetting{"log.level", SetLevel},       DaemonSetting{"log.format", SetFormat},
};

Status SetOne(const std::string& key, const Value& value, DaemonConfig* config) {
  if (key.starts_with(kSandbox))
    return task::Set(key.substr(kSandbox.size()), value, &config->sandbox);
  if (key == "observe") return SetObserve(value, config);
  if (key == "upgrade_deadline") {
    const auto* seconds = std::get_if<int64_t>(&value);
    if (seconds == nullptr || *seconds < 0 || *seconds > kMostSeconds)
      return Fail(Code::kInvalidArgument, "must be a number of seconds, from 0, for never, to {}",
                  kMostSeconds);
    config->upgrade_deadline = std::chrono::seconds(*seconds);
    return {};
  }
  for (const DaemonSetting& setting : kSettings) {
    if (setting.key != key) continue;
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return Fail(Code::kInvalidArgument, "must be a string");
    return setting.set(*text, config);
  }
  return Fail(Code::kInvalidArgument, "there is no such setting");
}

// Nothing if there is none at the usual place.
Status ApplyFile(const std::string& given, DaemonConfig* config) {
  const std::string path = given.empty() ? DaemonConfig::kUsualFile : given;
  const Result<std::string> text = settings::ReadSettingsFile(path);
  if (!text && given.empty() && text.error().error_number() == ENOENT) return {};
  if (!text) return tl::unexpected(text.error());
  return ApplyDaemonToml(*text, path, config);
}

}  // namespace

Status ApplyDaemonToml(std::string_view document, std::string_view source, DaemonConfig* config) {
  return settings::ReadToml(document, source, [config](const std::string& key, const Value& value) {
    return SetOne(key, value, config);
  });
}

Result<DaemonConfig> ReadDaemonConfig(const DaemonFlags& flags) {
  DaemonConfig config;
  TRY(ApplyFile(flags.config, &config));
  using Flag = std::pair<const std::string*, Status (*)(const std::string&, DaemonConfig*)>;
  const std::array<std::pair<const char*, Flag>, 5> given = {{
      {"--listen", {&flags.listen, SetListen}},
      {"--controller", {&flags.controller, SetController}},
      {"--state", {&flags.state, SetState}},
      {"--log-level", {&flags.log_level, SetLevel}},
      {"--log-format", {&flags.log_format, SetFormat}},
  }};
  for (const auto& [name, flag] : given) {
    if (!flag.first->empty()) TRY_AS(flag.second(*flag.first, &config), "{}", name);
  }
  if (!flags.observe.empty()) TRY_AS(SetObserve(flags.observe, &config), "--observe");
  return config;
}

}  // namespace wasmoor::cmd
