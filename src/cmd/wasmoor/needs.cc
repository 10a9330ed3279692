#include "cmd/wasmoor/needs.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <string_view>

namespace wasmoor::cmd {
namespace {

using wasm::Extern;
using wasm::ExternKind;
using wasm::Outline;

constexpr std::string_view kPreview1 = "wasi_snapshot_preview1";

// What the import of a function says about its importer.
struct Sign {
  std::string_view module;    // Of a core module; of a component, how the import's name begins.
  std::string_view function;  // Empty: any.
  std::string_view option;
  std::string_view reason;
};
constexpr std::array kSigns = {
    Sign{kPreview1, "path_open", "--dir HOST[::GUEST][:ro]",
         "it may open files: name the directories it shall see"},
    Sign{kPreview1, "environ_get", "--env NAME[=VALUE]", "it may read environment variables"},
    Sign{kPreview1, "args_get", "ARGS", "it may read arguments, behind FILE"},
    Sign{kPreview1, "sock_accept", "--tcplisten ADDR:PORT",
         "it may take connections from a socket it is given"},
    Sign{"wasi:filesystem/preopens@", "", "--dir HOST[::GUEST][:ro]",
         "it may open files: name the directories it shall see"},
    Sign{"wasi:cli/environment@", "", "--env NAME[=VALUE], ARGS",
         "it may read environment variables and arguments"},
};

bool ExportsFunction(const Outline& outline, std::string_view name) {
  return std::any_of(outline.exports.begin(), outline.exports.end(), [&](const Extern& item) {
    return item.name == name && item.kind == ExternKind::kFunction;
  });
}

bool ExportsInterface(const Outline& outline, std::string_view prefix) {
  return std::any_of(outline.exports.begin(), outline.exports.end(),
                     [&](const Extern& item) { return item.name.starts_with(prefix); });
}

std::string WorldOf(const Outline& outline) {
  if (outline.kind == wasm::ModuleKind::kComponent) {
    if (ExportsInterface(outline, "wasi:cli/run@")) return "command";
    if (ExportsInterface(outline, "wasi:http/incoming-handler@")) return "proxy";
    return "library";
  }
  if (ExportsFunction(outline, "_start")) return "command";
  return ExportsFunction(outline, "_initialize") ? "reactor" : "library";
}

// The lowest version of WASI in the imports of a component: what a host must have at least is told
// by its major and minor number.
std::string WasiOfComponent(const Outline& outline) {
  std::set<std::string> versions;
  for (const auto* list : {&outline.imports, &outline.exports}) {
    for (const Extern& item : *list) {
      const size_t at = item.name.find('@');
      if (!item.name.starts_with("wasi:") || at == std::string::npos) continue;
      const std::string version = item.name.substr(at + 1);
      const size_t patch = version.find('.', version.find('.') + 1);
      versions.insert(version.substr(0, patch));
    }
  }
  if (versions.empty()) return "none";
  std::string text;
  for (const std::string& version : versions) text += (text.empty() ? "" : ", ") + version;
  return text;
}

std::string WasiOf(const Outline& outline) {
  if (outline.kind == wasm::ModuleKind::kComponent) return WasiOfComponent(outline);
  std::string wasi = "none";
  for (const Extern& item : outline.imports) {
    if (item.module == kPreview1) return "0.1";
    if (item.module == "wasi_unstable") wasi = "0.0";
  }
  return wasi;
}

bool Matches(const Sign& sign, const Extern& item, wasm::ModuleKind kind) {
  if (kind == wasm::ModuleKind::kComponent)
    return sign.module != kPreview1 && item.name.starts_with(sign.module);
  return item.module == sign.module && item.name == sign.function;
}

std::vector<wasm::MissingImport> MissingOf(const Outline& outline, const hostcall::Table& host) {
  return outline.kind == wasm::ModuleKind::kCore ? wasm::MissingImports(outline.imports, &host)
                                                 : wasm::MissingInterfaces(outline.imports);
}

std::vector<std::string> ProvidersOf(const std::vector<wasm::MissingImport>& missing) {
  std::vector<std::string> sentences;
  for (const wasm::MissingImport& one : missing) {
    std::string sentence = wasm::WhatProvides(one.import.module, one.import.name);
    if (one.import.name.starts_with("wasi:http/"))
      sentence = "it handles or makes HTTP requests, which 'wasmoor run' does not provide";
    if (!sentence.empty() &&
        std::find(sentences.begin(), sentences.end(), sentence) == sentences.end())
      sentences.push_back(std::move(sentence));
  }
  return sentences;
}

uint64_t MemoryOf(const Outline& outline) {
  uint64_t bytes = 0;
  for (const wasm::MemoryType& memory : outline.memories) {
    uint64_t own = 0;
    if (__builtin_mul_overflow(memory.pages.minimum, memory.page_bytes, &own) ||
        __builtin_add_overflow(bytes, own, &bytes))
      return std::numeric_limits<uint64_t>::max();
  }
  return bytes;
}

}  // namespace

Needs NeedsOf(const Outline& outline, const hostcall::Table& host) {
  Needs needs;
  needs.wasi = WasiOf(outline);
  needs.world = WorldOf(outline);
  const wasm::Features defaults;
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures()) {
    if (!(outline.features.*feature.member)) continue;
    needs.features.emplace_back(feature.name);
    if (!(defaults.*feature.member)) needs.features_off.emplace_back(feature.name);
  }
  for (const Sign& sign : kSigns) {
    if (std::any_of(outline.imports.begin(), outline.imports.end(),
                    [&](const Extern& item) { return Matches(sign, item, outline.kind); }))
      needs.grants.push_back({std::string(sign.option), std::string(sign.reason)});
  }
  needs.missing = MissingOf(outline, host);
  needs.providers = ProvidersOf(needs.missing);
  needs.memory_bytes = MemoryOf(outline);
  return needs;
}

}  // namespace wasmoor::cmd
