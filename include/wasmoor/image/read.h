#pragma once

#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/image/build.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::image {

// What a manifest of an archive says: an image for one platform.
struct ReadManifest {
  Blob manifest, config;
  Platform platform;         // Of the configuration; empty parts where it says none.
  std::vector<Blob> layers;  // In order.
  std::vector<std::string> entrypoint, arguments, environment;
  std::string working_directory, user, created;
};

struct ReadImage {
  std::vector<std::string> names;  // By which the archive's index calls it.
  Blob image;                      // The manifest, or an index of several.
  std::vector<ReadManifest> manifests;
};

// Reads an OCI archive, each byte of which is hostile: documents are at most 4 MiB and nested twice
// at most, and every blob that an image refers to is held against its digest. kInvalidArgument: not
// such an archive. kDataLoss: a blob is missing or not what its name says.
Result<std::vector<ReadImage>> Read(const os::Fd& archive);

}  // namespace wasmoor::image
