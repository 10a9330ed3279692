#include "wasmoor/node/place.h"

#include <climits>
#include <string_view>

#include "wasmoor/base/printable.h"

namespace wasmoor::node {
namespace {

Status CheckName(std::string_view what, std::string_view name) {
  constexpr std::string_view kSeparators("/\0", 2);
  if (!name.empty() && name != "." && name != ".." && name.size() <= NAME_MAX &&
      name.find_first_of(kSeparators) == std::string_view::npos)
    return {};
  return Fail(Code::kInvalidArgument,
              "the sandbox's {} must be a name of 1 to {} bytes without '/', is '{}'", what,
              NAME_MAX, Printable(name));
}

}  // namespace

Status Check(const Key& key) {
  TRY(CheckName("namespace", key.name_space));
  return CheckName("id", key.id);
}

}  // namespace wasmoor::node
