#include "image/documents.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "wasmoor/base/time.h"

namespace wasmoor::image {
namespace {

using Json = nlohmann::json;

// The adapter round a library that throws: at what is no text.
Result<std::string> Text(const Json& json) {
  try {
    return json.dump();
  } catch (const Json::exception&) {
    return Fail(Code::kInvalidArgument,
                "a word, variable, label, annotation or path of the image is not UTF-8 text");
  }
}

Json DescriptorOf(const Blob& blob) {
  return {{"mediaType", blob.media_type}, {"digest", blob.digest}, {"size", blob.bytes}};
}

Json PlatformOf(const Platform& platform) {
  Json json = {{"os", platform.os}, {"architecture", platform.architecture}};
  if (!platform.variant.empty()) json["variant"] = platform.variant;
  return json;
}

// How containers of it are made.
Json ExecutionOf(const Recipe& recipe) {
  Json json = Json::object();
  if (!recipe.entrypoint.empty()) json["Entrypoint"] = recipe.entrypoint;
  if (!recipe.arguments.empty()) json["Cmd"] = recipe.arguments;
  if (!recipe.environment.empty()) json["Env"] = recipe.environment;
  if (!recipe.working_directory.empty()) json["WorkingDir"] = recipe.working_directory;
  if (!recipe.user.empty()) json["User"] = recipe.user;
  if (!recipe.labels.empty()) json["Labels"] = recipe.labels;
  return json;
}

}  // namespace

Result<std::string> ConfigText(const Recipe& recipe, const Platform& platform, const Layer& layer) {
  Json json = PlatformOf(platform);
  json["created"] =
      Rfc3339(std::chrono::system_clock::from_time_t(recipe.created), Precision::kSeconds);
  // containerd's Kubernetes plugin reads the next two from either kind of configuration; and it
  // wants one diff_id for each layer that it unpacks, which a layer that is a program is not.
  json["config"] = ExecutionOf(recipe);
  Json diff_ids = Json::array();
  if (!layer.diff_id.empty()) diff_ids.push_back(layer.diff_id);
  json["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}};
  if (recipe.config_type == kWasmConfig) json["layerDigests"] = {layer.blob.digest};
  return Text(json);
}

Result<std::string> ManifestText(const Recipe& recipe, const Blob& config, const Layer& layer) {
  Json described = DescriptorOf(layer.blob);
  if (recipe.form == Form::kArtifact)
    described["annotations"] = {
        {"org.opencontainers.image.title", recipe.path.substr(recipe.path.rfind('/') + 1)}};
  Json json = {{"schemaVersion", 2},
               {"mediaType", kManifestType},
               {"config", DescriptorOf(config)},
               {"layers", Json::array({std::move(described)})}};
  if (!recipe.annotations.empty()) json["annotations"] = recipe.annotations;
  return Text(json);
}

Result<std::string> PlatformsText(const Recipe& recipe, const std::vector<PlatformManifest>& all) {
  Json manifests = Json::array();
  for (const PlatformManifest& one : all) {
    manifests.push_back(DescriptorOf(one.blob));
    manifests.back()["platform"] = PlatformOf(one.platform);
  }
  Json json = {
      {"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", std::move(manifests)}};
  if (!recipe.annotations.empty()) json["annotations"] = recipe.annotations;
  return Text(json);
}

Result<std::string> IndexText(const Recipe& recipe, const Blob& image) {
  Json manifests = Json::array();
  for (const std::string& name : recipe.names) {
    manifests.push_back(DescriptorOf(image));
    manifests.back()["annotations"] = {{kImageName, name}, {kReferenceName, name}};
  }
  if (recipe.names.empty()) manifests.push_back(DescriptorOf(image));
  return Text(
      {{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", std::move(manifests)}});
}

std::string LayoutText() { return R"({"imageLayoutVersion":"1.0.0"})"; }

}  // namespace wasmoor::image
