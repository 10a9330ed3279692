// Prints a line and sleeps for the milliseconds given, or without end.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char** argv) {
  puts("sleeping");
  fflush(stdout);
  long milliseconds = argc > 1 ? atol(argv[1]) : 0;
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  if (argc == 1) time.tv_sec = 1000 * 1000 * 1000;
  if (nanosleep(&time, NULL) != 0) {
    perror("nanosleep");
    return 1;
  }
  puts("awake");
  return 0;
}
