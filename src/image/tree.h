#pragma once

#include <map>
#include <span>
#include <string>

#include "image/archive.h"
#include "wasmoor/base/result.h"
#include "wasmoor/image/build.h"

namespace wasmoor::image {

// What a root filesystem will have at a path.
struct Node {
  Entry entry;         // Its path is the node's.
  std::string source;  // Of a regular file: here. Empty: the program itself.
};
// By path, so that a folder comes before what is in it.
using Tree = std::map<std::string, Node>;

// kInvalidArgument: two things at one path, a source that is neither file nor directory (symbolic
// links below a directory are kept as such), a path that is not absolute or has ".." in it.
Result<Tree> CollectTree(const Recipe& recipe);

// "/a//b/./c/" as "a/b/c". kInvalidArgument, see above.
Result<std::string> InnerPath(std::string_view path);

}  // namespace wasmoor::image
