#include "cmd/wasmoor/image_report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "cmd/line/text.h"
#include "wasmoor/base/units.h"

namespace wasmoor::cmd {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + Printable(word);
  return text;
}

std::string BlobText(const image::Blob& blob) {
  return fmt::format("{} ({}, {})", Printable(blob.digest), Printable(blob.media_type),
                     FormatSize(blob.bytes));
}

void AddManifest(Table& table, const image::ReadManifest& it) {
  const auto line = [&](std::string_view name, std::string text) {
    if (!text.empty()) table.Add({{std::string(name), Style::kDim}, {std::move(text)}});
  };
  line("platform", Printable(ToString(it.platform)));
  line("manifest", Printable(it.manifest.digest));
  line("config", BlobText(it.config));
  for (const image::Blob& layer : it.layers) line("layer", BlobText(layer));
  line("entrypoint", Joined(it.entrypoint));
  line("arguments", Joined(it.arguments));
  for (const std::string& variable : it.environment) line("env", Printable(variable));
  line("workdir", Printable(it.working_directory));
  line("user", Printable(it.user));
  line("created", Printable(it.created));
}

Json BlobJson(const image::Blob& blob) {
  return {{"media_type", blob.media_type}, {"digest", blob.digest}, {"bytes", blob.bytes}};
}

Json ManifestJson(const image::ReadManifest& it) {
  Json layers = Json::array();
  for (const image::Blob& layer : it.layers) layers.push_back(BlobJson(layer));
  return {{"platform", ToString(it.platform)},
          {"digest", it.manifest.digest},
          {"config", BlobJson(it.config)},
          {"layers", std::move(layers)},
          {"entrypoint", it.entrypoint},
          {"arguments", it.arguments},
          {"env", it.environment},
          {"workdir", it.working_directory},
          {"user", it.user},
          {"created", it.created}};
}

}  // namespace

std::string BuiltText(const image::Recipe& recipe, const image::Built& built,
                      const std::string& output) {
  std::string text;
  for (const std::string& name : recipe.names) text += fmt::format("{}\n", name);
  return text + fmt::format("{}\n{}: {}\n", built.image.digest,
                            output == "-" ? "standard output" : Printable(output),
                            FormatSize(built.bytes));
}

std::string ImagesText(const std::vector<image::ReadImage>& images) {
  const bool color = WantsColor(stdout);
  std::string text;
  for (const image::ReadImage& one : images) {
    if (!text.empty()) text += '\n';
    const std::string title = one.names.empty() ? "without a name" : Joined(one.names);
    text += Styled(title, Style::kBold, color) + '\n';
    Table table(2);
    table.Add({{"image", Style::kDim}, {BlobText(one.image)}});
    for (const image::ReadManifest& manifest : one.manifests) AddManifest(table, manifest);
    text += ForStandardOutput(table);
  }
  return text;
}

std::string ImagesJson(const std::string& archive, const std::vector<image::ReadImage>& images) {
  Json list = Json::array();
  for (const image::ReadImage& one : images) {
    Json manifests = Json::array();
    for (const image::ReadManifest& manifest : one.manifests)
      manifests.push_back(ManifestJson(manifest));
    list.push_back({{"names", one.names},
                    {"digest", one.image.digest},
                    {"media_type", one.image.media_type},
                    {"manifests", std::move(manifests)}});
  }
  return JsonLine({{"archive", archive}, {"images", std::move(list)}});
}

}  // namespace wasmoor::cmd
