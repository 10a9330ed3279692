#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::host {

// Directories that have nothing but what containers mount on, to be put beneath the layers of their
// roots: images of wasm have one file, and making /proc, /dev and so on in each container's own
// layer is a good part of what starting it costs. Any thread.
class Skeletons {
 public:
  // Makes all of them below `directory`, which is made, too. kPermissionDenied if somebody else
  // could write there.
  static Result<Skeletons> Make(const std::string& directory);

  // The one that has just the directories that the specification mounts on, of those that are
  // usual; empty if that is none.
  std::string For(const oci::Spec& spec) const;

 private:
  explicit Skeletons(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace wasmoor::host
