#include "containerd/image.h"
#include "fuzz/input.h"
#include "wasmoor/base/check.h"

namespace wasmoor::fuzz {

void ImageDocuments(Bytes bytes) {
  Input input(bytes);
  const std::string entrypoint = input.TakeLine();
  const Bytes rest = input.TakeBytes(bytes.size());
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
  static_cast<void>(containerd::CheckHead(text));
  if (const auto digest = containerd::ParseDigest(entrypoint))
    CHECK(containerd::ToString(*digest) == entrypoint);
  const auto document = containerd::ParseDocument(text);
  if (!document) {
    CHECK(document.error().code() == Code::kInvalidArgument);
    return;
  }
  const auto sound = [](const containerd::Descriptor& blob) {
    CHECK(containerd::ParseDigest(blob.digest).has_value());
  };
  if (const auto* index = std::get_if<containerd::Index>(&*document)) {
    const auto choice = containerd::ChooseEntry(*index);
    CHECK(choice || choice.error().code() == Code::kNotFound);
    if (choice) sound(choice->entry.manifest);
    return;
  }
  const auto layer = containerd::ChooseLayer(std::get<containerd::Manifest>(*document), entrypoint);
  CHECK(layer || layer.error().code() == Code::kNotFound);
  if (layer) sound(layer->blob);
}

}  // namespace wasmoor::fuzz
