// Prints a line and loops without end and without calling the host.
#include <stdio.h>

int main(void) {
  puts("looping");
  fflush(stdout);
  for (volatile unsigned turns = 0;; turns++) {
  }
}
