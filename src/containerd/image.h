#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/sha256.h"
#include "wasmoor/base/result.h"
#include "wasmoor/containerd/store.h"

// What an image consists of, as far as a module is looked for in it. Pure functions of documents
// that somebody else wrote; every Error is kInvalidArgument unless something else is said.
namespace wasmoor::containerd {

// One image of several.
struct IndexEntry {
  Descriptor manifest;
  std::string os, architecture;  // Empty: for no platform in particular.
};
struct Index {
  std::vector<IndexEntry> entries;
};

struct Layer {
  Descriptor blob;
  std::string title;  // org.opencontainers.image.title; may be empty.
};
struct Manifest {
  std::string config_type;  // The media type of its configuration.
  std::vector<Layer> layers;
};

// An image index or manifest of OCI, or Docker's of version 2.2, told from each other by what they
// have: a document that could be taken for both is refused.
Result<std::variant<Index, Manifest>> ParseDocument(std::string_view text);

// Where in an index a module is.
struct Choice {
  IndexEntry entry;
  // If it is an entry for this machine, in which a module would be a surprise: what to say if there
  // is none, with the platforms that the index has.
  std::string doubt;
};

// The entry for WebAssembly: the first for one of its platforms; else one alone that is for no
// platform in particular; else the one for this machine, as which artifacts are published for
// those who know no other platform. kNotFound names the platforms that there are.
Result<Choice> ChooseEntry(const Index& index);

// The layer that is a module: the one whose title is the entrypoint, else the first of all of
// WebAssembly. kNotFound: there is none, and what there is.
Result<Layer> ChooseLayer(const Manifest& manifest, std::string_view entrypoint);

// "sha256:…", the one algorithm that counts here.
Result<Digest> ParseDigest(std::string_view text);
std::string ToString(const Digest& digest);

// Whether a file that begins so may be a module: a binary, or text. What it is instead, if it is
// native or precompiled code.
Status CheckHead(std::string_view head);
constexpr size_t kHeadBytes = 512;

constexpr uint64_t kMostDocumentBytes = 4 << 20;
constexpr uint64_t kMostModuleBytes = uint64_t{1} << 30;

}  // namespace wasmoor::containerd
