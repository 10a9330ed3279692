#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/wasm/engine.h"

// What a WebAssembly binary says of itself, read without compiling or running any of it.
//
// Source of the format: WebAssembly Core specification 5 ("Binary Format") with the proposals that
// Features names; for components the component model's Binary.md. The bytes are hostile: every
// number is held against its type's range and against what is left of the file, nothing is
// allocated by a count that the file claims, and nesting ends at a fixed depth.
namespace wasmoor::wasm {

// The limits of a memory, or the size of a table.
struct SizeRange {
  uint64_t minimum = 0;
  std::optional<uint64_t> maximum;
  bool is_64_bit = false;
};

struct MemoryType {
  SizeRange pages;
  bool shared = false;
  uint64_t page_bytes = 64 << 10;
  bool imported = false;
};

struct TableType {
  SizeRange elements;
  std::string element;  // "funcref", "externref", "ref"
  bool imported = false;
};

struct CustomSection {
  std::string name;  // As it stands in the file: any bytes at all.
  uint64_t bytes = 0;
};

// A line of the custom section "producers": {"language", "C11", ""}, {"processed-by", "clang",
// "14.0"}.
struct Producer {
  std::string field, name, version;
};

// What is in one module or component. Of a component, memories, tables, features and code are those
// of all core modules inside it.
struct Outline {
  ModuleKind kind = ModuleKind::kCore;
  std::vector<Extern> imports, exports;
  std::vector<MemoryType> memories;  // Imported ones first.
  std::vector<TableType> tables;
  std::optional<uint32_t> start;  // The index of the function that instantiation runs; core only.
  uint64_t functions = 0;         // Defined, not imported.
  uint64_t code_bytes = 0;
  uint64_t modules = 0, components = 0;  // Inside a component, at any depth.
  std::vector<CustomSection> custom;     // The outermost's own.
  std::vector<Producer> producers;       // Of all.
  bool has_names = false;                // A name section, which backtraces use.
  bool has_debug_info = false;           // DWARF.
  Features features;  // Those it was seen to use; everything else is off. See `unread`.
  // Why features may be missing: what stands in its code and is no known instruction. Empty if all
  // of it was understood.
  std::string unread;
};

// kInvalidArgument says what is wrong and at which offset: "at offset 0x1a: …". Not a validation: a
// module that is outlined may be refused by an engine all the same.
Result<Outline> ReadOutline(Bytes wasm);

std::string ToString(const SizeRange& range);  // "1..10", "2.."

}  // namespace wasmoor::wasm
