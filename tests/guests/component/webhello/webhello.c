// The least that a server does: a status, one field, a line.
#include "webhello.h"

#include <string.h>

static const char kText[] = "Hello from wasi:http!\n";

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t request,
    exports_wasi_http_incoming_handler_own_response_outparam_t out) {
  wasi_http_types_incoming_request_drop_own(request);
  wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
  wasi_http_types_field_name_t name = {(uint8_t*)"content-type", 12};
  wasi_http_types_field_value_t value = {(uint8_t*)"text/plain", 10};
  wasi_http_types_header_error_t wrong;
  wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(fields), &name, &value,
                                       &wrong);
  wasi_http_types_own_outgoing_response_t response =
      wasi_http_types_constructor_outgoing_response(fields);
  wasi_http_types_own_outgoing_body_t body;
  wasi_http_types_method_outgoing_response_body(wasi_http_types_borrow_outgoing_response(response),
                                                &body);
  wasi_http_types_result_own_outgoing_response_error_code_t answer = {.is_err = false,
                                                                      .val.ok = response};
  wasi_http_types_static_response_outparam_set(out, &answer);

  wasi_http_types_own_output_stream_t stream;
  wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream);
  webhello_list_u8_t text = {(uint8_t*)kText, sizeof(kText) - 1};
  wasi_io_streams_stream_error_t failed;
  wasi_io_streams_method_output_stream_blocking_write_and_flush(
      wasi_io_streams_borrow_output_stream(stream), &text, &failed);
  wasi_io_streams_output_stream_drop_own(stream);
  wasi_http_types_error_code_t error;
  wasi_http_types_static_outgoing_body_finish(body, NULL, &error);
}
