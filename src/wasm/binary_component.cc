// Components: the sections of the component model's Binary.md. Modules and components inside are
// read too, for what they need of an engine; the types of imports and exports are not, beyond their
// kind.
#include "wasm/binary_parts.h"
#include "wasmoor/wasm/binary.h"

namespace wasmoor::wasm {
namespace {

enum SectionId : uint8_t {
  kCustom = 0,
  kCoreModule = 1,
  kNestedComponent = 4,
  kImport = 10,
  kExport = 11,
  kLastSection = 12,
};

constexpr int kDeepest = 32;  // Components within components; toolchains make two or three.

class ComponentReader {
 public:
  ComponentReader(Outline& outline, int depth) : outline_(outline), depth_(depth) {}
  void Read(BinaryReader& reader);

 private:
  void ReadSection(uint8_t id, BinaryReader& part);
  void ReadNested(BinaryReader& part);
  void ReadImports(BinaryReader& part);
  void ReadExports(BinaryReader& part);
  std::string ReadExternName(BinaryReader& part);
  Extern ReadSort(BinaryReader& part);
  void ReadDescription(BinaryReader& part, Extern& item);

  Outline& outline_;
  const int depth_;
};

void ComponentReader::Read(BinaryReader& reader) {
  while (reader.ok() && !reader.at_end()) {
    const uint8_t id = reader.Byte();
    BinaryReader part = reader.Part(reader.U32());
    if (!reader.ok()) return;
    ReadSection(id, part);
    reader.Fold(part);
  }
}

void ComponentReader::ReadSection(uint8_t id, BinaryReader& part) {
  if (id > kLastSection) return part.Mistake("there is no section {} in a component", id);
  if (id == kCoreModule || id == kNestedComponent) return ReadNested(part);
  if (id == kCustom) {
    const std::string name = part.Name();
    if (!part.ok()) return;
    if (outline_.custom.size() >= kMostItems) return part.Mistake("too many custom sections");
    if (depth_ == 0) outline_.custom.push_back({name, part.left()});
    BinaryReader content = part.Part(part.left());
    return ReadCustom(content, name, outline_);
  }
  if (depth_ > 0) return;
  if (id == kImport) ReadImports(part);
  if (id == kExport) ReadExports(part);
}

void ComponentReader::ReadNested(BinaryReader& part) {
  const Bytes preamble = part.Take(kPreambleBytes);
  if (!part.ok()) return;
  if (LooksLikeModule(preamble)) {
    ++outline_.modules;
    ReadCoreModule(part, outline_);
  } else if (!LooksLikeComponent(preamble)) {
    part.Mistake("what stands in a component is neither a module nor a component");
  } else if (depth_ + 1 >= kDeepest) {
    part.Mistake("components stand within one another more than {} deep", kDeepest);
  } else {
    ++outline_.components;
    ComponentReader(outline_, depth_ + 1).Read(part);
  }
}

// importname' and exportname': 0x00 and 0x01 a name, 0x02 a name and the suffix of its version.
std::string ComponentReader::ReadExternName(BinaryReader& part) {
  const uint8_t form = part.Byte();
  std::string name = part.Name();
  if (form == 2) name += part.Name();
  if (form > 2) part.Mistake("{:#x} is not how a name begins", form);
  return name;
}

// sort: what kind of thing is imported or exported.
Extern ComponentReader::ReadSort(BinaryReader& part) {
  Extern item;
  switch (const uint8_t sort = part.Byte()) {
    case 0:
      part.Byte();  // The core sort; only a module can be here.
      item.kind = ExternKind::kModule;
      item.type = "module";
      break;
    case 1:
      item.kind = ExternKind::kFunction;
      item.type = "function";
      break;
    case 2: item.type = "value"; break;
    case 3: item.type = "type"; break;
    case 4: item.type = "component"; break;
    case 5:
      item.kind = ExternKind::kInstance;
      item.type = "instance";
      break;
    default: part.Mistake("{:#x} is not a kind of import or export", sort);
  }
  return item;
}

// The rest of externdesc: an index, but for the bounds of values and types.
void ComponentReader::ReadDescription(BinaryReader& part, Extern& item) {
  const bool is_type = item.type == "type";
  if (!is_type && item.type != "value") {
    part.U32();
    return;
  }
  const uint8_t bound = part.Byte();
  if (bound > 1) return part.Mistake("{:#x} is not a bound", bound);
  // (eq i), or (sub resource) of a type, or the type of a value.
  if (is_type && bound == 0) part.U32();
  constexpr int kTypeBits = 33;
  if (!is_type) bound == 0 ? void(part.U32()) : void(part.Signed(kTypeBits));
}

void ComponentReader::ReadImports(BinaryReader& part) {
  for (uint32_t count = part.Count("imports"); count > 0 && part.ok(); --count) {
    std::string name = ReadExternName(part);
    Extern item = ReadSort(part);
    item.name = std::move(name);
    ReadDescription(part, item);
    if (outline_.imports.size() >= kMostItems) return part.Mistake("too many imports");
    if (part.ok()) outline_.imports.push_back(std::move(item));
  }
}

void ComponentReader::ReadExports(BinaryReader& part) {
  for (uint32_t count = part.Count("exports"); count > 0 && part.ok(); --count) {
    std::string name = ReadExternName(part);
    Extern item = ReadSort(part);
    item.name = std::move(name);
    part.U32();
    constexpr uint8_t kAscribed = 1;
    if (part.Byte() == kAscribed) {
      Extern type = ReadSort(part);
      ReadDescription(part, type);
    }
    if (outline_.exports.size() >= kMostItems) return part.Mistake("too many exports");
    if (part.ok()) outline_.exports.push_back(std::move(item));
  }
}

}  // namespace

void ReadComponent(BinaryReader& reader, Outline& outline) {
  ComponentReader(outline, 0).Read(reader);
}

}  // namespace wasmoor::wasm
