#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wasmoor::hostcall {

// The value types of WebAssembly core 1.0 plus v128 and references, as they appear in signatures.
enum class ValueType : uint8_t { kI32, kI64, kF32, kF64, kV128, kFuncRef, kExternRef, kOtherRef };

std::string_view ValueTypeName(ValueType type);  // The text format's name: "i32", "v128" …

// A value as it crosses between guest and host: 16 bytes, not tagged; the signature tells which
// member holds. Little-endian in memory whatever the host (x86-64 and aarch64 are little-endian
// themselves).
union Value {
  int32_t i32;
  int64_t i64;
  float f32;
  double f64;
  std::array<uint8_t, 16> v128;
  void* ref;
};
static_assert(sizeof(Value) == 16);

// A core function's signature.
struct Signature {
  std::vector<ValueType> params;
  std::vector<ValueType> results;
  bool operator==(const Signature&) const = default;
};

std::string ToString(const Signature& signature);  // "(i32, i64) -> i32"

}  // namespace wasmoor::hostcall
