#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "wasm/wasmtime/extra.h"
#include "wasmoor/base/result.h"

namespace wasmoor::wasm::wasmtime {

// Sole owners of the C API's objects.
template <typename T, void (*kDelete)(T*)>
struct Deleter {
  void operator()(T* object) const { kDelete(object); }
};
template <typename T, void (*kDelete)(T*)>
using Handle = std::unique_ptr<T, Deleter<T, kDelete>>;

using ConfigHandle = Handle<wasm_config_t, wasm_config_delete>;
using EngineHandle = Handle<wasm_engine_t, wasm_engine_delete>;
using ModuleHandle = Handle<wasmtime_module_t, wasmtime_module_delete>;
using LinkerHandle = Handle<wasmtime_linker_t, wasmtime_linker_delete>;
using InstancePreHandle = Handle<wasmtime_instance_pre_t, wasmtime_instance_pre_delete>;
using StoreHandle = Handle<wasmtime_store_t, wasmtime_store_delete>;
using ErrorHandle = Handle<wasmtime_error_t, wasmtime_error_delete>;
using TrapHandle = Handle<wasm_trap_t, wasm_trap_delete>;
using FuncTypeHandle = Handle<wasm_functype_t, wasm_functype_delete>;
using ComponentHandle = Handle<wasmtime_component_t, wasmtime_component_delete>;
using ComponentLinkerHandle = Handle<wasmtime_component_linker_t, wasmtime_component_linker_delete>;
using ComponentTypeHandle = Handle<wasmtime_component_type_t, wasmtime_component_type_delete>;
using ComponentFuncTypeHandle =
    Handle<wasmtime_component_func_type_t, wasmtime_component_func_type_delete>;
using ExportIndexHandle =
    Handle<wasmtime_component_export_index_t, wasmtime_component_export_index_delete>;
using LinkedHandle = Handle<wasmoor_linked_t, wasmoor_linked_delete>;
using DriverHandle = Handle<wasmoor_driver_t, wasmoor_driver_delete>;
using WasiConfigHandle = Handle<wasi_config_t, wasi_config_delete>;

// A byte vector that the C API filled in.
class ByteVector {
 public:
  ByteVector() { wasm_byte_vec_new_empty(&vector_); }
  ~ByteVector() { wasm_byte_vec_delete(&vector_); }
  ByteVector(const ByteVector&) = delete;
  ByteVector& operator=(const ByteVector&) = delete;

  wasm_byte_vec_t* get() { return &vector_; }
  std::string_view text() const { return {vector_.data, vector_.size}; }
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(vector_.data); }
  size_t size() const { return vector_.size; }

 private:
  wasm_byte_vec_t vector_;
};

// What an error says, with its causes. Takes no ownership.
std::string ErrorText(const wasmtime_error_t& error);

// The same with the causes on one line: "a: b: c". For our own errors, which are sentences.
std::string OneLine(std::string_view engine_text);

// A host `Status` from a call of the C API; takes the error over.
Status ToStatus(wasmtime_error_t* error, Code code);

inline std::string_view NameView(const wasm_name_t* name) {
  if (name == nullptr) return {};
  std::string_view view(name->data, name->size);
  // Names made from C strings count their NUL.
  if (!view.empty() && view.back() == '\0') view.remove_suffix(1);
  return view;
}

}  // namespace wasmoor::wasm::wasmtime
