#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"

namespace wasmoor::function {

// What a request's target names (RFC 9112, section 3.2; RFC 3986): a path of segments and a query.
struct Target {
  std::vector<std::string> segments;  // Of the path, decoded; "/a//b/": "a", "", "b", "".
  std::string_view path, query;       // As they came; views of the text.

  // The path from segment `first` on, decoded, with a slash before each; empty if there is none.
  std::string Rest(size_t first) const;
  // What is below the first segments, with the query, as it came: "/b?c" of "/a/b?c". At least "/".
  std::string Below(size_t segments) const;
  size_t PrefixSize(size_t segments) const;  // Of the path, what the first segments take.
};

// kInvalidArgument: no path; an escape that is none, or that hides a slash or a NUL; a segment that
// leads elsewhere ("." or ".."), escaped or not.
Result<Target> ParseTarget(std::string_view text);

// "a=1&b%20c" as "a=1" and "b c", of which + is a space. What is no escape stays as it is; a NUL is
// left out, as no argument of a program can have one.
std::vector<std::string> QueryArguments(std::string_view query);

// Of these what stands behind the first "=", of those that have one: of functions, whose parameters
// have no names.
std::vector<std::string> QueryValues(std::string_view query);

}  // namespace wasmoor::function
