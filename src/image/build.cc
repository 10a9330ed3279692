#include "wasmoor/image/build.h"

#include <sys/stat.h>

#include "base/checksum.h"
#include "image/archive.h"
#include "image/documents.h"
#include "image/layer.h"

namespace wasmoor::image {
namespace {

constexpr mode_t kFile = S_IFREG | 0644, kFolder = S_IFDIR | 0755;

std::span<const uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The documents that an image has besides its layer, by digest: what is the same is there once.
class Documents {
 public:
  Blob Add(std::string_view media_type, std::string text) {
    const std::string hex = ToHex(HashOf(BytesOf(text)));
    Blob blob{std::string(media_type), "sha256:" + hex, text.size()};
    texts_[hex] = std::move(text);
    return blob;
  }
  const std::map<std::string, std::string>& texts() const { return texts_; }

 private:
  std::map<std::string, std::string> texts_;
};

Result<Blob> AddManifests(Documents& documents, const Recipe& recipe, const Layer& layer) {
  std::vector<PlatformManifest> all;
  for (const Platform& platform : recipe.platforms) {
    const Blob config = documents.Add(recipe.config_type, TRY(ConfigText(recipe, platform, layer)));
    all.push_back(
        {platform, documents.Add(kManifestType, TRY(ManifestText(recipe, config, layer)))});
  }
  if (all.size() == 1) return all.front().blob;
  return documents.Add(kIndexType, TRY(PlatformsText(recipe, all)));
}

Status AddText(ArchiveWriter& writer, std::string path, std::string_view text) {
  TRY(writer.Add({.path = std::move(path), .mode = kFile, .bytes = text.size()}));
  return writer.Write(BytesOf(text));
}

Status WriteLayout(ArchiveWriter& writer, const Recipe& recipe, const Documents& documents,
                   const Layer& layer, const Blob& image) {
  // What says what it is comes first, as readers of a stream like it.
  TRY(AddText(writer, std::string(kLayoutFile), LayoutText()));
  TRY(AddText(writer, std::string(kIndexFile), TRY(IndexText(recipe, image))));
  TRY(writer.Add({.path = "blobs", .mode = kFolder}));
  TRY(writer.Add({.path = std::string(kBlobs), .mode = kFolder}));
  for (const auto& [hex, text] : documents.texts())
    TRY(AddText(writer, fmt::format("{}/{}", kBlobs, hex), text));
  const std::string hex = layer.blob.digest.substr(layer.blob.digest.find(':') + 1);
  TRY(writer.Add(
      {.path = fmt::format("{}/{}", kBlobs, hex), .mode = kFile, .bytes = layer.blob.bytes}));
  TRY(writer.WriteFile(layer.file, layer.blob.bytes));
  return writer.Finish();
}

}  // namespace

Result<Built> Build(const Recipe& recipe, const os::Fd& out) {
  const Layer layer =
      TRY(recipe.form == Form::kRootfs ? MakeRootfsLayer(recipe) : MakeProgramLayer(recipe));
  Documents documents;
  const Blob image = TRY(AddManifests(documents, recipe, layer));
  FileSink sink(out);
  ArchiveWriter writer =
      TRY(ArchiveWriter::Create(ArchiveWriter::Format::kTar, recipe.created, sink));
  TRY(WriteLayout(writer, recipe, documents, layer, image));
  return Built{image, {layer.blob}, sink.bytes()};
}

}  // namespace wasmoor::image
