#include "wasmoor/image/read.h"

#include <sys/stat.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/checksum.h"
#include "base/sha256.h"
#include "image/archive.h"
#include "image/documents.h"
#include "wasmoor/os/file.h"

namespace wasmoor::image {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostOfDocument = 4 << 20;      // As much as registries take of a manifest.
constexpr uint64_t kMostOfDocuments = 64 << 20;  // Of all together.
constexpr size_t kMostImages = 1024;
constexpr size_t kPiece = 64 << 10;

// A blob of the archive; its text if it is short enough to be a document.
struct Stored {
  uint64_t bytes = 0;
  bool is_sound = false;  // It has the digest that its name says.
  std::string text;
};

struct Content {
  std::string layout, index;
  std::map<std::string, Stored> blobs;  // By the hex digits of its digest.
};

Result<Stored> ReadEntry(ArchiveReader& reader, const Entry& entry, bool keep) {
  Stored stored;
  Sha256 hash;
  std::vector<uint8_t> piece(kPiece);
  for (;;) {
    const size_t got = TRY(reader.Read(piece));
    const auto bytes = std::span(piece).first(got);
    hash.Update(bytes);
    stored.bytes += got;
    if (keep) stored.text.append(bytes.begin(), bytes.end());
    if (got < piece.size()) break;
  }
  stored.is_sound = ToHex(hash.Finish()) == entry.path.substr(entry.path.rfind('/') + 1);
  return stored;
}

Result<Content> ReadContent(const os::Fd& file) {
  Content content;
  ArchiveReader reader = TRY(ArchiveReader::Create(file));
  const auto whole = static_cast<uint64_t>(TRY(os::Stat(file)).st_size);
  uint64_t kept = 0;
  const std::string folder = std::string(kBlobs) + '/';
  for (Entry entry; TRY(reader.Next(entry));) {
    if (entry.path.starts_with("./")) entry.path.erase(0, 2);
    if (!S_ISREG(entry.mode)) continue;
    const bool is_blob = entry.path.starts_with(folder);
    if (!is_blob && entry.path != kLayoutFile && entry.path != kIndexFile) continue;
    // Sparse: its zeros could be read for years.
    if (entry.bytes > whole)
      return Fail(Code::kInvalidArgument, "{}: has more bytes than the archive", entry.path);
    const bool keep = entry.bytes <= kMostOfDocument && kept + entry.bytes <= kMostOfDocuments;
    if (keep) kept += entry.bytes;
    Stored stored = TRY(ReadEntry(reader, entry, keep));
    if (is_blob) {
      content.blobs[entry.path.substr(folder.size())] = std::move(stored);
    } else {
      (entry.path == kIndexFile ? content.index : content.layout) = std::move(stored.text);
    }
  }
  if (content.layout.empty() || content.index.empty())
    return Fail(Code::kInvalidArgument, "has no {}: it is no archive of an OCI image",
                content.layout.empty() ? kLayoutFile : kIndexFile);
  return content;
}

// An object, or null: parsing takes no exception.
Result<Json> Parse(const std::string& text, std::string_view what) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Fail(Code::kInvalidArgument, "{} is not a JSON object", what);
  return json;
}

// What is not there, or is of another kind, is empty: readers of the specification take it so.
std::string TextAt(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

const Json& At(const Json& json, const char* key) {
  static const Json kNothing = Json::object();
  const auto it = json.is_object() ? json.find(key) : json.end();
  return json.is_object() && it != json.end() ? *it : kNothing;
}

std::vector<std::string> TextsAt(const Json& json, const char* key) {
  std::vector<std::string> texts;
  for (const Json& one : At(json, key))
    if (one.is_string()) texts.push_back(one.get<std::string>());
  return texts;
}

Blob BlobOf(const Json& descriptor) {
  Blob blob;
  if (!descriptor.is_object()) return blob;
  blob.media_type = TextAt(descriptor, "mediaType");
  blob.digest = TextAt(descriptor, "digest");
  const Json& size = At(descriptor, "size");
  if (size.is_number_unsigned()) blob.bytes = size.get<uint64_t>();
  return blob;
}

// What reads images out of what was read of the archive.
class Images {
 public:
  explicit Images(const Content& content) : content_(content) {}

  Result<std::vector<ReadImage>> Read() const {
    std::vector<ReadImage> images;
    const Json index = TRY(Parse(content_.index, kIndexFile));
    for (const Json& descriptor : At(index, "manifests")) {
      const Blob blob = BlobOf(descriptor);
      const Json& annotations = At(descriptor, "annotations");
      std::string name = annotations.is_object() ? TextAt(annotations, kImageName.data()) : "";
      if (name.empty() && annotations.is_object())
        name = TextAt(annotations, kReferenceName.data());
      ReadImage* image = nullptr;
      for (ReadImage& known : images)
        if (known.image.digest == blob.digest) image = &known;
      if (image == nullptr) {
        if (images.size() == kMostImages)
          return Fail(Code::kInvalidArgument, "{} has more than {} images", kIndexFile,
                      kMostImages);
        image = &images.emplace_back(ReadImage{{}, blob, {}});
        TRY(ReadInto(*image));
      }
      if (!name.empty()) image->names.push_back(std::move(name));
    }
    if (images.empty()) return Fail(Code::kInvalidArgument, "{} has no image", kIndexFile);
    return images;
  }

 private:
  // The blob that a descriptor names, as large as it says.
  Result<const Stored*> Find(const Blob& blob, std::string_view what) const {
    constexpr std::string_view kAlgorithm = "sha256:";
    const auto it = blob.digest.starts_with(kAlgorithm)
                        ? content_.blobs.find(blob.digest.substr(kAlgorithm.size()))
                        : content_.blobs.end();
    if (it == content_.blobs.end())
      return Fail(Code::kDataLoss, "{} {} is not in the archive", what, blob.digest);
    if (!it->second.is_sound || it->second.bytes != blob.bytes)
      return Fail(Code::kDataLoss, "{} {} is damaged", what, blob.digest);
    return &it->second;
  }

  Result<Json> Document(const Blob& blob, std::string_view what) const {
    const Stored* stored = TRY(Find(blob, what));
    if (stored->text.size() != stored->bytes)
      return Fail(Code::kInvalidArgument, "{} {} is too big", what, blob.digest);
    return Parse(stored->text, fmt::format("{} {}", what, blob.digest));
  }

  Status ReadInto(ReadImage& image) const {
    const Json json = TRY(Document(image.image, "manifest"));
    const Json& manifests = At(json, "manifests");
    if (!manifests.is_array()) return AddManifest(image, image.image, json);
    for (const Json& descriptor : manifests) {
      const Blob blob = BlobOf(descriptor);
      if (image.manifests.size() == kMostImages)
        return Fail(Code::kInvalidArgument, "an index has more than {} manifests", kMostImages);
      TRY(AddManifest(image, blob, TRY(Document(blob, "manifest"))));
    }
    return {};
  }

  Status AddManifest(ReadImage& image, const Blob& blob, const Json& json) const {
    ReadManifest manifest;
    manifest.manifest = blob;
    manifest.config = BlobOf(At(json, "config"));
    const Json config = TRY(Document(manifest.config, "configuration"));
    manifest.platform = {TextAt(config, "os"), TextAt(config, "architecture"),
                         TextAt(config, "variant")};
    manifest.created = TextAt(config, "created");
    const Json& execution = At(config, "config");
    if (execution.is_object()) {
      manifest.entrypoint = TextsAt(execution, "Entrypoint");
      manifest.arguments = TextsAt(execution, "Cmd");
      manifest.environment = TextsAt(execution, "Env");
      manifest.working_directory = TextAt(execution, "WorkingDir");
      manifest.user = TextAt(execution, "User");
    }
    for (const Json& layer : At(json, "layers")) {
      manifest.layers.push_back(BlobOf(layer));
      TRY(Find(manifest.layers.back(), "layer"));
    }
    image.manifests.push_back(std::move(manifest));
    return {};
  }

  const Content& content_;
};

}  // namespace

Result<std::vector<ReadImage>> Read(const os::Fd& archive) {
  const Content content = TRY(ReadContent(archive));
  return Images(content).Read();
}

}  // namespace wasmoor::image
