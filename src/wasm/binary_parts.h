#pragma once

#include <string>
#include <vector>

#include "wasm/binary_reader.h"
#include "wasmoor/wasm/binary.h"

// The parts of the reader of outlines. Each reads what stands at `reader` and adds to `outline`.
namespace wasmoor::wasm {

constexpr uint64_t kPreambleBytes = 8;

void ReadCoreModule(BinaryReader& reader, Outline& outline);
void ReadComponent(BinaryReader& reader, Outline& outline);
// A custom section whose name is read already.
void ReadCustom(BinaryReader& reader, const std::string& name, Outline& outline);

// A value type, with the features that having it takes.
hostcall::ValueType ReadValueType(BinaryReader& reader, Features& features);
// What follows 0x63 and 0x64 and ref.null.
void ReadHeapType(BinaryReader& reader, Features& features);
// The body of one function. The first thing that is no known instruction is its mistake.
void ReadFunctionBody(BinaryReader& reader, Features& features);

}  // namespace wasmoor::wasm
