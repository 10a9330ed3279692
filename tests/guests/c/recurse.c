// Calls itself without end, holding nothing in memory, so that it is the engine's stack that runs
// out.
#include <stdio.h>

static volatile int bottom = -1;
static volatile int unwound;

__attribute__((noinline)) int descend(int depth) {
  if (depth == bottom) return 0;
  int below = descend(depth + 1);
  unwound++;  // Work to come back to: the call is no tail call.
  return below + 1;
}

int main(void) {
  printf("%d\n", descend(0));
  return 0;
}
