// Core modules: the sections of the Core specification 5.5.
#include <algorithm>

#include "wasm/binary_parts.h"
#include "wasmoor/wasm/binary.h"

namespace wasmoor::wasm {
namespace {

using hostcall::Signature;

enum SectionId : uint8_t {
  kCustom,
  kType,
  kImport,
  kFunction,
  kTable,
  kMemory,
  kGlobal,
  kExport,
  kStart,
  kElement,
  kCode,
  kData,
  kDataCount,
  kTag,
};

constexpr uint8_t kIdMask = 0x1f;

constexpr uint8_t kFunctionType = 0x60, kStructType = 0x5f, kArrayType = 0x5e, kContType = 0x5d;
constexpr uint8_t kSubType = 0x50, kFinalSubType = 0x4f, kRecursion = 0x4e, kSharedType = 0x65;
constexpr uint8_t kPackedI8 = 0x78, kPackedI16 = 0x77;

constexpr uint8_t kHasMaximum = 1, kIsShared = 2, kIs64Bit = 4, kHasPageSize = 8;

class CoreModuleReader {
 public:
  explicit CoreModuleReader(Outline& outline) : outline_(outline) {}
  void Read(BinaryReader& reader);

 private:
  void ReadSection(uint8_t id, BinaryReader& part);
  void ReadTypes(BinaryReader& part);
  void ReadRecursiveType(BinaryReader& part);
  void ReadSubType(BinaryReader& part);
  void ReadCompositeType(BinaryReader& part);
  void ReadFieldType(BinaryReader& part);
  Signature ReadSignature(BinaryReader& part);
  void ReadImports(BinaryReader& part);
  void ReadExports(BinaryReader& part);
  void ReadFunctions(BinaryReader& part);
  void ReadCode(BinaryReader& part);
  // What stands behind an import's kind, or in the section of its own.
  void ReadExtern(BinaryReader& part, uint8_t kind, Extern& item);
  void ReadFunctionIndex(BinaryReader& part, Extern& item);
  TableType ReadTable(BinaryReader& part);
  MemoryType ReadMemory(BinaryReader& part);
  std::string ReadGlobal(BinaryReader& part);
  SizeRange ReadRange(BinaryReader& part, uint8_t flags);
  Features& features() { return outline_.features; }

  Outline& outline_;
  uint32_t seen_ = 0;                 // Sections, a bit each.
  std::vector<Signature> types_;      // Empty ones for what is no function type.
  std::vector<uint32_t> functions_;   // Their types.
  std::vector<std::string> globals_;  // Imported ones, as text.
  std::vector<MemoryType> memories_;  // This module's own.
  std::vector<TableType> tables_;
};

void CoreModuleReader::Read(BinaryReader& reader) {
  while (reader.ok() && !reader.at_end()) {
    const uint8_t id = reader.Byte();
    BinaryReader part = reader.Part(reader.U32());
    if (!reader.ok()) return;
    // Once each (core specification 5.5.2), which also bounds what all of them together can ask
    // for.
    if (id != kCustom && id <= kTag && (seen_ & 1U << id) != 0)
      return reader.Mistake("section {} stands there twice", id);
    seen_ |= 1U << (id & kIdMask);
    ReadSection(id, part);
    reader.Fold(part);
  }
  if (memories_.size() > 1) features().multi_memory = true;
  const size_t memories = outline_.memories.size() + memories_.size();
  if (memories > kMostItems || outline_.tables.size() + tables_.size() > kMostItems) {
    reader.Mistake("more than {} memories or tables", kMostItems);
    return;
  }
  outline_.memories.insert(outline_.memories.end(), memories_.begin(), memories_.end());
  outline_.tables.insert(outline_.tables.end(), tables_.begin(), tables_.end());
}

void CoreModuleReader::ReadSection(uint8_t id, BinaryReader& part) {
  switch (id) {
    case kCustom: {
      const std::string name = part.Name();
      if (!part.ok()) return;
      if (outline_.custom.size() >= kMostItems) return part.Mistake("too many custom sections");
      if (outline_.kind == ModuleKind::kCore) outline_.custom.push_back({name, part.left()});
      BinaryReader content = part.Part(part.left());
      return ReadCustom(content, name, outline_);
    }
    case kType: return ReadTypes(part);
    case kImport: return ReadImports(part);
    case kFunction: return ReadFunctions(part);
    case kTable:
      for (uint32_t count = part.Count("tables"); count > 0 && part.ok(); --count) {
        constexpr uint8_t kWithInitializer = 0x40;
        // 0x40 0x00 announces an expression, at whose end nothing else tells where the next table
        // begins; modules have one such table at most in practice.
        const bool initialized = part.Peek() == kWithInitializer;
        if (initialized) part.Take(2);
        tables_.push_back(ReadTable(part));
        if (initialized) {
          features().function_references = true;
          return;
        }
      }
      return;
    case kMemory:
      for (uint32_t count = part.Count("memories"); count > 0 && part.ok(); --count)
        memories_.push_back(ReadMemory(part));
      return;
    case kExport: return ReadExports(part);
    case kStart: {
      const uint32_t function = part.U32();
      if (outline_.kind == ModuleKind::kCore) outline_.start = function;
      return;
    }
    case kCode: return ReadCode(part);
    case kDataCount: features().bulk_memory = true; return;
    case kTag: features().exceptions = true; return;
    case kGlobal:
    case kElement:
    case kData: return;
    default: part.Mistake("there is no section {}", id);
  }
}

void CoreModuleReader::ReadTypes(BinaryReader& part) {
  for (uint32_t count = part.Count("types"); count > 0 && part.ok(); --count)
    ReadRecursiveType(part);
}

void CoreModuleReader::ReadRecursiveType(BinaryReader& part) {
  if (part.Peek() != kRecursion) return ReadSubType(part);
  part.Byte();
  features().gc = true;
  for (uint32_t count = part.Count("types"); count > 0 && part.ok(); --count) ReadSubType(part);
}

void CoreModuleReader::ReadSubType(BinaryReader& part) {
  if (types_.size() >= kMostItems) return part.Mistake("more than {} types", kMostItems);
  if (part.Peek() == kSubType || part.Peek() == kFinalSubType) {
    part.Byte();
    features().gc = true;
    for (uint32_t count = part.Count("supertypes"); count > 0 && part.ok(); --count) part.U32();
  }
  types_.emplace_back();
  if (part.Peek() == kSharedType) part.Byte();
  ReadCompositeType(part);
}

void CoreModuleReader::ReadCompositeType(BinaryReader& part) {
  const uint8_t form = part.Byte();
  if (form == kFunctionType) {
    types_.back() = ReadSignature(part);
    if (types_.back().results.size() > 1) features().multi_value = true;
  } else if (form == kStructType) {
    features().gc = true;
    for (uint32_t count = part.Count("fields"); count > 0 && part.ok(); --count)
      ReadFieldType(part);
  } else if (form == kArrayType) {
    features().gc = true;
    ReadFieldType(part);
  } else if (form == kContType) {
    features().stack_switching = true;
    ReadHeapType(part, features());
  } else {
    part.Mistake("{:#x} is not a kind of type", form);
  }
}

void CoreModuleReader::ReadFieldType(BinaryReader& part) {
  if (part.Peek() == kPackedI8 || part.Peek() == kPackedI16) {
    part.Byte();
  } else {
    ReadValueType(part, features());
  }
  part.Byte();  // Its mutability.
}

Signature CoreModuleReader::ReadSignature(BinaryReader& part) {
  Signature signature;
  for (auto* list : {&signature.params, &signature.results}) {
    for (uint32_t count = part.Count("values"); count > 0 && part.ok(); --count)
      list->push_back(ReadValueType(part, features()));
  }
  return signature;
}

void CoreModuleReader::ReadImports(BinaryReader& part) {
  for (uint32_t count = part.Count("imports"); count > 0 && part.ok(); --count) {
    Extern item;
    item.module = part.Name();
    item.name = part.Name();
    ReadExtern(part, part.Byte(), item);
    if (part.ok() && outline_.kind == ModuleKind::kCore)
      outline_.imports.push_back(std::move(item));
  }
}

// The kinds of imports and exports: core specification 5.5.5, and 0x04 of the exceptions proposal.
void CoreModuleReader::ReadExtern(BinaryReader& part, uint8_t kind, Extern& item) {
  switch (kind) {
    case 0: ReadFunctionIndex(part, item); return;
    case 1: {
      item.kind = ExternKind::kTable;
      tables_.push_back(ReadTable(part));
      tables_.back().imported = true;
      item.type =
          fmt::format("table {} {}", ToString(tables_.back().elements), tables_.back().element);
      return;
    }
    case 2: {
      item.kind = ExternKind::kMemory;
      memories_.push_back(ReadMemory(part));
      memories_.back().imported = true;
      item.type = fmt::format("memory {} pages", ToString(memories_.back().pages));
      return;
    }
    case 3:
      item.kind = ExternKind::kGlobal;
      globals_.push_back(ReadGlobal(part));
      item.type = globals_.back();
      return;
    case 4:
      item.kind = ExternKind::kTag;
      item.type = "tag";
      features().exceptions = true;
      part.Byte();
      part.U32();
      return;
    default: part.Mistake("{:#x} is not a kind of import", kind);
  }
}

void CoreModuleReader::ReadFunctionIndex(BinaryReader& part, Extern& item) {
  item.kind = ExternKind::kFunction;
  const uint32_t type = part.U32();
  if (!part.ok()) return;
  if (type >= types_.size()) return part.Mistake("there is no type {}", type);
  item.signature = types_[type];
  item.type = hostcall::ToString(item.signature);
  functions_.push_back(type);
}

std::string CoreModuleReader::ReadGlobal(BinaryReader& part) {
  const auto type = ReadValueType(part, features());
  const bool is_mutable = part.Byte() != 0;
  return fmt::format("global {}{}", is_mutable ? "mut " : "", hostcall::ValueTypeName(type));
}

SizeRange CoreModuleReader::ReadRange(BinaryReader& part, uint8_t flags) {
  SizeRange range;
  range.is_64_bit = (flags & kIs64Bit) != 0;
  if (range.is_64_bit) features().memory64 = true;
  range.minimum = range.is_64_bit ? part.U64() : part.U32();
  if ((flags & kHasMaximum) != 0) range.maximum = range.is_64_bit ? part.U64() : part.U32();
  return range;
}

TableType CoreModuleReader::ReadTable(BinaryReader& part) {
  TableType table;
  table.element = hostcall::ValueTypeName(ReadValueType(part, features()));
  const uint8_t flags = part.Byte();
  table.elements = ReadRange(part, flags);
  return table;
}

MemoryType CoreModuleReader::ReadMemory(BinaryReader& part) {
  MemoryType memory;
  const uint8_t flags = part.Byte();
  if ((flags & ~(kHasMaximum | kIsShared | kIs64Bit | kHasPageSize)) != 0)
    part.Mistake("{:#x} is not how the limits of a memory begin", flags);
  memory.pages = ReadRange(part, flags);
  memory.shared = (flags & kIsShared) != 0;
  if (memory.shared) features().threads = true;
  if ((flags & kHasPageSize) != 0) {
    features().custom_page_sizes = true;
    const uint32_t log2 = part.U32();
    constexpr uint32_t kLargestPageLog2 = 16;
    if (log2 > kLargestPageLog2) part.Mistake("pages of 2^{} bytes; 2^16 is the most", log2);
    memory.page_bytes = uint64_t{1} << std::min(log2, kLargestPageLog2);
  }
  return memory;
}

void CoreModuleReader::ReadFunctions(BinaryReader& part) {
  const uint32_t count = part.Count("functions");
  for (uint32_t i = 0; i < count && part.ok(); ++i) functions_.push_back(part.U32());
  outline_.functions += count;
}

void CoreModuleReader::ReadExports(BinaryReader& part) {
  constexpr ExternKind kKinds[] = {ExternKind::kFunction, ExternKind::kTable, ExternKind::kMemory,
                                   ExternKind::kGlobal, ExternKind::kTag};
  constexpr std::string_view kNames[] = {"function", "table", "memory", "global", "tag"};
  for (uint32_t count = part.Count("exports"); count > 0 && part.ok(); --count) {
    Extern item;
    item.name = part.Name();
    const uint8_t kind = part.Byte();
    const uint32_t index = part.U32();
    if (!part.ok()) return;
    if (kind >= std::size(kKinds)) return part.Mistake("{:#x} is not a kind of export", kind);
    item.kind = kKinds[kind];
    item.type = kNames[kind];
    if (item.kind == ExternKind::kFunction && index < functions_.size() &&
        functions_[index] < types_.size()) {
      item.signature = types_[functions_[index]];
      item.type = hostcall::ToString(item.signature);
    } else if (item.kind == ExternKind::kMemory && index < memories_.size()) {
      item.type = fmt::format("memory {} pages", ToString(memories_[index].pages));
    } else if (item.kind == ExternKind::kTable && index < tables_.size()) {
      item.type =
          fmt::format("table {} {}", ToString(tables_[index].elements), tables_[index].element);
    }
    if (outline_.kind == ModuleKind::kCore) outline_.exports.push_back(std::move(item));
  }
}

void CoreModuleReader::ReadCode(BinaryReader& part) {
  outline_.code_bytes += part.left();
  for (uint32_t count = part.Count("function bodies"); count > 0 && part.ok(); --count) {
    BinaryReader body = part.Part(part.U32());
    if (!part.ok() || !outline_.unread.empty()) continue;
    ReadFunctionBody(body, features());
    if (!body.ok()) outline_.unread = body.status().error().message();
  }
}

}  // namespace

void ReadCoreModule(BinaryReader& reader, Outline& outline) {
  CoreModuleReader(outline).Read(reader);
}

}  // namespace wasmoor::wasm
