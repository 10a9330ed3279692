#include "wasm/wasmtime/values.h"

#include <charconv>

namespace wasmoor::wasm::wasmtime {
namespace {

using hostcall::Signature;
using hostcall::ValueType;

ValueType TypeOf(const wasm_valtype_t* type) {
  switch (wasm_valtype_kind(type)) {
    case WASM_I32: return ValueType::kI32;
    case WASM_I64: return ValueType::kI64;
    case WASM_F32: return ValueType::kF32;
    case WASM_F64: return ValueType::kF64;
    case WASM_FUNCREF: return ValueType::kFuncRef;
    case WASM_EXTERNREF: return ValueType::kExternRef;
    default: return ValueType::kOtherRef;
  }
}

// v128 has no number in wasm.h; wasmtime.h has one for values, and the same for types.
wasm_valkind_t KindOf(ValueType type) {
  switch (type) {
    case ValueType::kI32: return WASM_I32;
    case ValueType::kI64: return WASM_I64;
    case ValueType::kF32: return WASM_F32;
    case ValueType::kF64: return WASM_F64;
    case ValueType::kFuncRef: return WASM_FUNCREF;
    default: return WASM_EXTERNREF;
  }
}

std::string LimitsText(uint64_t minimum, bool bounded, uint64_t maximum) {
  return bounded ? fmt::format("{}..{}", minimum, maximum) : fmt::format("{}..", minimum);
}

// Decimal, or hexadecimal after 0x; a negative number, or the same bits as an unsigned one.
template <typename Signed, typename Unsigned>
bool ParseInteger(std::string_view text, Signed* out) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  const char* end = text.data() + text.size();
  Unsigned bits = 0;
  if (text.starts_with('-')) {
    const auto [stop, error] = std::from_chars(text.data(), end, *out);
    return error == std::errc() && stop == end;
  }
  const auto [stop, error] = std::from_chars(text.data(), end, bits, hex ? 16 : 10);
  *out = static_cast<Signed>(bits);
  return error == std::errc() && stop == end;
}

template <typename T>
bool ParseFloat(std::string_view text, T* out) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && stop == end;
}

}  // namespace

Signature SignatureOf(const wasm_functype_t* type) {
  Signature signature;
  const wasm_valtype_vec_t* params = wasm_functype_params(type);
  for (size_t i = 0; i < params->size; ++i) signature.params.push_back(TypeOf(params->data[i]));
  const wasm_valtype_vec_t* results = wasm_functype_results(type);
  for (size_t i = 0; i < results->size; ++i) signature.results.push_back(TypeOf(results->data[i]));
  return signature;
}

FuncTypeHandle FuncTypeOf(const Signature& signature) {
  const auto vector_of = [](const std::vector<ValueType>& types) {
    wasm_valtype_vec_t vector;
    wasm_valtype_vec_new_uninitialized(&vector, types.size());
    for (size_t i = 0; i < types.size(); ++i) vector.data[i] = wasm_valtype_new(KindOf(types[i]));
    return vector;
  };
  wasm_valtype_vec_t params = vector_of(signature.params);
  wasm_valtype_vec_t results = vector_of(signature.results);
  return FuncTypeHandle(wasm_functype_new(&params, &results));
}

void DescribeExtern(const wasm_externtype_t* type, Extern* out) {
  switch (wasm_externtype_kind(type)) {
    case WASM_EXTERN_FUNC:
      out->kind = ExternKind::kFunction;
      out->signature = SignatureOf(wasm_externtype_as_functype_const(type));
      out->type = hostcall::ToString(out->signature);
      return;
    case WASM_EXTERN_GLOBAL: {
      const auto* global = wasm_externtype_as_globaltype_const(type);
      out->kind = ExternKind::kGlobal;
      out->type =
          fmt::format("{}{}", wasm_globaltype_mutability(global) == WASM_VAR ? "mut " : "",
                      hostcall::ValueTypeName(TypeOf(wasm_globaltype_content(global))));
      return;
    }
    case WASM_EXTERN_TABLE: {
      const wasm_limits_t* limits =
          wasm_tabletype_limits(wasm_externtype_as_tabletype_const(type));
      out->kind = ExternKind::kTable;
      out->type = LimitsText(limits->min, limits->max != wasm_limits_max_default, limits->max) +
                  " elements";
      return;
    }
    case WASM_EXTERN_MEMORY: {
      const auto* memory = wasm_externtype_as_memorytype_const(type);
      uint64_t maximum = 0;
      const bool bounded = wasmtime_memorytype_maximum(memory, &maximum);
      out->kind = ExternKind::kMemory;
      out->type = fmt::format("{}{}{} pages", wasmtime_memorytype_isshared(memory) ? "shared " : "",
                              wasmtime_memorytype_is64(memory) ? "64-bit " : "",
                              LimitsText(wasmtime_memorytype_minimum(memory), bounded, maximum));
      return;
    }
    default: out->kind = ExternKind::kTag; return;
  }
}

Result<wasmtime_val_t> ParseValue(std::string_view literal, ValueType type) {
  wasmtime_val_t value = {};
  bool good = false;
  switch (type) {
    case ValueType::kI32:
      value.kind = WASMTIME_I32;
      good = ParseInteger<int32_t, uint32_t>(literal, &value.of.i32);
      break;
    case ValueType::kI64:
      value.kind = WASMTIME_I64;
      good = ParseInteger<int64_t, uint64_t>(literal, &value.of.i64);
      break;
    case ValueType::kF32:
      value.kind = WASMTIME_F32;
      good = ParseFloat(literal, &value.of.f32);
      break;
    case ValueType::kF64:
      value.kind = WASMTIME_F64;
      good = ParseFloat(literal, &value.of.f64);
      break;
    default:
      return Fail(Code::kInvalidArgument, "a parameter of type {} cannot be given as text",
                  hostcall::ValueTypeName(type));
  }
  if (!good) {
    return Fail(Code::kInvalidArgument, "argument '{}' is not a number of type {}", literal,
                hostcall::ValueTypeName(type));
  }
  return value;
}

std::string ToText(const wasmtime_val_t& value) {
  switch (value.kind) {
    case WASMTIME_I32: return fmt::format("{}", value.of.i32);
    case WASMTIME_I64: return fmt::format("{}", value.of.i64);
    case WASMTIME_F32: return fmt::format("{}", value.of.f32);
    case WASMTIME_F64: return fmt::format("{}", value.of.f64);
    case WASMTIME_V128: {
      std::string text = "0x";
      for (int i = 15; i >= 0; --i) text += fmt::format("{:02x}", value.of.v128[i]);
      return text;
    }
    default: return "<reference>";
  }
}

}  // namespace wasmoor::wasm::wasmtime
