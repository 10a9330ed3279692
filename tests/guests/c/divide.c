// Traps by dividing by zero: another trap than "unreachable".
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  int divisor = argc > 1 ? atoi(argv[1]) : 0;
  printf("%d\n", 42 / divisor);
  return 0;
}
