#pragma once

#include <string>
#include <vector>

#include "wasmoor/image/build.h"
#include "wasmoor/image/read.h"

// What `wasmoor image` prints.
namespace wasmoor::cmd {

std::string BuiltText(const image::Recipe& recipe, const image::Built& built,
                      const std::string& output);

std::string ImagesText(const std::vector<image::ReadImage>& images);
std::string ImagesJson(const std::string& archive, const std::vector<image::ReadImage>& images);

}  // namespace wasmoor::cmd
