#include "wasmoor/containerd/artifact.h"

#include <algorithm>
#include <array>
#include <utility>

#include "containerd/blobs.h"
#include "containerd/fetch.h"
#include "containerd/image.h"
#include "wasmoor/containerd/store.h"
#include "wasmoor/grpc/client.h"
#include "wasmoor/os/file.h"

namespace wasmoor::containerd {
namespace {

// From a container to the module of its image, question by question.
class Search : public ArtifactSearch {
 public:
  Search(loop::Loop& loop, const ArtifactOptions& options, std::string container,
         std::string entrypoint, OnArtifact on_artifact)
      : client_(loop, options.grpc_address),
        store_(client_, options.name_space),
        blobs_(OpenBlobs(options)),
        container_(std::move(container)),
        entrypoint_(std::move(entrypoint)),
        on_artifact_(std::move(on_artifact)),
        fetch_(loop, store_, blobs_) {}

  void Start() {
    store_.GetImageName(container_, [this](Result<std::string> name) { OnName(std::move(name)); });
  }

 private:
  static Blobs OpenBlobs(const ArtifactOptions& options);

  void OnName(Result<std::string> name);
  void OnImage(Result<Image> image);
  void GetDocument(const Descriptor& descriptor);
  void OnDocument(Result<os::Fd> file);
  void GetModule(const Manifest& manifest);
  void OnModule(Result<os::Fd> file);
  // The answer, and maybe the end of this.
  void Finish(Result<Artifact> artifact);
  void FailWith(const Error& error);

  grpc::Client client_;
  Store store_;
  const Blobs blobs_;
  const std::string container_, entrypoint_;
  OnArtifact on_artifact_;
  Fetch fetch_;
  std::string image_;
  bool through_index_ = false;
  std::string doubt_;  // Of the index, that there is a module.
  Layer layer_;
};

Blobs Search::OpenBlobs(const ArtifactOptions& options) {
  if (options.directory.empty()) return {};
  auto blobs = Blobs::Open(options.directory);
  if (blobs) return std::move(*blobs);
  if (options.warn) options.warn("modules of images are not kept: " + blobs.error().message());
  return {};
}

void Search::OnName(Result<std::string> name) {
  if (!name)
    return Finish(tl::unexpected(std::move(name).error().WithContext(
        fmt::format("ask containerd for container {}", container_))));
  if (name->empty())
    return Finish(
        Fail(Code::kNotFound, "container {} has no image to look for a module in", container_));
  image_ = *std::move(name);
  store_.GetImage(image_, [this](Result<Image> image) { OnImage(std::move(image)); });
}

void Search::OnImage(Result<Image> image) {
  if (image) return GetDocument(image->target);
  const Error& error = image.error();
  if (error.code() != Code::kNotFound) return FailWith(error);
  FailWith(Error(Code::kFailedPrecondition, "containerd has no image of that name any more"));
}

void Search::GetDocument(const Descriptor& descriptor) {
  fetch_.Start(descriptor, kMostDocumentBytes,
               [this](Result<os::Fd> file) { OnDocument(std::move(file)); });
}

void Search::OnDocument(Result<os::Fd> file) {
  if (!file) return FailWith(file.error());
  const auto bytes = os::ReadAll(*file, kMostDocumentBytes);
  if (!bytes) return FailWith(bytes.error());
  const auto document =
      ParseDocument({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  const std::string_view what = through_index_ ? "its manifest" : "its index or manifest";
  if (!document) return FailWith(Error(document.error()).WithContext(what));
  if (const auto* manifest = std::get_if<Manifest>(&*document)) return GetModule(*manifest);
  // An index in an index could go on for ever, and nobody makes one.
  if (std::exchange(through_index_, true))
    return FailWith(
        Error(Code::kInvalidArgument, "its index has an index where a manifest is due"));
  auto choice = ChooseEntry(std::get<Index>(*document));
  if (!choice) return FailWith(choice.error());
  doubt_ = std::move(choice->doubt);
  GetDocument(choice->entry.manifest);
}

void Search::GetModule(const Manifest& manifest) {
  auto layer = ChooseLayer(manifest, entrypoint_);
  if (!layer) return FailWith(doubt_.empty() ? layer.error() : Error(Code::kNotFound, doubt_));
  layer_ = *std::move(layer);
  fetch_.Start(layer_.blob, kMostModuleBytes,
               [this](Result<os::Fd> file) { OnModule(std::move(file)); });
}

void Search::OnModule(Result<os::Fd> file) {
  if (!file) return FailWith(file.error());
  std::array<uint8_t, kHeadBytes> head;
  const auto size = os::ReadAt(*file, head, 0);
  if (!size) return FailWith(size.error());
  const std::string layer = layer_.title.empty() ? layer_.blob.digest : layer_.title;
  if (const Status checked = CheckHead({reinterpret_cast<const char*>(head.data()), *size});
      !checked)
    return FailWith(Error(checked.error().code(),
                          fmt::format("its layer {} {}", layer, checked.error().message())));
  Finish(Artifact{.module = std::move(*file),
                  .name = fmt::format("{} ({})", image_, layer),
                  .digest = layer_.blob.digest});
}

void Search::FailWith(const Error& error) {
  Finish(tl::unexpected(Error(error).WithContext(fmt::format("image {}", image_))));
}

void Search::Finish(Result<Artifact> artifact) {
  const OnArtifact on_artifact = std::exchange(on_artifact_, nullptr);
  on_artifact(std::move(artifact));
}

}  // namespace

std::unique_ptr<ArtifactSearch> FindArtifact(loop::Loop& loop, const ArtifactOptions& options,
                                             std::string container, std::string entrypoint,
                                             OnArtifact on_artifact) {
  entrypoint.resize(std::min(entrypoint.find('#'), entrypoint.size()));
  auto search = std::make_unique<Search>(loop, options, std::move(container), std::move(entrypoint),
                                         std::move(on_artifact));
  search->Start();
  return search;
}

}  // namespace wasmoor::containerd
