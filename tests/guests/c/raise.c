// Raises the WASI signal whose number (of witx "signal") is the argument; 6 is ABRT, 15 is TERM.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// wasi-libc has no wrapper for it.
__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_raise"))) int32_t
proc_raise(int32_t signal);

int main(int argc, char** argv) {
  int error = proc_raise(argc > 1 ? atoi(argv[1]) : 6);
  printf("proc_raise returned %d\n", error);
  return 1;
}
