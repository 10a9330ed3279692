#pragma once

#include <optional>
#include <string>

#include "function/page/snapshot.h"
#include "function/page/view.h"

namespace wasmoor::function::page {

// What a view shows, for machines: the same rows, and their numbers as they are. Times are seconds,
// sizes bytes; null is a time that there was nothing to measure of, or that was too long to be.
std::string StatusJson(const Snapshot& snapshot, const View& view,
                       const std::optional<Detail>& detail);

}  // namespace wasmoor::function::page
