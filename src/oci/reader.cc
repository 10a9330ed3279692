#include "oci/reader.h"

namespace wasmoor::oci {

std::string Node::Path() const {
  if (parent_ == nullptr) return {};
  const std::string before = parent_->Path();
  if (key_.data() == nullptr) return fmt::format("{}[{}]", before, index_);
  return before.empty() ? std::string(key_) : fmt::format("{}.{}", before, key_);
}

tl::unexpected<Error> Node::Complain(std::string_view demand) const {
  const std::string path = Path();
  return Fail(Code::kInvalidArgument, "{}: must be {}", path.empty() ? "the document" : path,
              demand);
}

tl::unexpected<Error> Node::WrongType(std::string_view wanted) const {
  return Complain(fmt::format("{}, is {}", wanted, json_.type_name()));
}

Status Read(const Node& node, bool* out) {
  if (!node.json().is_boolean()) return node.WrongType("true or false");
  *out = node.json().get<bool>();
  return {};
}

Status Read(const Node& node, std::string* out) {
  if (!node.json().is_string()) return node.WrongType("a string");
  *out = node.json().get_ref<const std::string&>();
  // The kernel ends a string there, and a check of the whole would have looked at another one.
  if (out->find('\0') != std::string::npos) return node.Complain("free of NUL characters");
  return {};
}

Status ReadSigned(const Node& node, int64_t lowest, int64_t highest, int64_t* out) {
  const Json& json = node.json();
  if (!json.is_number_integer()) return node.WrongType("an integer");
  const bool huge =
      json.is_number_unsigned() &&
      json.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  *out = json.get<int64_t>();
  if (huge || *out < lowest || *out > highest)
    return node.Complain(fmt::format("from {} to {}, is {}", lowest, highest, json.dump()));
  return {};
}

Status ReadUnsigned(const Node& node, uint64_t highest, uint64_t* out) {
  const Json& json = node.json();
  if (!json.is_number_integer()) return node.WrongType("an integer");
  if (!json.is_number_unsigned() || json.get<uint64_t>() > highest)
    return node.Complain(fmt::format("from 0 to {}, is {}", highest, json.dump()));
  *out = json.get<uint64_t>();
  return {};
}

Status IsObject(const Node& node) {
  if (node.json().is_object()) return {};
  return node.WrongType("an object");
}

namespace {

// Far more than any document of the specification has. Each level costs fifty times its byte.
constexpr int kMaxDepth = 200;

bool IsTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char one = text[i];
    if (in_string) {
      if (one == '\\') ++i;
      if (one == '"') in_string = false;
    } else if (one == '"') {
      in_string = true;
    } else if (one == '[' || one == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (one == ']' || one == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<Json> ParseJson(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Fail(Code::kInvalidArgument, "the document has {} bytes; at most {} are read",
                text.size(), max_bytes);
  }
  if (IsTooDeep(text)) {
    return Fail(Code::kInvalidArgument, "the document: must be nested {} deep at most", kMaxDepth);
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    return Fail(Code::kInvalidArgument, "not JSON: {}", error.what());
  }
}

}  // namespace wasmoor::oci
