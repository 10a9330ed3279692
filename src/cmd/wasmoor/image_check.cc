// What the options of `wasmoor image build` mean, and which of them contradict one another.
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "cmd/wasmoor/image_command.h"
#include "cmd/wasmoor/run_options.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::cmd {
namespace {

constexpr int64_t kLastSecond = 253402300799;  // Of the year 9999, the last in RFC 3339.

using TextMap = std::map<std::string, std::string>;

// The name of the file without its folder and .wasm or .wat.
std::string StemOf(const std::string& file) {
  if (file == "-") return "app";
  const std::filesystem::path path = std::filesystem::path(file).filename();
  const auto extension = path.extension();
  return (extension == ".wasm" || extension == ".wat" ? path.stem() : path).native();
}

Result<TextMap> ParsePairs(std::string_view option, const std::vector<std::string>& texts) {
  TextMap pairs;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return Fail(Code::kInvalidArgument, "{} '{}': write NAME=VALUE", option, text);
    pairs[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return pairs;
}

// Seconds, for builds that are to be reproducible (reproducible-builds.org, SOURCE_DATE_EPOCH).
Result<int64_t> TimeOfBuild() {
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  if (text == nullptr) return 0;
  const std::string_view digits = text;
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), seconds);
  if (error != std::errc() || end != digits.end() || seconds < 0 || seconds > kLastSecond)
    return Fail(Code::kInvalidArgument,
                "SOURCE_DATE_EPOCH is '{}': must be seconds since 1970, or not be set", digits);
  return seconds;
}

// An image of a program has no /etc/passwd by which a name could be looked up.
Status CheckUser(std::string_view user) {
  const size_t colon = user.find(':');
  const std::string_view parts[] = {user.substr(0, colon),
                                    colon == std::string_view::npos ? "0" : user.substr(colon + 1)};
  for (const std::string_view part : parts) {
    uint32_t id = 0;
    const auto [end, error] = std::from_chars(part.begin(), part.end(), id);
    if (error != std::errc() || end != part.end())
      return Fail(
          Code::kInvalidArgument,
          "--user '{}': must be numbers, UID or UID:GID: a name has nothing in the image to "
          "be looked up in",
          user);
  }
  return {};
}

}  // namespace

Status ImageCommand::CheckBuild() {
  TRY(CheckNames());
  TRY(CheckForm());
  TRY(CheckExecution());
  recipe_.labels = TRY(ParsePairs("--label", labels_));
  recipe_.annotations = TRY(ParsePairs("--annotation", annotations_));
  recipe_.created = TRY(TimeOfBuild());
  return {};
}

Status ImageCommand::CheckNames() {
  const std::string stem = StemOf(words_.front());
  if (output_.empty()) output_ = stem + ".tar";
  for (const std::string& tag : tags_)
    recipe_.names.push_back(TRY_AS(image::FullName(tag), "--tag"));
  if (!tags_.empty()) return {};
  std::string name = stem;
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  recipe_.names.push_back(TRY_AS(image::FullName(name), "give a --tag"));
  return {};
}

Status ImageCommand::CheckForm() {
  const auto only = [&](std::string_view option, bool given, std::string_view form) {
    if (!given || form_ == form) return Status();
    return Status(Fail(Code::kInvalidArgument, "{} goes with --form {} only", option, form));
  };
  if (form_.empty()) form_ = "rootfs";
  TRY(only("--file", !files_.empty(), "rootfs"));
  TRY(only("--compression", !compression_.empty(), "rootfs"));
  TRY(only("--layer-type", !layer_type_.empty(), "artifact"));
  TRY(only("--config-type", !config_type_.empty(), "artifact"));
  if (form_ == "artifact") recipe_.form = image::Form::kArtifact;
  if (compression_ == "none") recipe_.compression = image::Compression::kNone;
  if (!layer_type_.empty()) recipe_.layer_type = layer_type_;
  if (!config_type_.empty()) recipe_.config_type = config_type_;
  for (const std::string& text : platforms_) {
    const image::Platform platform = TRY_AS(image::ParsePlatform(text), "--platform");
    if (std::count(recipe_.platforms.begin(), recipe_.platforms.end(), platform) > 0)
      return Fail(Code::kInvalidArgument, "--platform {}: stands there twice", text);
    recipe_.platforms.push_back(platform);
  }
  for (const std::string& text : files_) {
    // The last colon: a path in an image has none as a rule, a file here may.
    const size_t colon = text.rfind(':');
    if (colon == 0 || colon == std::string::npos || text[colon + 1] != '/')
      return Fail(Code::kInvalidArgument,
                  "--file '{}': write SOURCE:PATH, with PATH an absolute one in the image", text);
    recipe_.files.push_back({text.substr(0, colon), text.substr(colon + 1)});
  }
  return {};
}

Status ImageCommand::CheckExecution() {
  const size_t hash = entrypoint_.find('#');
  recipe_.path = entrypoint_.substr(0, hash);
  if (recipe_.path.empty()) recipe_.path = '/' + StemOf(words_.front()) + ".wasm";
  if (recipe_.path.front() != '/')
    return Fail(Code::kInvalidArgument, "--entrypoint '{}': must be an absolute path", entrypoint_);
  recipe_.entrypoint = {recipe_.path + (hash == std::string::npos ? "" : entrypoint_.substr(hash))};
  recipe_.arguments.assign(words_.begin() + 1, words_.end());
  for (std::string& variable : recipe_.environment) {
    const auto [name, value] = TRY(ParseVariable(variable));
    variable = fmt::format("{}={}", name, value);
  }
  if (!recipe_.working_directory.empty() && recipe_.working_directory.front() != '/')
    return Fail(Code::kInvalidArgument, "--workdir '{}': must be an absolute path",
                recipe_.working_directory);
  return recipe_.user.empty() ? Status() : CheckUser(recipe_.user);
}

Status ImageCommand::Settle() {
  const bool is_component = wasm::LooksLikeComponent(recipe_.program);
  if (recipe_.layer_type == image::kComponentLayer && !is_component)
    return Fail(Code::kInvalidArgument,
                "{}: is a core module, and --layer-type {} is for components: leave it out",
                words_.front(), image::kComponentLayer);
  if (!recipe_.platforms.empty()) return {};
  if (recipe_.form == image::Form::kRootfs) {
    recipe_.platforms = {{"linux", "amd64", ""}};
  } else {
    recipe_.platforms = {{is_component ? "wasip2" : "wasip1", "wasm", ""}};
  }
  return {};
}

}  // namespace wasmoor::cmd
