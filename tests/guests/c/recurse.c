// Calls itself without end, holding nothing in memory, so that it is the engine's stack that runs out.
#include <stdio.h>

static volatile int bottom = -1;

__attribute__((noinline)) int descend(int depth) {
  if (depth == bottom) return 0;
  return descend(depth + 1) + 1;
}

int main(void) {
  printf("%d\n", descend(0));
  return 0;
}
