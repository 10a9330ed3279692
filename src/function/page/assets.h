#pragma once

#include <string_view>

// What the page consists of beside its text, each at a path of its own.
namespace wasmoor::function::page {

std::string_view Style();   // CSS
std::string_view Script();  // JavaScript
std::string_view Icon();    // SVG

}  // namespace wasmoor::function::page
