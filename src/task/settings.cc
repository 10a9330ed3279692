#include "task/settings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "wasmoor/base/units.h"

namespace wasmoor::task {
namespace {

Result<bool> AsBool(const Value& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag;
  if (const Text* text = std::get_if<Text>(&value)) {
    if (text->text == "true") return true;
    if (text->text == "false") return false;
  }
  return Fail(Code::kInvalidArgument, "must be true or false");
}

Result<std::string> AsString(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const Text* text = std::get_if<Text>(&value)) return std::string(text->text);
  return Fail(Code::kInvalidArgument, "must be a string");
}

// An absolute path, or nothing.
Result<std::string> AsPath(const Value& value) {
  std::string path = TRY(AsString(value));
  if (!path.empty() && path.front() != '/')
    return Fail(Code::kInvalidArgument, "must be an absolute path, is '{}'", path);
  return path;
}

Result<uint64_t> AsCount(const Value& value) {
  uint64_t number = 0;
  if (const int64_t* integer = std::get_if<int64_t>(&value); integer != nullptr && *integer > 0)
    return static_cast<uint64_t>(*integer);
  if (const Text* text = std::get_if<Text>(&value)) {
    const char* end = text->text.data() + text->text.size();
    const auto [at, error] = std::from_chars(text->text.data(), end, number);
    if (error == std::errc() && at == end && number > 0) return number;
  }
  return Fail(Code::kInvalidArgument, "must be an integer above 0");
}

Result<uint64_t> AsSize(const Value& value) {
  uint64_t bytes = 0;
  if (const int64_t* integer = std::get_if<int64_t>(&value)) {
    bytes = *integer > 0 ? static_cast<uint64_t>(*integer) : 0;
  } else {
    bytes = TRY(ParseSize(TRY(AsString(value))));
  }
  if (bytes == 0) return Fail(Code::kInvalidArgument, "must be a size above 0, such as \"64MiB\"");
  return bytes;
}

Result<std::vector<std::string>> AsList(const Value& value) {
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) return *list;
  const Text* text = std::get_if<Text>(&value);
  if (text == nullptr) return Fail(Code::kInvalidArgument, "must be a list of strings");
  std::vector<std::string> words;
  for (std::string_view rest = text->text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    if (comma > 0) words.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return words;
}

Status SetLogLevel(const Value& value, Options* options) {
  using Pair = std::pair<std::string_view, LogLevel>;
  constexpr std::array<Pair, 6> kLevels = {{{"error", LogLevel::kError},
                                            {"warning", LogLevel::kWarning},
                                            {"warn", LogLevel::kWarning},
                                            {"info", LogLevel::kInfo},
                                            {"debug", LogLevel::kDebug},
                                            {"trace", LogLevel::kDebug}}};
  const std::string word = TRY(AsString(value));
  const auto* found = std::find_if(kLevels.begin(), kLevels.end(),
                                   [&](const Pair& pair) { return pair.first == word; });
  if (found == kLevels.end())
    return Fail(Code::kInvalidArgument, "must be error, warning, info or debug, is '{}'", word);
  options->log_level = found->second;
  return {};
}

Status SetSystemdCgroup(const Value& value, Options* options) {
  options->systemd_cgroup = TRY(AsBool(value));
  return {};
}
Status SetNoPivotRoot(const Value& value, Options* options) {
  options->no_pivot_root = TRY(AsBool(value));
  return {};
}
Status SetNoNewKeyring(const Value& value, Options* options) {
  options->no_new_keyring = TRY(AsBool(value));
  return {};
}
Status SetShimCgroup(const Value& value, Options* options) {
  options->shim_cgroup = TRY(AsPath(value));
  return {};
}
Status SetCacheDirectory(const Value& value, Options* options) {
  options->guest.cache_directory = TRY(AsPath(value));
  return {};
}
Status SetDaemonAddress(const Value& value, Options* options) {
  options->daemon_address = TRY(AsPath(value));
  return {};
}
Status SetAnnotations(const Value& value, Options* options) {
  std::vector<std::string> keys = TRY(AsList(value));
  for (const std::string& key : keys) {
    if (FindSetting(key) == nullptr)
      return Fail(Code::kInvalidArgument, "has '{}', which is no setting", key);
  }
  options->annotations = std::move(keys);
  return {};
}
Status SetMemory(const Value& value, Options* options) {
  options->guest.memory_bytes = TRY(AsSize(value));
  return {};
}
Status SetTableElements(const Value& value, Options* options) {
  options->guest.table_elements = TRY(AsCount(value));
  return {};
}
Status SetHttpAddress(const Value& value, Options* options) {
  std::string address = TRY(AsString(value));
  if (address.find(':') == std::string::npos)
    return Fail(Code::kInvalidArgument, "must be ADDRESS:PORT, is '{}'", address);
  options->guest.http_address = std::move(address);
  return {};
}
Status SetHttpOutgoing(const Value& value, Options* options) {
  options->guest.http_outgoing = TRY(AsList(value));
  return {};
}

// Of runc's options, what has no meaning here: there is no other runtime to be called and nothing
// is checkpointed, FIFOs are handed to the container as they are, and containers are kept where
// `shim delete` finds them.
Status PassOver(const Value&, Options*) { return {}; }

constexpr std::array kSettings = {
    Setting{"systemd_cgroup", SetSystemdCgroup},
    Setting{"no_pivot_root", SetNoPivotRoot},
    Setting{"no_new_keyring", SetNoNewKeyring},
    Setting{"log_level", SetLogLevel},
    Setting{"shim_cgroup", SetShimCgroup},
    Setting{"cache_directory", SetCacheDirectory},
    Setting{"daemon.address", SetDaemonAddress},
    Setting{"annotations", SetAnnotations},
    Setting{"guest.memory", SetMemory},
    Setting{"guest.table_elements", SetTableElements},
    Setting{"http.address", SetHttpAddress},
    Setting{"http.outgoing", SetHttpOutgoing},
    // containerd.runc.v1.Options, as containerd's configuration has them.
    Setting{"SystemdCgroup", SetSystemdCgroup},
    Setting{"NoPivotRoot", SetNoPivotRoot},
    Setting{"NoNewKeyring", SetNoNewKeyring},
    Setting{"ShimCgroup", SetShimCgroup},
    Setting{"IoUid", PassOver},
    Setting{"IoGid", PassOver},
    Setting{"BinaryName", PassOver},
    Setting{"Root", PassOver},
    Setting{"CriuPath", PassOver},
    Setting{"CriuImagePath", PassOver},
    Setting{"CriuWorkPath", PassOver},
    // Of runtimeoptions.v1.Options itself, which the CRI plugin leaves in the body.
    Setting{"TypeUrl", PassOver},
    Setting{"ConfigPath", PassOver},
};

}  // namespace

const Setting* FindSetting(std::string_view key) {
  const auto* found = std::find_if(kSettings.begin(), kSettings.end(),
                                   [&](const Setting& setting) { return setting.key == key; });
  return found == kSettings.end() ? nullptr : found;
}

}  // namespace wasmoor::task
