// Grows its memory a mebibyte at a time until it is refused, or has as many as the argument says;
// prints how many it got. With "touch" as second argument it writes to every page it gets.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kPagesPerMebibyte = 16, kPageBytes = 65536 };

int main(int argc, char** argv) {
  long most = argc > 1 ? atol(argv[1]) : 1 << 20;
  int touch = argc > 2 && strcmp(argv[2], "touch") == 0;
  long got = 0;
  while (got < most) {
    size_t before = __builtin_wasm_memory_grow(0, kPagesPerMebibyte);
    if (before == (size_t)-1) break;
    if (touch) {
      for (size_t at = 0; at < kPagesPerMebibyte * kPageBytes; at += 4096) {
        ((volatile char*)(before * kPageBytes))[at] = 1;
      }
    }
    got++;
  }
  printf("grew by %ld MiB to %zu pages\n", got, __builtin_wasm_memory_size(0));
  return 0;
}
