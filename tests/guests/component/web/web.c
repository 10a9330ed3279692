// A server whose answers are chosen by the path that is asked for: see README.md.
#include "web.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP(name) wasi_http_types_##name
#define STREAM(name) wasi_io_streams_##name

typedef exports_wasi_http_incoming_handler_own_incoming_request_t Request;
typedef exports_wasi_http_incoming_handler_own_response_outparam_t Outparam;
typedef HTTP(own_outgoing_body_t) Body;
typedef STREAM(own_output_stream_t) Output;
typedef STREAM(own_input_stream_t) Input;

// Answers, and leaves the body open.
static Body answer(Outparam out, int status, const char* length) {
  HTTP(own_fields_t) fields = HTTP(constructor_fields)();
  HTTP(header_error_t) wrong;
  if (length != NULL) {
    HTTP(field_name_t) name = {(uint8_t*)"content-length", 14};
    HTTP(field_value_t) value = {(uint8_t*)length, strlen(length)};
    HTTP(method_fields_append)(HTTP(borrow_fields)(fields), &name, &value, &wrong);
  }
  HTTP(own_outgoing_response_t) response = HTTP(constructor_outgoing_response)(fields);
  HTTP(method_outgoing_response_set_status_code)(HTTP(borrow_outgoing_response)(response), status);
  Body body;
  HTTP(method_outgoing_response_body)(HTTP(borrow_outgoing_response)(response), &body);
  HTTP(result_own_outgoing_response_error_code_t) result = {.is_err = false, .val.ok = response};
  HTTP(static_response_outparam_set)(out, &result);
  return body;
}

static Output open_output(Body body) {
  Output output;
  HTTP(method_outgoing_body_write)(HTTP(borrow_outgoing_body)(body), &output);
  return output;
}

// Waits for the client; false if it is gone.
static bool put(Output output, const char* data, size_t size) {
  enum { kMost = 4096 };  // Of one such call.
  while (size > 0) {
    web_list_u8_t part = {(uint8_t*)data, size < kMost ? size : kMost};
    STREAM(stream_error_t) failed;
    if (!STREAM(method_output_stream_blocking_write_and_flush)(STREAM(borrow_output_stream)(output),
                                                               &part, &failed))
      return false;
    data += part.len;
    size -= part.len;
  }
  return true;
}

static void end(Body body, Output output, HTTP(own_trailers_t) * trailers) {
  STREAM(output_stream_drop_own)(output);
  HTTP(error_code_t) error;
  HTTP(static_outgoing_body_finish)(body, trailers, &error);
}

static void say(Outparam out, int status, const char* text) {
  Body body = answer(out, status, NULL);
  Output output = open_output(body);
  put(output, text, strlen(text));
  end(body, output, NULL);
}

// Calls `use` with each part of a body. Its trailers are appended to `text`, if there is one.
static void read_all(HTTP(own_incoming_body_t) body, bool (*use)(void*, const char*, size_t),
                     void* with) {
  Input input;
  HTTP(method_incoming_body_stream)(HTTP(borrow_incoming_body)(body), &input);
  for (;;) {
    web_list_u8_t part;
    STREAM(stream_error_t) failed;
    if (!STREAM(method_input_stream_blocking_read)(STREAM(borrow_input_stream)(input), 65536, &part,
                                                   &failed)) {
      if (failed.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED)
        fprintf(stderr, "the body broke off\n");
      STREAM(stream_error_free)(&failed);
      break;
    }
    bool more = use(with, (char*)part.ptr, part.len);
    web_list_u8_free(&part);
    if (!more) break;
  }
  STREAM(input_stream_drop_own)(input);
  HTTP(future_trailers_drop_own)(HTTP(static_incoming_body_finish)(body));
}

static bool put_part(void* output, const char* data, size_t size) {
  return put(*(Output*)output, data, size);
}

static bool count_part(void* count, const char* data, size_t size) {
  (void)data;
  *(size_t*)count += size;
  return true;
}

static HTTP(own_incoming_body_t) consume(Request request) {
  HTTP(own_incoming_body_t) body;
  HTTP(method_incoming_request_consume)(HTTP(borrow_incoming_request)(request), &body);
  return body;
}

static void echo(Request request, Outparam out) {
  Body body = answer(out, 200, NULL);
  Output output = open_output(body);
  read_all(consume(request), put_part, &output);
  end(body, output, NULL);
}

static void count(Request request, Outparam out) {
  size_t bytes = 0;
  read_all(consume(request), count_part, &bytes);
  char text[32];
  snprintf(text, sizeof(text), "%zu\n", bytes);
  say(out, 200, text);
}

static void list_fields(Request request, Outparam out) {
  Body body = answer(out, 200, NULL);
  Output output = open_output(body);
  HTTP(borrow_incoming_request_t) of = HTTP(borrow_incoming_request)(request);
  HTTP(own_headers_t) headers = HTTP(method_incoming_request_headers)(of);
  HTTP(list_tuple2_field_name_field_value_t) all;
  HTTP(method_fields_entries)(HTTP(borrow_fields)(headers), &all);
  for (size_t i = 0; i < all.len; ++i) {
    put(output, (char*)all.ptr[i].f0.ptr, all.ptr[i].f0.len);
    put(output, "=", 1);
    put(output, (char*)all.ptr[i].f1.ptr, all.ptr[i].f1.len);
    put(output, "\n", 1);
  }
  web_string_t authority;
  if (HTTP(method_incoming_request_authority)(of, &authority)) {
    put(output, "authority=", 10);
    put(output, (char*)authority.ptr, authority.len);
    put(output, "\n", 1);
  }
  HTTP(fields_drop_own)(headers);
  end(body, output, NULL);
}

static void wait_for(unsigned milliseconds) {
  wasi_io_poll_own_pollable_t time =
      wasi_clocks_monotonic_clock_subscribe_duration(milliseconds * 1000000ULL);
  wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(time));
  wasi_io_poll_pollable_drop_own(time);
}

static void big(Outparam out, unsigned kibibytes) {
  static char block[4096];
  memset(block, 'x', sizeof(block));
  Body body = answer(out, 200, NULL);
  Output output = open_output(body);
  unsigned i = 0;
  while (i < kibibytes / 4 && put(output, block, sizeof(block))) ++i;
  if (i < kibibytes / 4) fprintf(stderr, "the client left after %u KiB\n", i * 4);
  end(body, output, NULL);
}

static void with_trailers(Outparam out) {
  Body body = answer(out, 200, NULL);
  Output output = open_output(body);
  put(output, "body\n", 5);
  HTTP(own_trailers_t) trailers = HTTP(constructor_fields)();
  HTTP(field_name_t) name = {(uint8_t*)"x-checksum", 10};
  HTTP(field_value_t) value = {(uint8_t*)"1234", 4};
  HTTP(header_error_t) wrong;
  HTTP(method_fields_append)(HTTP(borrow_fields)(trailers), &name, &value, &wrong);
  end(body, output, &trailers);
}

// Promises so many bytes, and writes three.
static void promise(Outparam out, const char* length) {
  Body body = answer(out, 200, length);
  Output output = open_output(body);
  put(output, "abc", 3);
  end(body, output, NULL);
}

// Lets go of its body before it is finished.
static void break_off(Outparam out) {
  Body body = answer(out, 200, NULL);
  Output output = open_output(body);
  put(output, "so far\n", 7);
  STREAM(output_stream_drop_own)(output);
  HTTP(outgoing_body_drop_own)(body);
}

// Leaves its body as it is.
static void leave_open(Outparam out) {
  Body body = answer(out, 200, NULL);
  put(open_output(body), "so far\n", 7);
}

// How many requests this instance has had, this one among them.
static void tell_visits(Outparam out, unsigned visits) {
  char text[32];
  snprintf(text, sizeof(text), "%u\n", visits);
  say(out, 200, text);
}

// So much more memory is this instance's from now on.
static void hoard(Outparam out, unsigned mebibytes) {
  char* block = malloc((size_t)mebibytes << 20);
  if (block == NULL) return say(out, 507, "there is no more\n");
  memset(block, 1, (size_t)mebibytes << 20);
  say(out, 200, block[1] == 1 ? "hoarded\n" : "");
}

// So many header fields that the host has for it.
static void make_fields(Outparam out, unsigned count) {
  while (count-- > 0) HTTP(constructor_fields)();
  say(out, 200, "made\n");
}

static bool put_in_file(void* file, const char* data, size_t size) {
  return fwrite(data, 1, size, file) == size;
}

// "/write/PATH": the body becomes that file's.
static void write_file(Request request, Outparam out, const char* path) {
  FILE* file = fopen(path, "w");
  if (file == NULL) return say(out, 403, strerror(errno));
  read_all(consume(request), put_in_file, file);
  say(out, fclose(file) == 0 ? 200 : 507, "written\n");
}

static void read_file(Outparam out, const char* path) {
  FILE* file = fopen(path, "r");
  if (file == NULL) return say(out, 404, strerror(errno));
  Body body = answer(out, 200, NULL);
  Output output = open_output(body);
  static char block[65536];
  size_t got = 0;
  while ((got = fread(block, 1, sizeof(block), file)) > 0 && put(output, block, got)) {
  }
  fclose(file);
  end(body, output, NULL);
}

static void list_directory(Outparam out, const char* path) {
  DIR* directory = opendir(path);
  if (directory == NULL) return say(out, 404, strerror(errno));
  Body body = answer(out, 200, NULL);
  Output output = open_output(body);
  for (const struct dirent* entry; (entry = readdir(directory)) != NULL;) {
    put(output, entry->d_name, strlen(entry->d_name));
    put(output, "\n", 1);
  }
  closedir(directory);
  end(body, output, NULL);
}

static void fail(Outparam out) {
  HTTP(result_own_outgoing_response_error_code_t) result = {.is_err = true};
  result.val.err.tag = WASI_HTTP_TYPES_ERROR_CODE_CONFIGURATION_ERROR;
  HTTP(static_response_outparam_set)(out, &result);
}

// "/fetch/HOST:PORT/PATH", and "/fetch-tls/…": asks for that, and answers with what came.
static void fetch(Outparam out, uint8_t scheme_tag, const char* address) {
  const char* slash = strchr(address, '/');
  web_string_t authority, path;
  web_string_dup_n(&authority, address,
                   slash == NULL ? strlen(address) : (size_t)(slash - address));
  web_string_dup(&path, slash == NULL ? "/" : slash);
  HTTP(own_outgoing_request_t)
  request = HTTP(constructor_outgoing_request)(HTTP(constructor_fields)());
  HTTP(borrow_outgoing_request_t) to = HTTP(borrow_outgoing_request)(request);
  HTTP(scheme_t) scheme = {.tag = scheme_tag};
  HTTP(method_outgoing_request_set_scheme)(to, &scheme);
  HTTP(method_outgoing_request_set_authority)(to, &authority);
  HTTP(method_outgoing_request_set_path_with_query)(to, &path);
  wasi_http_outgoing_handler_own_future_incoming_response_t future;
  wasi_http_outgoing_handler_error_code_t error;
  char text[64];
  if (!wasi_http_outgoing_handler_handle(request, NULL, &future, &error)) {
    snprintf(text, sizeof(text), "refused: %d\n", error.tag);
    return say(out, 502, text);
  }
  HTTP(borrow_future_incoming_response_t) coming = HTTP(borrow_future_incoming_response)(future);
  wasi_io_poll_own_pollable_t ready = HTTP(method_future_incoming_response_subscribe)(coming);
  wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(ready));
  wasi_io_poll_pollable_drop_own(ready);
  HTTP(result_result_own_incoming_response_error_code_void_t) result;
  HTTP(method_future_incoming_response_get)(coming, &result);
  if (result.is_err || result.val.ok.is_err) {
    snprintf(text, sizeof(text), "failed: %d\n", result.is_err ? -1 : result.val.ok.val.err.tag);
    return say(out, 502, text);
  }
  HTTP(own_incoming_response_t) response = result.val.ok.val.ok;
  HTTP(borrow_incoming_response_t) from = HTTP(borrow_incoming_response)(response);
  Body body = answer(out, HTTP(method_incoming_response_status)(from), NULL);
  Output output = open_output(body);
  HTTP(own_incoming_body_t) incoming;
  HTTP(method_incoming_response_consume)(from, &incoming);
  read_all(incoming, put_part, &output);
  end(body, output, NULL);
}

static bool rest_after(const char* path, const char* prefix, const char** rest) {
  *rest = path + strlen(prefix);
  return strncmp(path, prefix, strlen(prefix)) == 0;
}

static void die_midway(Outparam out) {
  Body body = answer(out, 200, NULL);
  put(open_output(body), "so far\n", 7);
  wait_for(50);  // Until that is with the client.
  __builtin_trap();
}

static void work_on(Outparam out) {
  say(out, 200, "answered\n");
  wait_for(100);
  printf("worked on\n");
}

static void spin(void) {
  for (volatile unsigned i = 0;; ++i) {
  }
}

static void log_lines(Outparam out) {
  printf("a line on stdout\n");
  fflush(stdout);
  fprintf(stderr, "a line on stderr\n");
  say(out, 200, "logged\n");
}

void exports_wasi_http_incoming_handler_handle(Request request, Outparam out) {
  web_string_t target;
  if (!HTTP(method_incoming_request_path_with_query)(HTTP(borrow_incoming_request)(request),
                                                     &target))
    web_string_dup(&target, "/");
  char* path = strndup((char*)target.ptr, target.len);
  const char* rest;
  static unsigned visits;
  ++visits;
  if (strcmp(path, "/") == 0)
    say(out, 200, "Hello from wasi:http!\n");
  else if (strcmp(path, "/echo") == 0)
    echo(request, out);
  else if (strcmp(path, "/count") == 0)
    count(request, out);
  else if (strcmp(path, "/fields") == 0)
    list_fields(request, out);
  else if (rest_after(path, "/sleep/", &rest))
    wait_for(atoi(rest)), say(out, 200, "slept\n");
  else if (rest_after(path, "/big/", &rest))
    big(out, atoi(rest));
  else if (rest_after(path, "/length/", &rest))
    promise(out, rest);
  else if (rest_after(path, "/status/", &rest))
    say(out, atoi(rest), "");
  else if (rest_after(path, "/fetch/", &rest))
    fetch(out, WASI_HTTP_TYPES_SCHEME_HTTP, rest);
  else if (rest_after(path, "/fetch-tls/", &rest))
    fetch(out, WASI_HTTP_TYPES_SCHEME_HTTPS, rest);
  else if (strcmp(path, "/trailers") == 0)
    with_trailers(out);
  else if (strcmp(path, "/error") == 0)
    fail(out);
  else if (strcmp(path, "/trap") == 0)
    __builtin_trap();
  else if (strcmp(path, "/trap-midway") == 0)
    die_midway(out);
  else if (strcmp(path, "/break-off") == 0)
    break_off(out);
  else if (strcmp(path, "/leave-open") == 0)
    leave_open(out);
  else if (strcmp(path, "/visits") == 0)
    tell_visits(out, visits);
  else if (rest_after(path, "/hoard/", &rest))
    hoard(out, atoi(rest));
  else if (rest_after(path, "/write", &rest))
    write_file(request, out, rest);
  else if (rest_after(path, "/read", &rest))
    read_file(out, rest);
  else if (rest_after(path, "/list", &rest))
    list_directory(out, rest);
  else if (rest_after(path, "/make-fields/", &rest))
    make_fields(out, atoi(rest));
  else if (strcmp(path, "/work-on") == 0)
    work_on(out);
  else if (strcmp(path, "/spin") == 0)
    spin();
  else if (strcmp(path, "/log") == 0)
    log_lines(out);
  else if (strcmp(path, "/exit") == 0)
    exit(3);
  else if (strcmp(path, "/nothing") != 0)
    say(out, 404, "no such path\n");
  free(path);
  web_string_free(&target);
  fflush(stdout);
}
