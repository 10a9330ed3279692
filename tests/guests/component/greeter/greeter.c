// A command of WASI 0.2, with the bindings that wit-bindgen makes of its world. The C library below
// it speaks WASI 0.1, which the adapter turns into 0.2. Fails if its first argument is "fail".
#include "greeter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

// A library has no main, so the arguments are asked for by hand.
static char* first_argument(void) {
  size_t count = 0, bytes = 0;
  if (__wasi_args_sizes_get(&count, &bytes) != 0 || count < 2) return NULL;
  uint8_t** arguments = malloc(count * sizeof(*arguments));
  uint8_t* text = malloc(bytes);
  if (__wasi_args_get(arguments, text) != 0) return NULL;
  return (char*)arguments[1];
}

bool exports_wasi_cli_run_run(void) {
  const char* argument = first_argument();
  printf("Hello from a component%s%s!\n", argument == NULL ? "" : ", ",
         argument == NULL ? "" : argument);
  fflush(stdout);
  return argument == NULL || strcmp(argument, "fail") != 0;
}
