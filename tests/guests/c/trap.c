// Traps three functions deep: the backtrace names innermost, middle, outermost, __original_main
// (which is what the compiler calls a main without arguments) and _start in this order.
#include <stdio.h>

__attribute__((noinline)) void innermost(volatile int* depth) {
  *depth += 1;
  printf("about to trap at depth %d\n", *depth);
  fflush(stdout);
  __builtin_trap();
}

__attribute__((noinline)) void middle(volatile int* depth) {
  *depth += 1;
  innermost(depth);
}

__attribute__((noinline)) void outermost(volatile int* depth) {
  *depth += 1;
  middle(depth);
}

int main(void) {
  volatile int depth = 0;
  outermost(&depth);
  return 0;
}
