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
struct wasmoor_memory_pool_t {
  uint64_t used;
  uint64_t max;
  const wasmoor_memory_pool_t* above;  // May be null.
  uint64_t peak;
};
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
  const wasmoor_memory_pool_t* pool;  // May be null.
};
void wasmoor_store_limit(wasmtime_store_t* store, wasmoor_limits_t* limits);

struct wasmoor_driver_t;
wasmoor_driver_t* wasmoor_driver_new();
void wasmoor_driver_delete(wasmoor_driver_t* driver);
void wasmoor_driver_ring(const wasmoor_driver_t* driver);

// Layout shared with drive.rs. Where a call takes one, null means a call that waits for as long as
// the guest does.
struct wasmoor_drive_t {
  bool (*must_stop)(void* guest);
  void (*waits)(void* guest, bool waits);
  void* guest;
  const wasmoor_driver_t* driver;
  size_t resources;
};
wasmtime_error_t* wasmoor_component_linker_add_driven_wasi(wasmtime_component_linker_t* linker);
wasmtime_error_t* wasmoor_component_open_images(const wasmtime_component_t* component);
struct wasmoor_linked_t;
wasmtime_error_t* wasmoor_component_link(const wasmtime_component_linker_t* linker,
                                         const wasmtime_component_t* component,
                                         wasmoor_linked_t** out);
void wasmoor_linked_delete(wasmoor_linked_t* linked);
wasmtime_error_t* wasmoor_component_instantiate(const wasmoor_linked_t* linked,
                                                wasmtime_context_t* context,
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

void wasmoor_pooling_allocation_config_pagemap_scan(wasmtime_pooling_allocation_config_t* config);

// http.rs and request.rs, whose layouts these are.
struct wasmoor_http_host_t {
  void* host;
  void (*log)(void* host, int32_t stream, const uint8_t* text, size_t size);
  bool (*allow)(void* host, const uint8_t* name, size_t size, uint16_t port);
  size_t (*resolve)(void* host, const uint8_t* name, size_t size, uint8_t* addresses, size_t room);
  void (*thread)(void* host, bool begins);
  bool on_thread;
  bool has_others;
  bool files_on_thread;
  size_t argument_count;
  const char* const* arguments;
  size_t variable_count;
  const char* const* names;
  const char* const* values;
};
struct wasmoor_http_field_t {
  const char* name;
  size_t name_size;
  const char* value;
  size_t value_size;
};
struct wasmoor_http_head_t {
  const char* method;
  size_t method_size;
  const char* target;
  size_t target_size;
  const wasmoor_http_field_t* fields;
  size_t field_count;
  bool has_body;
  bool is_tls;
};
struct wasmoor_http_waker_t {
  void (*wake)(void* data);
  void* data;
};
typedef void (*wasmoor_http_visit_t)(void* data, const char* name, size_t name_size,
                                     const char* value, size_t value_size);
struct wasmoor_http_handler_t;
struct wasmoor_http_request_t;
struct wasmoor_http_instance_t;

wasmtime_error_t* wasmoor_http_handler_new(const wasmtime_component_t* component,
                                           wasi_config_t* preopens, const wasmoor_http_host_t* host,
                                           wasmoor_http_handler_t** out);
void wasmoor_http_handler_delete(wasmoor_http_handler_t* handler);

wasmtime_error_t* wasmoor_http_request_new(const wasmoor_http_handler_t* handler,
                                           const wasmoor_http_head_t* head,
                                           const wasmoor_limits_t* limits,
                                           const wasmoor_http_waker_t* waker,
                                           wasmoor_http_instance_t* instance, bool keep,
                                           wasmoor_http_request_t** out);
void wasmoor_http_request_delete(wasmoor_http_request_t* request);
bool wasmoor_http_request_is_reused(const wasmoor_http_request_t* request);
wasmoor_http_instance_t* wasmoor_http_request_take_instance(wasmoor_http_request_t* request);
uint64_t wasmoor_http_instance_memory(const wasmoor_http_instance_t* instance);
void wasmoor_http_instance_delete(wasmoor_http_instance_t* instance);

// Their names are a C interface's. NOLINTBEGIN(readability-identifier-naming)
enum : uint32_t {  // What a poll returns, together.
  WASMOOR_HTTP_ANSWERED = 1,
  WASMOOR_HTTP_ENDED = 2,
  WASMOOR_HTTP_FAILED = 4,
  WASMOOR_HTTP_RUNNABLE = 8,
  WASMOOR_HTTP_WANTS_BODY = 16,
};
enum : uint32_t {  // What a read returns.
  WASMOOR_HTTP_NOTHING_YET = 0,
  WASMOOR_HTTP_CHUNK = 1,
  WASMOOR_HTTP_END = 2,
  WASMOOR_HTTP_TRAILERS = 3,
  WASMOOR_HTTP_BROKEN_OFF = 4,
};
// NOLINTEND(readability-identifier-naming)
uint32_t wasmoor_http_request_poll(wasmoor_http_request_t* request);
wasmtime_error_t* wasmoor_http_request_error(wasmoor_http_request_t* request);
void wasmoor_http_request_write(wasmoor_http_request_t* request, const char* data, size_t size);
void wasmoor_http_request_end(wasmoor_http_request_t* request, bool whole,
                              const wasmoor_http_field_t* trailers, size_t count);
uint16_t wasmoor_http_request_head(const wasmoor_http_request_t* request,
                                   wasmoor_http_visit_t visit, void* data);
uint32_t wasmoor_http_request_read(wasmoor_http_request_t* request, const char** data,
                                   size_t* size);
void wasmoor_http_request_trailers(const wasmoor_http_request_t* request,
                                   wasmoor_http_visit_t visit, void* data);

// Directories are granted after it.
bool wasmoor_wasi_config_on_thread(wasi_config_t* config, int stdin_fd, int stdout_fd,
                                   int stderr_fd);
bool wasmoor_wasi_config_stdio(wasi_config_t* config, int stdin_fd, int stdout_fd, int stderr_fd);

}  // extern "C"
