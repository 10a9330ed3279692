#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wasm/wasmtime/handles.h"
#include "wasmoor/base/result.h"
#include "wasmoor/hostcall/value.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::wasm::wasmtime {

hostcall::Signature SignatureOf(const wasm_functype_t* type);
FuncTypeHandle FuncTypeOf(const hostcall::Signature& signature);

// An import or export type for people, and its kind: "(i32) -> i32", "memory 1..10 pages".
void DescribeExtern(const wasm_externtype_t* type, Extern* out);

// A literal as the command line has it. kInvalidArgument names the literal and the type.
Result<wasmtime_val_t> ParseValue(std::string_view literal, hostcall::ValueType type);
std::string ToText(const wasmtime_val_t& value);

}  // namespace wasmoor::wasm::wasmtime
