#include "wasmoor/function/catalog/manifest.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "function/catalog/regular_file.h"
#include "settings/toml.h"
#include "wasmoor/base/units.h"
#include "wasmoor/serve/server.h"

namespace wasmoor::function {
namespace {

using settings::Value;
using Texts = std::vector<std::string>;

constexpr int64_t kMostMillicores = 1'000'000, kMostReuse = 1'000'000;
constexpr std::chrono::hours kLongestIdle{1};
constexpr uint64_t kLeastMemory = 64 << 10;  // A page of WebAssembly's.
constexpr size_t kMostDirectories = 64;
constexpr std::string_view kEnvironment = "environment.", kSecrets = "secrets.",
                           kDirectories = "directories[";

tl::unexpected<Error> Wrong(std::string_view must) {
  return Fail(Code::kInvalidArgument, "must be {}", must);
}

// What the kernel and guests take for the end of a text is in none.
Result<std::string> AsText(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return Wrong("a string");
  if (text->find('\0') != std::string::npos) return Wrong("a string without NUL");
  return *text;
}

Result<Texts> AsTexts(const Value& value) {
  const auto* texts = std::get_if<Texts>(&value);
  if (texts == nullptr) return Wrong("a list of strings");
  for (const std::string& text : *texts) {
    if (text.find('\0') != std::string::npos) return Wrong("strings without NUL");
  }
  return *texts;
}

Result<uint64_t> AsSize(const Value& value, uint64_t least) {
  const auto* number = std::get_if<int64_t>(&value);
  uint64_t bytes = 0;
  if (number != nullptr) {
    if (*number < 0) return Wrong("a size, such as \"64MiB\"");
    bytes = static_cast<uint64_t>(*number);
  } else {
    bytes = TRY(ParseSize(TRY(AsText(value))));
  }
  if (bytes < least) return Fail(Code::kInvalidArgument, "must be at least {}", FormatSize(least));
  return bytes;
}

Status SetCpu(const Value& value, Manifest* manifest) {
  constexpr std::string_view kMust = "millicores, from 1 to 1000000: 250, or \"250m\"";
  int64_t millicores = 0;
  if (const auto* number = std::get_if<int64_t>(&value)) {
    millicores = *number;
  } else {
    const std::string text = TRY(AsText(value));
    const char* const end = text.data() + text.size();
    const auto [rest, failed] = std::from_chars(text.data(), end, millicores);
    if (failed != std::errc() || std::string_view(rest, end) != "m") return Wrong(kMust);
  }
  if (millicores < 1 || millicores > kMostMillicores) return Wrong(kMust);
  manifest->limits.cpu_millicores = static_cast<uint32_t>(millicores);
  return {};
}

Status SetMemory(const Value& value, Manifest* manifest) {
  manifest->limits.memory_bytes = TRY(AsSize(value, kLeastMemory));
  return {};
}

Status SetBody(const Value& value, Manifest* manifest) {
  manifest->limits.body_bytes = TRY(AsSize(value, 0));
  return {};
}

Result<std::chrono::milliseconds> AsTime(const Value& value) {
  using std::chrono::milliseconds;
  const auto* seconds = std::get_if<int64_t>(&value);
  const auto time = std::chrono::ceil<milliseconds>(
      TRY(ParseDuration(seconds != nullptr ? fmt::format("{}", *seconds) : TRY(AsText(value)))));
  if (time <= milliseconds(0)) return Wrong("a time above 0, such as \"30s\"");
  return time;
}

Status SetTimeout(const Value& value, Manifest* manifest) {
  manifest->limits.timeout = TRY(AsTime(value));
  return {};
}

Status SetReuseRequests(const Value& value, Manifest* manifest) {
  const auto* number = std::get_if<int64_t>(&value);
  if (number == nullptr || *number < 1 || *number > kMostReuse)
    return Wrong("a number of requests, from 1 (a fresh instance for each) to 1000000");
  manifest->reuse.requests = static_cast<uint32_t>(*number);
  return {};
}

Status SetReuseIdle(const Value& value, Manifest* manifest) {
  manifest->reuse.idle = TRY(AsTime(value));
  if (manifest->reuse.idle > kLongestIdle) return Wrong("a time up to \"1h\"");
  return {};
}

Status SetEntry(const Value& value, Manifest* manifest) {
  manifest->entry = TRY(AsText(value));
  if (manifest->entry.empty()) return Wrong("the name of an export");
  return {};
}

Status SetArguments(const Value& value, Manifest* manifest) {
  manifest->arguments = TRY(AsTexts(value));
  return {};
}

Status SetReply(const Value& value, Manifest* manifest) {
  constexpr std::array<std::pair<std::string_view, Reply>, 4> kReplies = {{
      {"auto", Reply::kAuto},
      {"plain", Reply::kPlain},
      {"cgi", Reply::kCgi},
      {"wasmbox", Reply::kWasmbox},
  }};
  const std::string text = TRY(AsText(value));
  for (const auto& [word, reply] : kReplies) {
    if (text != word) continue;
    manifest->reply = reply;
    return {};
  }
  return Wrong("auto, plain, cgi or wasmbox");
}

Status SetIsolate(const Value& value, Manifest* manifest) {
  const std::string text = TRY(AsText(value));
  if (text != "thread" && text != "process") return Wrong("thread or process");
  manifest->own_process = text == "process";
  return {};
}

Status SetOutgoing(const Value& value, Manifest* manifest) {
  manifest->outgoing = TRY(AsTexts(value));
  TRY(serve::ParseDestinations(manifest->outgoing));
  return {};
}

struct Setting {
  std::string_view key;
  Status (*set)(const Value& value, Manifest* manifest);
};
constexpr std::array kSettings = {
    Setting{"limits.cpu", SetCpu},          Setting{"limits.memory", SetMemory},
    Setting{"limits.timeout", SetTimeout},  Setting{"limits.body", SetBody},
    Setting{"run.entry", SetEntry},         Setting{"run.arguments", SetArguments},
    Setting{"run.reply", SetReply},         Setting{"run.isolate", SetIsolate},
    Setting{"outgoing.allow", SetOutgoing}, Setting{"reuse.requests", SetReuseRequests},
    Setting{"reuse.idle", SetReuseIdle},
};

tl::unexpected<Error> Unknown() { return Fail(Code::kInvalidArgument, "there is no such setting"); }

Status SetVariable(std::string_view name, const Value& value, Manifest::Variables* variables) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (name.empty() || (name.front() >= '0' && name.front() <= '9') ||
      !std::all_of(name.begin(), name.end(), is_letter))
    return Fail(Code::kInvalidArgument,
                "the name of a variable has only letters of ASCII, digits and _, and does not "
                "begin with a digit");
  variables->emplace_back(name, TRY(AsText(value)));
  return {};
}

Result<std::string> AsGuestPath(const Value& value) {
  std::string path = TRY(AsText(value));
  if (path != "." && !path.starts_with('/')) return Wrong("an absolute path, or \".\"");
  return path;
}

Status SetInDirectory(std::string_view key, const Value& value, Manifest::Directory* directory) {
  if (key == "host") {
    directory->host = TRY(AsText(value));
    if (!directory->host.starts_with('/')) return Wrong("an absolute path");
  } else if (key == "guest") {
    directory->guest = TRY(AsGuestPath(value));
  } else if (key == "access") {
    const std::string word = TRY(AsText(value));
    if (word != "read-only" && word != "read-write") return Wrong("read-only or read-write");
    directory->access = word == "read-only" ? wasi::Access::kReadOnly : wasi::Access::kReadWrite;
  } else {
    return Unknown();
  }
  return {};
}

// Settings come in no order.
class Parser {
 public:
  Status Set(std::string_view key, const Value& value) {
    for (const Setting& setting : kSettings) {
      if (setting.key == key) return setting.set(value, &manifest_);
    }
    if (key.starts_with(kEnvironment))
      return SetVariable(key.substr(kEnvironment.size()), value, &manifest_.environment);
    if (key.starts_with(kSecrets))
      return SetVariable(key.substr(kSecrets.size()), value, &manifest_.secrets);
    if (key.starts_with(kDirectories)) return SetNumbered(key.substr(kDirectories.size()), value);
    return Unknown();
  }

  // With what is wrong only when all of it is there.
  Result<Manifest> Finish() && {
    std::set<std::string_view> names, places;
    for (auto* variables : {&manifest_.environment, &manifest_.secrets}) {
      std::sort(variables->begin(), variables->end());
      for (const auto& [name, value] : *variables) {
        if (!names.insert(name).second)
          return Fail(Code::kInvalidArgument, "the variable {} is set twice", name);
      }
    }
    for (const auto& [number, directory] : directories_) {
      if (directory.host.empty() || directory.guest.empty())
        return Fail(Code::kInvalidArgument, "directories[{}]: must have a host and a guest path",
                    number);
      if (!places.insert(directory.guest).second)
        return Fail(Code::kInvalidArgument, "directories[{}]: there are two of guest = \"{}\"",
                    number, directory.guest);
    }
    for (auto& [number, directory] : directories_)
      manifest_.directories.push_back(std::move(directory));
    return std::move(manifest_);
  }

 private:
  // "2].host"
  Status SetNumbered(std::string_view key, const Value& value) {
    size_t number = 0;
    const char* const end = key.data() + key.size();
    const auto [at, failed] = std::from_chars(key.data(), end, number);
    const std::string_view rest(at, end);
    if (failed != std::errc() || !rest.starts_with("].")) return Unknown();
    if (number >= kMostDirectories)
      return Fail(Code::kInvalidArgument, "a function has at most {} directories",
                  kMostDirectories);
    return SetInDirectory(rest.substr(2), value, &directories_[number]);
  }

  Manifest manifest_;
  std::map<size_t, Manifest::Directory> directories_;
};

}  // namespace

Result<Manifest> ParseManifest(std::string_view text, std::string_view source) {
  if (text.size() > kMostManifestBytes)
    return Fail(Code::kInvalidArgument, "{}: has more than {} bytes", source, kMostManifestBytes);
  Parser parser;
  TRY(settings::ReadToml(text, source, [&parser](const std::string& key, const Value& value) {
    return parser.Set(key, value);
  }));
  return TRY_AS(std::move(parser).Finish(), "{}", source);
}

Result<std::optional<std::string>> ReadManifestText(const os::Fd& directory,
                                                    const std::string& file) {
  auto opened = OpenFileBeneath(directory, file, file);
  if (!opened && opened.error().code() == Code::kNotFound) return std::nullopt;
  return TRY(ReadRegular(TRY(std::move(opened)), kMostManifestBytes, file));
}

}  // namespace wasmoor::function
