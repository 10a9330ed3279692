#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/hostcall/memory.h"
#include "wasmoor/hostcall/value.h"

// How functions are called whose author has marked them #[wasmedge_bindgen] (crate
// wasmedge-bindgen-macro 0.4): they take an array of parameters, each a pointer and a size, and
// its length, and give a pointer back to a byte (0: it went well), a pointer and a length.
namespace wasmoor::wasm::wasmtime {

inline constexpr std::string_view kBindgenAllocate = "allocate";  // Of the same crate.
const hostcall::Signature& BindgenAllocator();                    // "(i32) -> i32"
const hostcall::Signature& BindgenFunction();                     // "(i32, i32) -> i32"

constexpr uint32_t kBindgenParameterSize = 8;  // A pointer and a size.
// Writes the one parameter of a call. False: the guest's allocator has given what it has not.
bool PutBindgenParameter(const hostcall::Memory& memory, uint32_t array, uint32_t data,
                         std::string_view bytes);

struct BindgenValue {
  bool is_error = false;  // The function has returned an Err, and this is its text.
  // Strings and bytes as they are, numbers in decimal, several values with a newline between.
  std::string text;
};
// kInvalidArgument: what the function has returned makes no sense. Nothing is read that is outside
// the guest's memory.
Result<BindgenValue> ReadBindgenValue(const hostcall::Memory& memory, uint32_t at);

}  // namespace wasmoor::wasm::wasmtime
