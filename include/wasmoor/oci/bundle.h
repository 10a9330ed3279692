#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::oci {

// A directory with a config.json in it (OCI runtime-spec, bundle.md).
struct Bundle {
  std::string path;    // Absolute, without symbolic links.
  os::Fd directory;    // O_PATH.
  std::string config;  // The text of config.json.
  Spec spec;           // What it says.

  // kNotFound, kInvalidArgument: the message names the file and the field.
  static Result<Bundle> Open(const std::string& path);
};

}  // namespace wasmoor::oci
