#include "wasm/wasmtime/handles.h"
#include "wasm/wasmtime/traps.h"
#include "wasmoor/wasm/wasmtime.h"

namespace wasmoor::wasm {

Result<std::vector<uint8_t>> WasmtimeBinaryFromText(Bytes text) {
  wasmtime::ByteVector binary;
  TRY_AS(wasmtime::ToStatus(wasmtime_wat2wasm(reinterpret_cast<const char*>(text.data()),
                                              text.size(), binary.get()),
                            Code::kInvalidArgument),
         "neither a WebAssembly binary nor its text format");
  return std::vector<uint8_t>(binary.data(), binary.data() + binary.size());
}

}  // namespace wasmoor::wasm
