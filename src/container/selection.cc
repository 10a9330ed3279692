#include "container/selection.h"

#include <algorithm>
#include <array>

namespace wasmoor::container {
namespace {

using Annotations = std::map<std::string, std::string>;

struct Pair {
  std::string_view key, value;
};

constexpr std::array kSandboxes = {
    Pair{"io.kubernetes.cri.container-type", "sandbox"},
    Pair{"io.kubernetes.cri-o.ContainerType", "sandbox"},
};

constexpr std::string_view kHandler = "run.oci.handler", kVariant = "module.wasm.image/variant";
constexpr std::string_view kKata = "io.katacontainers.platform.wasi/wasm32";

constexpr std::array kMarks = {
    Pair{kKata, "yes"},         Pair{kKata, "true"},        Pair{kHandler, "wasm"},
    Pair{kHandler, "wasmtime"}, Pair{kHandler, "wasmedge"}, Pair{kHandler, "wasmer"},
    Pair{kHandler, "wamr"},     Pair{kVariant, "compat"},
};

// Of these, a program that is not named as one is not meant: a sidecar, to which a pod's
// annotations come as well.
constexpr std::array kSmartMarks = {
    Pair{kHandler, "wasm-smart"},
    Pair{kVariant, "compat-smart"},
};

const Pair* FindAny(const Annotations& annotations, std::span<const Pair> pairs) {
  for (const Pair& pair : pairs) {
    const auto found = annotations.find(std::string(pair.key));
    if (found != annotations.end() && found->second == pair.value) return &pair;
  }
  return nullptr;
}

const Pair* FindMark(const Annotations& annotations, std::string_view path) {
  if (const Pair* mark = FindAny(annotations, kMarks)) return mark;
  if (!path.ends_with(".wasm") && !path.ends_with(".wat")) return nullptr;
  return FindAny(annotations, kSmartMarks);
}

// The rest of a text in the text format's grammar behind white space and comments.
std::string_view SkipSpace(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n", kLine = ";;", kOpen = "(;", kClose = ";)";
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    if (text.starts_with(kLine)) {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
    } else if (text.starts_with(kOpen)) {
      // One in another is not looked for: at worst a file is not taken for what it is.
      const size_t end = text.find(kClose);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + kClose.size());
    } else {
      return text;
    }
  }
}

bool LooksLikeText(std::string_view text) {
  text = SkipSpace(text);
  if (!text.starts_with('(')) return false;
  text = SkipSpace(text.substr(1));
  return text.starts_with("module") || text.starts_with("component");
}

}  // namespace

Entrypoint ParseEntrypoint(std::string_view word) {
  const size_t mark = word.find('#');
  if (mark == std::string_view::npos) return {.path = std::string(word)};
  return {.path = std::string(word.substr(0, mark)),
          .function = std::string(word.substr(mark + 1))};
}

Mark MarkOf(const Annotations& annotations, std::string_view path) {
  if (FindAny(annotations, kSandboxes) != nullptr) return Mark::kNative;
  return FindMark(annotations, path) != nullptr ? Mark::kWasm : Mark::kNone;
}

std::string MarkingAnnotation(const Annotations& annotations, std::string_view path) {
  const Pair* mark = FindMark(annotations, path);
  if (mark == nullptr) return "";
  return std::string(mark->key) + '=' + std::string(mark->value);
}

bool LooksLikeWasm(std::string_view path, wasm::Bytes head) {
  if (wasm::LooksLikeModule(head) || wasm::LooksLikeComponent(head)) return true;
  return path.ends_with(".wat") &&
         LooksLikeText({reinterpret_cast<const char*>(head.data()), head.size()});
}

}  // namespace wasmoor::container
