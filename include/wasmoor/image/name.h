#pragma once

#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

// What images are called, and what they are made for.
namespace wasmoor::image {

// The whole of a name that people shorten: "app" is "docker.io/library/app:latest". The rules are
// those of the distribution project's reference grammar. kInvalidArgument says which part breaks
// them; a digest is refused, since it follows from the content.
Result<std::string> FullName(std::string_view text);

// The operating system and the architecture that an image says it is for, as GOOS and GOARCH name
// them (OCI image-spec, "Image Index").
struct Platform {
  std::string os, architecture, variant;
  bool operator==(const Platform&) const = default;
};

// "linux/amd64", "wasi/wasm", "linux/arm64/v8".
Result<Platform> ParsePlatform(std::string_view text);
std::string ToString(const Platform& platform);

}  // namespace wasmoor::image
