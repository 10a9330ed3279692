#include "sandbox/stdio/target.h"

#include <algorithm>
#include <string_view>

#include "wasmoor/base/percent.h"

namespace wasmoor::sandbox {
namespace {

// Up to `separator`, which is taken away, too.
std::string_view TakeUntil(std::string_view* text, char separator) {
  const std::string_view taken = text->substr(0, text->find(separator));
  text->remove_prefix(std::min(text->size(), taken.size() + 1));
  return taken;
}

// A part of a form: a plus sign is a space (application/x-www-form-urlencoded).
std::string DecodeFormPart(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return DecodePercents(spaced);
}

// containerd's shims give a logger each key with the first of its values.
std::vector<std::string> ArgumentsOf(std::string_view query) {
  std::vector<std::string> keys, arguments;
  while (!query.empty()) {
    std::string_view value = TakeUntil(&query, '&');
    if (value.empty()) continue;
    std::string key = DecodeFormPart(TakeUntil(&value, '='));
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    keys.push_back(key);
    arguments.push_back(std::move(key));
    arguments.push_back(DecodeFormPart(value));
  }
  return arguments;
}

Result<Target::Kind> KindOf(std::string_view scheme, const std::string& name) {
  if (scheme == "fifo") return Target::Kind::kPath;
  if (scheme == "file") return Target::Kind::kFile;
  if (scheme == "binary" || scheme == "binary-v2") return Target::Kind::kLogger;
  return Fail(Code::kInvalidArgument,
              "stream '{}': unknown scheme '{}'; it can be fifo, file, binary or binary-v2", name,
              scheme);
}

}  // namespace

Result<Target> ParseTarget(const std::string& name) {
  Target target;
  if (name.empty()) return target;
  std::string_view rest = name;
  if (rest.front() == '/') {
    target.kind = Target::Kind::kPath;
    target.path = name;
  } else if (rest.find(':') == std::string_view::npos) {
    return Fail(Code::kInvalidArgument,
                "stream '{}' is neither an absolute path nor a URI (fifo, file, binary or "
                "binary-v2)",
                name);
  } else {
    const std::string_view scheme = TakeUntil(&rest, ':');
    target.kind = TRY(KindOf(scheme, name));
    target.must_say_ready = scheme == "binary-v2";
    rest = TakeUntil(&rest, '#');
    // The authority of a URI names a machine, which must be none here.
    if (rest.starts_with("//")) rest.remove_prefix(2);
    target.path = DecodePercents(TakeUntil(&rest, '?'));
    if (target.kind == Target::Kind::kLogger) target.arguments = ArgumentsOf(rest);
  }
  if (!target.path.starts_with('/') || target.path.find('\0') != std::string::npos)
    return Fail(Code::kInvalidArgument, "stream '{}': '{}' is not an absolute path", name,
                target.path);
  return target;
}

}  // namespace wasmoor::sandbox
