#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"

// Reads JSON into plain values, and says of a value that does not fit where it stands:
// "linux.resources .memory.limit: must be an integer, is a string". What is absent or null leaves
// its target as it is, which is what Go's encoding/json does, whose programs write most of these
// documents.
namespace wasmoor::oci {

using Json = nlohmann::json;

// A value and the way to it. On the stack, each below the one that it stands in: the path is put
// together only if there is something to complain of.
class Node {
 public:
  explicit Node(const Json& json) : json_(json) {}
  Node(const Node& parent, std::string_view key, const Json& json)
      : json_(json), parent_(&parent), key_(key) {}
  Node(const Node& parent, size_t index, const Json& json)
      : json_(json), parent_(&parent), index_(index) {}

  const Json& json() const { return json_; }
  std::string Path() const;
  tl::unexpected<Error> Complain(std::string_view demand) const;  // "PATH: must be DEMAND"
  tl::unexpected<Error> WrongType(
      std::string_view wanted) const;  // "PATH: must be WANTED, is a string"

 private:
  const Json& json_;
  const Node* parent_ = nullptr;
  std::string_view key_;
  size_t index_ = 0;
};

Status Read(const Node& node, bool* out);
Status Read(const Node& node, std::string* out);
Status ReadSigned(const Node& node, int64_t lowest, int64_t highest, int64_t* out);
Status ReadUnsigned(const Node& node, uint64_t highest, uint64_t* out);

template <std::integral T>
Status Read(const Node& node, T* out) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_signed_v<T>) {
    int64_t value = 0;
    TRY(ReadSigned(node, Limits::min(), Limits::max(), &value));
    *out = static_cast<T>(value);
  } else {
    uint64_t value = 0;
    TRY(ReadUnsigned(node, Limits::max(), &value));
    *out = static_cast<T>(value);
  }
  return {};
}

template <typename T>
Status Read(const Node& node, std::optional<T>* out) {
  T value{};
  TRY(Read(node, &value));
  *out = std::move(value);
  return {};
}

template <typename T>
Status Read(const Node& node, std::vector<T>* out) {
  if (!node.json().is_array()) return node.WrongType("a list");
  out->clear();
  out->reserve(node.json().size());
  for (size_t i = 0; i < node.json().size(); ++i) {
    const Node element(node, i, node.json()[i]);
    if (element.json().is_null()) return element.WrongType("a value");
    TRY(Read(element, &out->emplace_back()));
  }
  return {};
}

template <typename T>
Status Read(const Node& node, std::map<std::string, T>* out) {
  if (!node.json().is_object()) return node.WrongType("an object");
  for (const auto& [key, json] : node.json().items()) {
    if (json.is_null()) continue;
    const Node member(node, key, json);
    // As of a value: keys become names of files.
    if (key.find('\0') != std::string::npos) return member.Complain("under a key free of NUL");
    TRY(Read(member, &(*out)[key]));
  }
  return {};
}

// A member of an object, which node must be.
template <typename T>
Status Member(const Node& node, std::string_view name, T* out) {
  const auto found = node.json().find(name);
  if (found == node.json().end() || found->is_null()) return {};
  return Read(Node(node, name, *found), out);
}

Status IsObject(const Node& node);

// Adapter of the library, which throws: the document, or where it stops being JSON.
Result<Json> ParseJson(std::string_view text, size_t max_bytes);

}  // namespace wasmoor::oci
