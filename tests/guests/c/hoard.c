// hoard [hold]: takes memory a mebibyte at a time and writes to all of it until it is refused, says
// how many it has, and aborts, as a program does that needs it. With "hold" it keeps what it has,
// and asks for more again and again, without end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kMebibyte = 1 << 20 };

static long take(void) {
  long got = 0;
  for (;; got++) {
    volatile char* part = malloc(kMebibyte);
    if (part == NULL) return got;
    for (size_t at = 0; at < kMebibyte; at += 4096) part[at] = 1;
  }
}

int main(int argc, char** argv) {
  int hold = argc > 1 && strcmp(argv[1], "hold") == 0;
  printf("hoards %ld MiB\n", take());
  fflush(stdout);
  if (!hold) abort();
  struct timespec pause = {0, 1000000};
  for (;;) {
    take();
    nanosleep(&pause, NULL);
  }
}
