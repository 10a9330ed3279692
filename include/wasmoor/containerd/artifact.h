#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

// Modules that images bring without a root filesystem: OCI artifacts of WebAssembly, read from
// containerd's content store. Source of the format: OCI image-spec 1.1 ("Guidance for an empty
// descriptor", "Image Index", "Image Manifest"), the CNCF's wasm-oci-artifact guidance for
// application/vnd.wasm.config.v0+json and application/wasm, and the media types that runwasi's
// images have.
namespace wasmoor::containerd {

struct ArtifactOptions {
  std::string grpc_address;  // containerd's socket (GRPC_ADDRESS).
  std::string name_space;    // containerd's namespace of the container.
  // Where what was read is kept, so that it is read once a node: a directory of this alone that is
  // its owner's alone. Empty, or one that cannot be written: nothing is kept, modules are in
  // memory.
  std::filesystem::path directory;
  // Hears what an operator should know although all went well: a line without its end. May be
  // empty.
  std::function<void(std::string_view)> warn;
};

// A module that is no file of its container's root.
struct Artifact {
  os::Fd module;       // Readable, and never written again: a file that is kept, or one in memory.
  std::string name;    // For messages: "docker.io/team/app:1 (app.wasm)".
  std::string digest;  // Of the module: "sha256:…".
};

// kNotFound: there is nothing to be found, and why: the container has no image, or its image has no
// module for any of wasm's platforms. kInvalidArgument: the image is broken or hostile: a manifest
// that is none, a digest that is not that of its content, native or precompiled code in a layer of
// WebAssembly. kFailedPrecondition: containerd does not have what the image consists of.
// kUnavailable, kDeadlineExceeded: containerd does not answer. Each is a sentence that names the
// image, for whoever reads `kubectl describe pod`.
using OnArtifact = std::function<void(Result<Artifact>)>;

// A search that is under way. Destroying it ends it without an answer.
class ArtifactSearch {
 public:
  virtual ~ArtifactSearch() = default;
};

// Finds the module of `container`, which its `entrypoint` (process.args[0], "#export" or not) names
// if the image has more than one: by its layer's title; the first layer otherwise. Asks containerd
// twice if the image was seen before; else once more for each part of it. Holds nothing between
// searches. The answer comes once, from the loop, and may destroy the search. Borrows the loop.
[[nodiscard]] std::unique_ptr<ArtifactSearch> FindArtifact(loop::Loop& loop,
                                                           const ArtifactOptions& options,
                                                           std::string container,
                                                           std::string entrypoint,
                                                           OnArtifact on_artifact);

}  // namespace wasmoor::containerd
