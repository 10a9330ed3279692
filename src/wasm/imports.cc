#include "wasmoor/wasm/imports.h"

#include <algorithm>
#include <array>

namespace wasmoor::wasm {
namespace {

struct Provider {
  std::string_view module;
  std::string_view name_prefix;  // Of the import's name; empty: any.
  std::string_view sentence;
};

// Where imports that guests in the wild carry come from. The first that matches counts.
constexpr std::array kProviders = {
    Provider{"wasi_snapshot_preview1", "",
             "WASI 0.1 has no such function: the module was built by a faulty or newer toolchain"},
    Provider{"wasi_unstable", "",
             "it was built for WASI snapshot 0, which ended in 2019: rebuild it with a current "
             "wasi-sdk"},
    Provider{
        "wasi", "thread-spawn",
        "it was built for wasi-threads, which no version of WASI kept: rebuild it without threads"},
    Provider{"wasi_ephemeral_nn", "", "it wants wasi-nn, which this host does not provide"},
    Provider{"wasi_ephemeral_", "", "it wants a proposal of WASI that was never released"},
    Provider{"env", "memory", "it imports its memory: rebuild it without --import-memory"},
    Provider{"env", "emscripten",
             "it was built by Emscripten for JavaScript: rebuild it with -sSTANDALONE_WASM or a "
             "wasi-sdk"},
    Provider{"env", "invoke_",
             "it was built by Emscripten for JavaScript: rebuild it with -sSTANDALONE_WASM or a "
             "wasi-sdk"},
    Provider{"env", "__syscall",
             "it was built by Emscripten for JavaScript: rebuild it with -sSTANDALONE_WASM or a "
             "wasi-sdk"},
    Provider{"env", "",
             "a symbol was left undefined when it was linked (--allow-undefined), or it was built "
             "for a host of its own"},
    Provider{"gojs", "", "it was built by Go for JavaScript: rebuild it with GOOS=wasip1"},
    Provider{"go", "", "it was built by Go for JavaScript: rebuild it with GOOS=wasip1"},
    Provider{
        "wbg", "",
        "it was built by wasm-bindgen for JavaScript: rebuild it for the target wasm32-wasip1"},
    Provider{
        "__wbindgen_placeholder__", "",
        "it was built by wasm-bindgen for JavaScript: rebuild it for the target wasm32-wasip1"},
    Provider{"wasix_32v1", "", "it was built for WASIX: rebuild it for WASI"},
    Provider{"wasix_64v1", "", "it was built for WASIX: rebuild it for WASI"},
    Provider{"wasi:", "",
             "it is the core of a component: wrap it with 'wasm-tools component new' and run that"},
};

constexpr size_t kMostNamed = 8;
constexpr size_t kMostExportsNamed = 20;

// The packages of WASI 0.2, world wasi:cli/command.
constexpr std::array<std::string_view, 6> kPackages = {
    "wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/",
};
constexpr std::string_view kHttpPackage = "wasi:http/", kPackageVersion = "@0.2.";

bool IsInterfaceOfWasi(std::string_view name) {
  return name.find(kPackageVersion) != std::string_view::npos &&
         std::any_of(kPackages.begin(), kPackages.end(),
                     [&](std::string_view package) { return name.starts_with(package); });
}

}  // namespace

std::vector<MissingImport> MissingImports(std::span<const Extern> imports,
                                          const hostcall::Table* host) {
  std::vector<MissingImport> missing;
  for (const Extern& import : imports) {
    if (import.kind != ExternKind::kFunction) {
      missing.push_back({import, "the host provides functions only"});
      continue;
    }
    const auto* entry = host == nullptr ? nullptr : host->Find(import.module, import.name);
    if (entry == nullptr) {
      missing.push_back({import, "no such function"});
    } else if (!(entry->function.signature == import.signature)) {
      missing.push_back(
          {import, "the host's has the type " + hostcall::ToString(entry->function.signature)});
    }
  }
  return missing;
}

std::vector<MissingImport> MissingInterfaces(std::span<const Extern> imports, World world) {
  std::vector<MissingImport> missing;
  for (const Extern& import : imports) {
    const bool is_http = import.name.starts_with(kHttpPackage) &&
                         import.name.find(kPackageVersion) != std::string_view::npos;
    // Types and the like need no host.
    if (import.kind == ExternKind::kOther || IsInterfaceOfWasi(import.name)) continue;
    if (!is_http) {
      missing.push_back({import, "a component is given WASI 0.2 only"});
    } else if (world != World::kHttp) {
      missing.push_back(
          {import, "only a component that exports wasi:http/incoming-handler has it"});
    }
  }
  return missing;
}

std::string WhatProvides(std::string_view module, std::string_view name) {
  for (const Provider& provider : kProviders) {
    const bool prefix = provider.module.ends_with('_') || provider.module.ends_with(':');
    const bool same = prefix ? module.starts_with(provider.module) : module == provider.module;
    if (same && name.starts_with(provider.name_prefix)) return std::string(provider.sentence);
  }
  return {};
}

std::string DescribeMissing(std::span<const MissingImport> missing) {
  std::string text = "it needs what this host does not provide: ";
  for (size_t i = 0; i < missing.size() && i < kMostNamed; ++i) {
    const MissingImport& one = missing[i];
    if (i > 0) text += "; ";
    text += fmt::format("{:.200}.{:.200}", one.import.module, one.import.name);
    if (!one.import.type.empty()) text += fmt::format(" {:.200}", one.import.type);
    text += " (" + one.reason + ")";
  }
  if (missing.size() > kMostNamed)
    text += fmt::format("; and {} more", missing.size() - kMostNamed);
  if (const std::string hint = WhatProvides(missing[0].import.module, missing[0].import.name);
      !hint.empty())
    text += ". " + hint;
  return text;
}

std::string DescribeExports(std::span<const Extern> exports) {
  std::string text;
  for (size_t i = 0; i < std::min(exports.size(), kMostExportsNamed); ++i)
    text += fmt::format("{}{:.100}", i == 0 ? "it exports " : ", ", exports[i].name);
  if (exports.size() > kMostExportsNamed)
    text += fmt::format(" and {} more", exports.size() - kMostExportsNamed);
  return text.empty() ? "it exports nothing" : text;
}

}  // namespace wasmoor::wasm
