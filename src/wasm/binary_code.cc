// The instructions of the Core specification 5.4 and of the proposals that Features names: what
// follows each opcode, and which feature it belongs to. Nothing is validated; an opcode that is not
// in the tables ends the reading of the body, because nobody can tell where the next one begins.
#include <algorithm>

#include "wasm/binary_parts.h"

namespace wasmoor::wasm {
namespace {

enum class Follows : uint8_t {
  kNothing,
  kIndex,
  kTwoIndices,
  kBlockType,
  kBranchTable,
  kMemory,      // memarg
  kMemoryLane,  // memarg and a lane
  kSigned32,
  kSigned64,
  kByte,
  kFourBytes,
  kEightBytes,
  kSixteenBytes,
  kValueTypes,
  kHeapType,
  kCast,      // br_on_cast: flags, a label, two types
  kCatches,   // try_table
  kHandlers,  // resume: a type and what is handled
};

// Opcodes from `first` to `last`.
struct Range {
  uint32_t first, last;
  Follows follows;
  bool Features::*
      feature;  // Null: core 1.0, or what every engine has (sign extension, saturation).
};

constexpr Range kPlain[] = {
    {0x00, 0x01, Follows::kNothing, nullptr},
    {0x02, 0x04, Follows::kBlockType, nullptr},
    {0x05, 0x05, Follows::kNothing, nullptr},
    {0x06, 0x06, Follows::kBlockType, &Features::exceptions},  // try and what follows it: legacy.
    {0x07, 0x09, Follows::kIndex, &Features::exceptions},
    {0x0a, 0x0a, Follows::kNothing, &Features::exceptions},
    {0x0b, 0x0b, Follows::kNothing, nullptr},
    {0x0c, 0x0d, Follows::kIndex, nullptr},
    {0x0e, 0x0e, Follows::kBranchTable, nullptr},
    {0x0f, 0x0f, Follows::kNothing, nullptr},
    {0x10, 0x10, Follows::kIndex, nullptr},
    {0x11, 0x11, Follows::kTwoIndices, nullptr},
    {0x12, 0x12, Follows::kIndex, &Features::tail_call},
    {0x13, 0x13, Follows::kTwoIndices, &Features::tail_call},
    {0x14, 0x14, Follows::kIndex, &Features::function_references},
    {0x15, 0x15, Follows::kIndex, &Features::tail_call},
    {0x18, 0x18, Follows::kIndex, &Features::exceptions},
    {0x19, 0x19, Follows::kNothing, &Features::exceptions},
    {0x1a, 0x1b, Follows::kNothing, nullptr},
    {0x1c, 0x1c, Follows::kValueTypes, &Features::reference_types},
    {0x1f, 0x1f, Follows::kCatches, &Features::exceptions},
    {0x20, 0x24, Follows::kIndex, nullptr},
    {0x25, 0x26, Follows::kIndex, &Features::reference_types},
    {0x28, 0x3e, Follows::kMemory, nullptr},
    {0x3f, 0x40, Follows::kIndex, nullptr},
    {0x41, 0x41, Follows::kSigned32, nullptr},
    {0x42, 0x42, Follows::kSigned64, nullptr},
    {0x43, 0x43, Follows::kFourBytes, nullptr},
    {0x44, 0x44, Follows::kEightBytes, nullptr},
    {0x45, 0xc4, Follows::kNothing, nullptr},
    {0xd0, 0xd0, Follows::kHeapType, &Features::reference_types},
    {0xd1, 0xd1, Follows::kNothing, &Features::reference_types},
    {0xd2, 0xd2, Follows::kIndex, &Features::reference_types},
    {0xd3, 0xd3, Follows::kNothing, &Features::gc},
    {0xd4, 0xd4, Follows::kNothing, &Features::function_references},
    {0xd5, 0xd6, Follows::kIndex, &Features::function_references},
    {0xe0, 0xe0, Follows::kIndex, &Features::stack_switching},
    {0xe1, 0xe1, Follows::kTwoIndices, &Features::stack_switching},
    {0xe2, 0xe2, Follows::kIndex, &Features::stack_switching},
    {0xe3, 0xe3, Follows::kHandlers, &Features::stack_switching},
    {0xe5, 0xe5, Follows::kTwoIndices, &Features::stack_switching},
};

constexpr Range kGarbageCollection[] = {
    // 0xfb
    {0, 1, Follows::kIndex, &Features::gc},      {2, 5, Follows::kTwoIndices, &Features::gc},
    {6, 7, Follows::kIndex, &Features::gc},      {8, 10, Follows::kTwoIndices, &Features::gc},
    {11, 14, Follows::kIndex, &Features::gc},    {15, 15, Follows::kNothing, &Features::gc},
    {16, 16, Follows::kIndex, &Features::gc},    {17, 19, Follows::kTwoIndices, &Features::gc},
    {20, 23, Follows::kHeapType, &Features::gc}, {24, 25, Follows::kCast, &Features::gc},
    {26, 30, Follows::kNothing, &Features::gc},
};

constexpr Range kMiscellaneous[] = {
    // 0xfc
    {0, 7, Follows::kNothing, nullptr},
    {8, 8, Follows::kTwoIndices, &Features::bulk_memory},
    {9, 9, Follows::kIndex, &Features::bulk_memory},
    {10, 10, Follows::kTwoIndices, &Features::bulk_memory},
    {11, 11, Follows::kIndex, &Features::bulk_memory},
    {12, 12, Follows::kTwoIndices, &Features::bulk_memory},
    {13, 13, Follows::kIndex, &Features::bulk_memory},
    {14, 14, Follows::kTwoIndices, &Features::bulk_memory},
    {15, 17, Follows::kIndex, &Features::reference_types},
    {19, 22, Follows::kNothing, &Features::wide_arithmetic},
};

constexpr Range kVector[] = {
    // 0xfd
    {0x00, 0x0b, Follows::kMemory, &Features::simd},
    {0x0c, 0x0d, Follows::kSixteenBytes, &Features::simd},
    {0x0e, 0x14, Follows::kNothing, &Features::simd},
    {0x15, 0x22, Follows::kByte, &Features::simd},
    {0x23, 0x53, Follows::kNothing, &Features::simd},
    {0x54, 0x5b, Follows::kMemoryLane, &Features::simd},
    {0x5c, 0x5d, Follows::kMemory, &Features::simd},
    {0x5e, 0xff, Follows::kNothing, &Features::simd},
    {0x100, 0x113, Follows::kNothing, &Features::relaxed_simd},
};

constexpr Range kAtomic[] = {
    // 0xfe
    {0x00, 0x02, Follows::kMemory, &Features::threads},
    {0x03, 0x03, Follows::kByte, &Features::threads},
    {0x10, 0x4e, Follows::kMemory, &Features::threads},
};

constexpr uint8_t kPrefixGc = 0xfb, kPrefixMisc = 0xfc, kPrefixVector = 0xfd, kPrefixAtomic = 0xfe;

const Range* Find(std::span<const Range> ranges, uint32_t opcode) {
  const auto it =
      std::lower_bound(ranges.begin(), ranges.end(), opcode,
                       [](const Range& range, uint32_t wanted) { return range.last < wanted; });
  return it != ranges.end() && it->first <= opcode ? &*it : nullptr;
}

void ReadMemoryArgument(BinaryReader& body, Features& features) {
  constexpr uint32_t kHasMemoryIndex = 1 << 6;
  if ((body.U32() & kHasMemoryIndex) != 0) {
    features.multi_memory = true;
    body.U32();
  }
  body.U64();
}

// Empty, a value type, or the index of a type: 33 bits, signed.
void ReadBlockType(BinaryReader& body, Features& features) {
  constexpr uint8_t kEmpty = 0x40, kSingleByte = 0x40, kMore = 0x80;
  constexpr int kTypeBits = 33;
  const uint8_t first = body.Peek();
  if (first == kEmpty) {
    body.Byte();
  } else if ((first & kMore) == 0 && (first & kSingleByte) != 0) {
    ReadValueType(body, features);
  } else {
    features.multi_value = true;
    body.Signed(kTypeBits);
  }
}

void ReadCatches(BinaryReader& body, Features& features) {
  ReadBlockType(body, features);
  for (uint32_t count = body.Count("catches"); count > 0 && body.ok(); --count) {
    constexpr uint8_t kCatchAll = 2;  // 0 and 1 name a tag, 2 and 3 do not.
    if (body.Byte() < kCatchAll) body.U32();
    body.U32();
  }
}

void ReadHandlers(BinaryReader& body) {
  body.U32();
  for (uint32_t count = body.Count("handlers"); count > 0 && body.ok(); --count) {
    const uint8_t kind = body.Byte();
    body.U32();
    if (kind == 0) body.U32();  // on tag label; 1 is on tag switch.
  }
}

void ReadIndices(BinaryReader& body, std::string_view what) {
  for (uint32_t count = body.Count(what); count > 0 && body.ok(); --count) body.U32();
}

void ReadRest(Follows follows, BinaryReader& body, Features& features) {
  constexpr int kBits32 = 32, kBits64 = 64;
  switch (follows) {
    case Follows::kNothing: return;
    case Follows::kTwoIndices: body.U32(); [[fallthrough]];
    case Follows::kIndex: body.U32(); return;
    case Follows::kBlockType: return ReadBlockType(body, features);
    case Follows::kBranchTable:
      ReadIndices(body, "labels");
      body.U32();
      return;
    case Follows::kMemory: return ReadMemoryArgument(body, features);
    case Follows::kMemoryLane:
      ReadMemoryArgument(body, features);
      body.Byte();
      return;
    case Follows::kSigned32: body.Signed(kBits32); return;
    case Follows::kSigned64: body.Signed(kBits64); return;
    case Follows::kByte: body.Byte(); return;
    case Follows::kFourBytes: body.Take(4); return;
    case Follows::kEightBytes: body.Take(8); return;
    case Follows::kSixteenBytes: body.Take(16); return;
    case Follows::kValueTypes:
      for (uint32_t count = body.Count("types"); count > 0 && body.ok(); --count)
        ReadValueType(body, features);
      return;
    case Follows::kHeapType: return ReadHeapType(body, features);
    case Follows::kCast:
      body.Byte();
      body.U32();
      ReadHeapType(body, features);
      return ReadHeapType(body, features);
    case Follows::kCatches: return ReadCatches(body, features);
    case Follows::kHandlers: return ReadHandlers(body);
  }
}

void ReadInstruction(BinaryReader& body, Features& features) {
  const uint8_t first = body.Byte();
  uint32_t opcode = first;
  std::span<const Range> ranges = kPlain;
  switch (first) {
    case kPrefixGc: ranges = kGarbageCollection; break;
    case kPrefixMisc: ranges = kMiscellaneous; break;
    case kPrefixVector: ranges = kVector; break;
    case kPrefixAtomic: ranges = kAtomic; break;
    default: break;
  }
  const bool prefixed = first >= kPrefixGc && first <= kPrefixAtomic;
  if (prefixed) opcode = body.U32();
  const Range* range = Find(ranges, opcode);
  if (range == nullptr) {
    const std::string name =
        prefixed ? fmt::format("{:#x} {:#x}", first, opcode) : fmt::format("{:#x}", first);
    return body.Mistake("the instruction before it, {}, is not known", name);
  }
  if (range->feature != nullptr) features.*range->feature = true;
  ReadRest(range->follows, body, features);
}

}  // namespace

void ReadFunctionBody(BinaryReader& reader, Features& features) {
  for (uint32_t groups = reader.Count("groups of locals"); groups > 0 && reader.ok(); --groups) {
    reader.U32();
    ReadValueType(reader, features);
  }
  while (reader.ok() && !reader.at_end()) ReadInstruction(reader, features);
}

}  // namespace wasmoor::wasm
