#pragma once

#include <string>
#include <vector>

#include "image/layer.h"
#include "wasmoor/base/result.h"
#include "wasmoor/image/build.h"

// The JSON documents of an image, as text. kInvalidArgument: what the recipe says is not UTF-8.
namespace wasmoor::image {

constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kImageName = "io.containerd.image.name";  // An annotation.
constexpr std::string_view kReferenceName = "org.opencontainers.image.ref.name";
constexpr std::string_view kLayoutFile = "oci-layout", kIndexFile = "index.json";
constexpr std::string_view kBlobs = "blobs/sha256";

// OCI image-spec, "Image Configuration", or the WebAssembly working group's (wasm-oci-artifact).
Result<std::string> ConfigText(const Recipe& recipe, const Platform& platform, const Layer& layer);

// OCI image-spec, "Image Manifest".
Result<std::string> ManifestText(const Recipe& recipe, const Blob& config, const Layer& layer);

// OCI image-spec, "Image Index": of an image for several platforms.
struct PlatformManifest {
  Platform platform;
  Blob blob;
};
Result<std::string> PlatformsText(const Recipe& recipe, const std::vector<PlatformManifest>& all);

// The archive's own index: the image under each of its names. It says no platform: containerd does
// not import what it says is for another platform than its own, unless it is told to.
Result<std::string> IndexText(const Recipe& recipe, const Blob& image);

std::string LayoutText();

}  // namespace wasmoor::image
