#include <stdio.h>

int main(void) {
  puts("Hello from wasm!");
  return 0;
}
