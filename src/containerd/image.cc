#include "containerd/image.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "base/checksum.h"
#include "oci/reader.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::containerd {
namespace {

constexpr std::string_view kTitle = "org.opencontainers.image.title";
constexpr std::string_view kAlgorithm = "sha256:";

constexpr std::array<std::string_view, 3> kModuleTypes = {
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
};

// What builders call WebAssembly: wasi/wasm (docker), wasip1/wasm and wasip2/wasm (the CNCF's
// guidance), wasi/wasm32, wasm/wasi.
bool IsWasm(const IndexEntry& entry) {
  constexpr std::array<std::string_view, 3> kMachines = {"wasm", "wasm32", "wasi"};
  constexpr std::array<std::string_view, 4> kSystems = {"wasi", "wasip1", "wasip2", "wasm"};
  return std::ranges::count(kSystems, entry.os) > 0 &&
         std::ranges::count(kMachines, entry.architecture) > 0;
}

// As Go names it.
#if defined(__x86_64__)
constexpr std::string_view kThisMachine = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view kThisMachine = "arm64";
#else
constexpr std::string_view kThisMachine = "unknown";
#endif

bool IsModule(const Layer& layer) {
  return std::ranges::count(kModuleTypes, layer.blob.media_type) > 0;
}

// "a, b" without repetition; short, whatever there is.
template <typename List, typename Text>
std::string Join(const List& list, const Text& text) {
  constexpr size_t kMost = 8;
  std::vector<std::string> seen;
  for (const auto& item : list) {
    std::string one = Printable(text(item));
    if (std::ranges::count(seen, one) == 0) seen.push_back(std::move(one));
  }
  const bool more = seen.size() > kMost;
  if (more) seen.resize(kMost);
  return seen.empty() ? "none" : fmt::format("{}{}", fmt::join(seen, ", "), more ? ", …" : "");
}

Status ReadDescriptor(const oci::Node& node, Descriptor* out) {
  TRY(oci::IsObject(node));
  TRY(oci::Member(node, "mediaType", &out->media_type));
  TRY(oci::Member(node, "digest", &out->digest));
  TRY(oci::Member(node, "size", &out->size));
  TRY_AS(ParseDigest(out->digest), "{}", node.Path());
  return {};
}

Status Read(const oci::Node& node, IndexEntry* out) {
  TRY(ReadDescriptor(node, &out->manifest));
  const auto found = node.json().find("platform");
  if (found == node.json().end() || found->is_null()) return {};
  const oci::Node platform(node, "platform", *found);
  TRY(oci::IsObject(platform));
  TRY(oci::Member(platform, "os", &out->os));
  return oci::Member(platform, "architecture", &out->architecture);
}

Status Read(const oci::Node& node, Layer* out) {
  TRY(ReadDescriptor(node, &out->blob));
  const auto found = node.json().find("annotations");
  if (found == node.json().end() || found->is_null()) return {};
  const oci::Node annotations(node, "annotations", *found);
  TRY(oci::IsObject(annotations));
  return oci::Member(annotations, kTitle, &out->title);
}

template <typename T>
Status ReadList(const oci::Node& node, std::string_view key, std::vector<T>* out) {
  const oci::Node list(node, key, node.json()[std::string(key)]);
  if (!list.json().is_array()) return list.WrongType("a list");
  for (size_t i = 0; i < list.json().size(); ++i) {
    TRY(Read(oci::Node(list, i, list.json()[i]), &out->emplace_back()));
  }
  return {};
}

std::string NormalPath(std::string_view path) {
  return (std::filesystem::path("/") / path).lexically_normal().native();
}

}  // namespace

Result<std::variant<Index, Manifest>> ParseDocument(std::string_view text) {
  const oci::Json json = TRY(oci::ParseJson(text, kMostDocumentBytes));
  const oci::Node document(json);
  TRY(oci::IsObject(document));
  const bool is_index = json.contains("manifests"), is_manifest = json.contains("layers");
  if (is_index == is_manifest) {
    return Fail(Code::kInvalidArgument,
                "{} of 'manifests' and 'layers', which an index and a "
                "manifest are told by",
                is_index ? "has both" : "has none");
  }
  if (is_index) {
    Index index;
    TRY(ReadList(document, "manifests", &index.entries));
    return index;
  }
  Manifest manifest;
  TRY(ReadList(document, "layers", &manifest.layers));
  if (const auto config = json.find("config"); config != json.end() && config->is_object())
    TRY(oci::Member(oci::Node(document, "config", *config), "mediaType", &manifest.config_type));
  return manifest;
}

Result<Choice> ChooseEntry(const Index& index) {
  const auto& entries = index.entries;
  if (const auto wasm = std::ranges::find_if(entries, IsWasm); wasm != entries.end())
    return Choice{.entry = *wasm};
  if (entries.size() == 1 && entries.front().os.empty()) return Choice{.entry = entries.front()};
  std::string doubt =
      fmt::format("it has nothing for wasi/wasm, wasip1/wasm or wasip2/wasm; its platforms: {}",
                  Join(entries, [](const IndexEntry& entry) {
                    return entry.os.empty() ? "one without a name"
                                            : fmt::format("{}/{}", entry.os, entry.architecture);
                  }));
  const auto here = std::ranges::find_if(entries, [](const IndexEntry& entry) {
    return entry.os == "linux" && entry.architecture == kThisMachine;
  });
  if (here != entries.end()) return Choice{.entry = *here, .doubt = std::move(doubt)};
  return tl::unexpected(Error(Code::kNotFound, std::move(doubt)));
}

Result<Layer> ChooseLayer(const Manifest& manifest, std::string_view entrypoint) {
  const std::string wanted = NormalPath(entrypoint);
  const Layer* first = nullptr;
  for (const Layer& layer : manifest.layers) {
    if (!IsModule(layer)) continue;
    if (!layer.title.empty() && NormalPath(layer.title) == wanted) return layer;
    if (first == nullptr) first = &layer;
  }
  if (first != nullptr) return *first;
  return Fail(Code::kNotFound, "it has no layer of WebAssembly ({}); the types of its layers: {}",
              fmt::join(kModuleTypes, ", "),
              Join(manifest.layers, [](const Layer& layer) { return layer.blob.media_type; }));
}

Result<Digest> ParseDigest(std::string_view text) {
  Digest digest;
  constexpr size_t kDigits = 2;
  const auto bad = [&] {
    return Fail(Code::kInvalidArgument,
                "'{}' is no digest that can be checked: one is sha256: and 64 digits of 0-9a-f",
                Printable(text.substr(0, 100)));
  };
  if (!text.starts_with(kAlgorithm) || text.size() != kAlgorithm.size() + digest.size() * kDigits)
    return bad();
  text.remove_prefix(kAlgorithm.size());
  for (size_t i = 0; i < digest.size(); ++i) {
    const std::string_view pair = text.substr(i * kDigits, kDigits);
    const auto [end, failed] =
        std::from_chars(pair.data(), pair.data() + pair.size(), digest[i], 16);
    const bool lower = std::ranges::none_of(pair, [](char c) { return c >= 'A' && c <= 'F'; });
    if (failed != std::errc() || end != pair.data() + pair.size() || !lower) return bad();
  }
  return digest;
}

std::string ToString(const Digest& digest) { return std::string(kAlgorithm) + ToHex(digest); }

Status CheckHead(std::string_view head) {
  constexpr std::string_view kWasm("\0asm", 4), kElf(
                                                    "\x7f"
                                                    "ELF",
                                                    4);
  const auto is_binary = [](char c) {
    return static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\n' && c != '\r';
  };
  if (head.starts_with(kWasm)) return {};
  if (head.starts_with(kElf))
    return Fail(Code::kInvalidArgument,
                "holds native or precompiled code, which is never loaded from an image: put the "
                ".wasm into it that the code was made from");
  if (head.empty() || std::ranges::any_of(head, is_binary))
    return Fail(Code::kInvalidArgument, "is {}, not WebAssembly",
                head.empty() ? "empty" : "something else");
  return {};
}

}  // namespace wasmoor::containerd
