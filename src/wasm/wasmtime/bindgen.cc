#include "wasm/wasmtime/bindgen.h"

#include <bit>
#include <cstring>

namespace wasmoor::wasm::wasmtime {
namespace {

using hostcall::Memory;
using hostcall::ValueType;

static_assert(std::endian::native == std::endian::little, "as WebAssembly's memory is");

// Of values: numbers of 1 to 11, arrays of 21 to 28, and a string.
enum Type : uint32_t {
  kU8 = 1,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kU64,
  kI64,
  kF32,
  kF64,
  kBool,
  kChar,
  kFirstArray = 21,
  kLastArray = 28,
  kString = 31,
};
constexpr uint32_t kMostValues = 1024;

template <typename T>
std::string NumberText(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return fmt::format("{}", value);
}

size_t SizeOf(uint32_t type) {
  switch (type) {
    case kU8:
    case kI8:
    case kBool: return 1;
    case kU16:
    case kI16: return 2;
    case kU32:
    case kI32:
    case kF32:
    case kChar: return 4;
    case kU64:
    case kI64:
    case kF64: return 8;
    default: return 0;
  }
}

std::string ScalarText(uint32_t type, const uint8_t* bytes) {
  switch (type) {
    case kU8: return std::to_string(*bytes);
    case kI8: return std::to_string(static_cast<int8_t>(*bytes));
    case kU16: return NumberText<uint16_t>(bytes);
    case kI16: return NumberText<int16_t>(bytes);
    case kU32: return NumberText<uint32_t>(bytes);
    case kI32: return NumberText<int32_t>(bytes);
    case kU64: return NumberText<uint64_t>(bytes);
    case kI64: return NumberText<int64_t>(bytes);
    case kF32: return NumberText<float>(bytes);
    case kF64: return NumberText<double>(bytes);
    case kBool: return *bytes != 0 ? "true" : "false";
    default: return NumberText<uint32_t>(bytes);  // A character, by its number.
  }
}

tl::unexpected<Error> NoSense(std::string_view what) {
  return Fail(Code::kInvalidArgument, "bindgen: the function has returned {}", what);
}

Result<std::string> ReadOne(const Memory& memory, uint32_t at) {
  uint32_t pointer = 0, type = 0, size = 0;
  if (!memory.Load(at, &pointer) || !memory.Load(uint64_t{at} + 4, &type) ||
      !memory.Load(uint64_t{at} + 8, &size))
    return NoSense("a value outside its memory");
  const uint8_t* const bytes = memory.At(pointer, size);
  if (bytes == nullptr) return NoSense("bytes outside its memory");
  if (type == kString || (type >= kFirstArray && type <= kLastArray))
    return std::string(reinterpret_cast<const char*>(bytes), size);
  if (SizeOf(type) == 0 || SizeOf(type) != size) return NoSense("a value of no known type");
  return ScalarText(type, bytes);
}

}  // namespace

const hostcall::Signature& BindgenAllocator() {
  static const hostcall::Signature kSignature = {{ValueType::kI32}, {ValueType::kI32}};
  return kSignature;
}

const hostcall::Signature& BindgenFunction() {
  static const hostcall::Signature kSignature = {{ValueType::kI32, ValueType::kI32},
                                                 {ValueType::kI32}};
  return kSignature;
}

bool PutBindgenParameter(const Memory& memory, uint32_t array, uint32_t data,
                         std::string_view bytes) {
  uint8_t* const to = memory.At(data, bytes.size());
  if (to == nullptr) return false;
  std::memcpy(to, bytes.data(), bytes.size());
  return memory.Store(array, data) &&
         memory.Store(uint64_t{array} + 4, static_cast<uint32_t>(bytes.size()));
}

Result<BindgenValue> ReadBindgenValue(const Memory& memory, uint32_t at) {
  uint8_t flag = 0;
  uint32_t pointer = 0, length = 0;
  if (!memory.Load(at, &flag) || !memory.Load(uint64_t{at} + 1, &pointer) ||
      !memory.Load(uint64_t{at} + 5, &length))
    return NoSense("a result outside its memory");
  BindgenValue value{.is_error = flag != 0, .text = {}};
  if (value.is_error) {
    const uint8_t* const text = memory.At(pointer, length);
    if (text == nullptr) return NoSense("an error outside its memory");
    value.text.assign(reinterpret_cast<const char*>(text), length);
    return value;
  }
  if (length > kMostValues) return NoSense("too many values");
  constexpr uint32_t kValueSize = 12;
  for (uint32_t i = 0; i < length; ++i) {
    if (i > 0) value.text += '\n';
    value.text += TRY(ReadOne(memory, pointer + i * kValueSize));
  }
  return value;
}

}  // namespace wasmoor::wasm::wasmtime
