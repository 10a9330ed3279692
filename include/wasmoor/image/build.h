#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/image/name.h"
#include "wasmoor/os/fd.h"

// Makes images of WebAssembly programs: archives that hold an OCI image layout (OCI image-spec,
// "Image Layout Specification"), as containerd, podman and skopeo read them. The same recipe gives
// the same bytes, everywhere and always.
namespace wasmoor::image {

// What a registry and containerd see of the program.
enum class Form : uint8_t {
  kRootfs,    // A root filesystem with the file in it: every container tool can unpack it.
  kArtifact,  // The file itself is the layer: nothing is unpacked, the runtime reads it from where
              // images are stored.
};

enum class Compression : uint8_t { kNone, kGzip };  // Of a root filesystem.

// Media types of a layer that is a program.
constexpr std::string_view kWasmLayer = "application/wasm";
constexpr std::string_view kWasmContentLayer = "application/vnd.wasm.content.layer.v1+wasm";
constexpr std::string_view kComponentLayer =
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm";
// Media types of an image's configuration.
constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view kWasmConfig = "application/vnd.wasm.config.v0+json";

// A file or a directory of this machine, and its absolute path in the image.
struct Copied {
  std::string source, path;
};

struct Recipe {
  Form form = Form::kRootfs;
  std::vector<std::string> names;   // Whole ones, of FullName; there may be none.
  std::vector<Platform> platforms;  // At least one; several make an index of manifests.
  std::vector<uint8_t> program;     // A binary module or component.
  std::string path;                 // Of the program in the image, absolute.
  std::vector<Copied> files;        // Besides it; kRootfs only.
  Compression compression = Compression::kGzip;
  std::string_view layer_type = kWasmLayer;   // kArtifact only.
  std::string_view config_type = kOciConfig;  // kWasmConfig: kArtifact only.

  std::vector<std::string> entrypoint, arguments;
  std::vector<std::string> environment;  // NAME=VALUE
  std::string working_directory, user;   // Empty: none.
  std::map<std::string, std::string> labels, annotations;
  int64_t created = 0;  // Seconds since 1970, of everything that has a time.
};

struct Blob {
  std::string media_type, digest;  // "sha256:…"
  uint64_t bytes = 0;
};

struct Built {
  Blob image;  // The manifest, or the index of several.
  std::vector<Blob> layers;
  uint64_t bytes = 0;  // Of the archive.
};

// Writes the archive to `out` from where it stands. After an Error some of it may be written.
// kInvalidArgument: a file of the recipe is no file or directory, two want the same path, a text is
// not UTF-8. Others name the file that could not be read or written.
Result<Built> Build(const Recipe& recipe, const os::Fd& out);

}  // namespace wasmoor::image
