#pragma once

#include <wasi.h>
#include <wasm.h>
#include <wasmtime.h>
#include <wasmtime/component.h>

#include <cstdint>

// The functions that third_party/wasmtime adds to wasmtime's C API. Each is described where it is
// written, in third_party/wasmtime/src. Errors are wasmtime's: null is success.
extern "C" {

void wasmoor_config_no_compiler(wasm_config_t* config);
void wasmoor_config_backtrace_details(wasm_config_t* config, bool enable);
wasmtime_error_t* wasmoor_engine_new(wasm_config_t* config, wasm_engine_t** out);

wasmtime_error_t* wasmoor_module_deserialize_fd(const wasm_engine_t* engine, int fd,
                                                wasmtime_module_t** out);

// Layout shared with limits.rs.
struct wasmoor_limits_t {
  uint64_t memory_max;
  uint64_t table_elements_max;
  uint64_t instances_max;
  uint64_t memories_max;
  uint64_t tables_max;
  uint64_t memory_used;
  uint64_t table_elements_used;
  uint64_t memory_refused;
  uint64_t last_growth;
};
void wasmoor_store_limit(wasmtime_store_t* store, wasmoor_limits_t* limits);

// Layout shared with drive.rs. Where a call takes one, null means a call that waits for as long as
// the guest does.
struct wasmoor_drive_t {
  bool (*must_stop)(void* guest);
  void* guest;
  uint64_t tick_microseconds;
};
wasmtime_error_t* wasmoor_component_linker_add_driven_wasi(wasmtime_component_linker_t* linker);
wasmtime_error_t* wasmoor_component_instantiate(const wasmtime_component_linker_t* linker,
                                                wasmtime_context_t* context,
                                                const wasmtime_component_t* component,
                                                const wasmoor_drive_t* by,
                                                wasmtime_component_instance_t* out);
wasmtime_error_t* wasmoor_component_run(const wasmtime_component_func_t* function,
                                        wasmtime_context_t* context, const wasmoor_drive_t* by,
                                        bool* succeeded);
wasmtime_error_t* wasmoor_component_invoke(wasmtime_context_t* context,
                                           const wasmtime_component_t* component,
                                           const wasmtime_component_instance_t* instance,
                                           const uint8_t* call, size_t call_len,
                                           const wasmoor_drive_t* by, wasm_byte_vec_t* out);

bool wasmoor_wasi_config_stdio(wasi_config_t* config, int stdin_fd, int stdout_fd, int stderr_fd);

}  // extern "C"
