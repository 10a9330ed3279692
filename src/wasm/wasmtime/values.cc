#include "wasm/wasmtime/values.h"

#include <charconv>
#include <cmath>
#include <type_traits>

namespace wasmoor::wasm::wasmtime {
namespace {

using hostcall::Signature;
using hostcall::ValueType;

using ValTypeHandle = Handle<wasm_valtype_t, wasm_valtype_delete>;

// Null for what the C API has no name for.
ValTypeHandle ValTypeOf(ValueType type) {
  switch (type) {
    case ValueType::kI32: return ValTypeHandle(wasm_valtype_new(WASM_I32));
    case ValueType::kI64: return ValTypeHandle(wasm_valtype_new(WASM_I64));
    case ValueType::kF32: return ValTypeHandle(wasm_valtype_new(WASM_F32));
    case ValueType::kF64: return ValTypeHandle(wasm_valtype_new(WASM_F64));
    case ValueType::kV128: return ValTypeHandle(wasmtime_wasm_valtype_v128());
    case ValueType::kFuncRef: return ValTypeHandle(wasm_valtype_new(WASM_FUNCREF));
    case ValueType::kExternRef: return ValTypeHandle(wasm_valtype_new(WASM_EXTERNREF));
    case ValueType::kOtherRef: return nullptr;
  }
  return nullptr;
}

// By comparison: wasm_valtype_kind, which would tell, ends the process at every type that wasm.h
// has no number for, and a module may export a function of any.
ValueType TypeOf(const wasm_valtype_t* type) {
  for (const ValueType known : {ValueType::kI32, ValueType::kI64, ValueType::kF32, ValueType::kF64,
                                ValueType::kV128, ValueType::kFuncRef, ValueType::kExternRef}) {
    if (wasmtime_wasm_valtype_equal(type, ValTypeOf(known).get())) return known;
  }
  return ValueType::kOtherRef;
}

std::string LimitsText(uint64_t minimum, bool bounded, uint64_t maximum) {
  return bounded ? fmt::format("{}..{}", minimum, maximum) : fmt::format("{}..", minimum);
}

// Takes the sign off; false if there is another one behind it.
bool TakeSign(std::string_view* text, bool* negative) {
  *negative = text->starts_with('-');
  if (*negative || text->starts_with('+')) text->remove_prefix(1);
  return !text->starts_with('-') && !text->starts_with('+');
}

bool TakeHexPrefix(std::string_view* text) {
  if (!text->starts_with("0x") && !text->starts_with("0X")) return false;
  text->remove_prefix(2);
  return true;
}

// Decimal, or hexadecimal after 0x; a signed number, or the same bits as an unsigned one.
template <typename Signed>
bool ParseInteger(std::string_view text, Signed* out) {
  using Unsigned = std::make_unsigned_t<Signed>;
  bool negative = false;
  if (!TakeSign(&text, &negative)) return false;
  const int base = TakeHexPrefix(&text) ? 16 : 10;
  const char* end = text.data() + text.size();
  Unsigned magnitude = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, magnitude, base);
  if (error != std::errc() || stop != end) return false;
  constexpr Unsigned kLowest = Unsigned{1} << (sizeof(Unsigned) * 8 - 1);
  if (negative && magnitude > kLowest) return false;
  *out = static_cast<Signed>(negative ? Unsigned{0} - magnitude : magnitude);
  return true;
}

// Decimal, hexadecimal after 0x ("0x1.8p3"), "inf" or "nan".
template <typename T>
bool ParseFloat(std::string_view text, T* out) {
  bool negative = false;
  if (!TakeSign(&text, &negative)) return false;
  const auto format = TakeHexPrefix(&text) ? std::chars_format::hex : std::chars_format::general;
  const char* end = text.data() + text.size();
  T magnitude = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, magnitude, format);
  if (error != std::errc() || stop != end || std::signbit(magnitude)) return false;
  *out = negative ? -magnitude : magnitude;
  return true;
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
    for (size_t i = 0; i < types.size(); ++i) {
      ValTypeHandle type = ValTypeOf(types[i]);
      // Such a function fits no import of the kind, and linking says so.
      if (type == nullptr) type = ValTypeOf(ValueType::kExternRef);
      vector.data[i] = type.release();
    }
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
      out->type = fmt::format("{}{}", wasm_globaltype_mutability(global) == WASM_VAR ? "mut " : "",
                              hostcall::ValueTypeName(TypeOf(wasm_globaltype_content(global))));
      return;
    }
    case WASM_EXTERN_TABLE: {
      // Without its limits: asking for those of a table that may hold 2^32 elements ends the
      // process.
      const auto* table = wasm_externtype_as_tabletype_const(type);
      out->kind = ExternKind::kTable;
      out->type = fmt::format("table of {}",
                              hostcall::ValueTypeName(TypeOf(wasm_tabletype_element(table))));
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
      good = ParseInteger(literal, &value.of.i32);
      break;
    case ValueType::kI64:
      value.kind = WASMTIME_I64;
      good = ParseInteger(literal, &value.of.i64);
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
