#include "task/pod_files.h"

#include <fcntl.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "wasmoor/os/file.h"

namespace wasmoor::task {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kName = "config.json";
constexpr const char* kUnfinished = ".config.json.new";
constexpr uint64_t kMost = 16 << 20;
constexpr mode_t kOwner = 0600;

bool IsMounted(const Json& mounts, const std::string& destination) {
  for (const Json& one : mounts) {
    const auto at = one.is_object() ? one.find("destination") : one.end();
    if (!one.is_object() || at == one.end() || !at->is_string()) continue;
    if (std::filesystem::path(at->get<std::string>()).lexically_normal() == destination)
      return true;
  }
  return false;
}

bool IsReadOnly(const Json& config) {
  const auto root = config.find("root");
  if (root == config.end() || !root->is_object()) return false;
  const auto is = root->find("readonly");
  return is != root->end() && is->is_boolean() && is->get<bool>();
}

// Null: nothing is to be added, or it is for whoever reads it to say what is wrong with it.
std::optional<std::string> WithFiles(std::string_view text,
                                     const std::vector<sandbox::PodFile>& files) {
  Json config = Json::parse(text, nullptr, false);
  if (!config.is_object()) return std::nullopt;
  Json& mounts = config["mounts"];
  if (mounts.is_null()) mounts = Json::array();
  if (!mounts.is_array()) return std::nullopt;
  const char* const rights = IsReadOnly(config) ? "ro" : "rw";
  bool is_more = false;
  for (const sandbox::PodFile& file : files) {
    if (IsMounted(mounts, file.destination)) continue;
    mounts.push_back({{"destination", file.destination},
                      {"type", "bind"},
                      {"source", file.source},
                      {"options", {"rbind", "rprivate", rights}}});
    is_more = true;
  }
  if (!is_more) return std::nullopt;
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Status AddPodFiles(const std::string& bundle, const std::vector<sandbox::PodFile>& files) {
  const auto directory = os::OpenAt(os::Fd(), bundle.c_str(), O_PATH | O_DIRECTORY);
  const auto file = directory ? os::OpenAt(*directory, kName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
                              : tl::unexpected(directory.error());
  // Whoever makes the container says that there is none.
  if (!file) return {};
  const auto bytes = TRY_AS(os::ReadAll(*file, kMost), "{}/{}", bundle, kName);
  const auto changed =
      WithFiles({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, files);
  if (!changed) return {};
  const os::Fd fresh =
      TRY_AS(os::OpenAt(*directory, kUnfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kOwner),
             "{}/{}", bundle, kUnfinished);
  TRY_AS(os::WriteAll(fresh, *changed), "{}/{}", bundle, kUnfinished);
  TRY_AS(os::RenameAt(*directory, kUnfinished, kName), "{}/{}", bundle, kName);
  return {};
}

}  // namespace wasmoor::task
