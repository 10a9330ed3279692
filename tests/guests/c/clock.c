// Prints the seconds since 1970, and whether the monotonic clock moves and is fine enough.
#include <stdio.h>
#include <time.h>

static long long nanoseconds(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) return -1;
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(void) {
  struct timespec resolution;
  printf("realtime %lld\n", nanoseconds(CLOCK_REALTIME) / 1000000000);
  long long first = nanoseconds(CLOCK_MONOTONIC);
  long long second = first;
  for (int i = 0; i < 1000000 && second == first; i++) second = nanoseconds(CLOCK_MONOTONIC);
  printf("monotonic %s\n", first >= 0 && second > first ? "moves" : "stands");
  if (clock_getres(CLOCK_MONOTONIC, &resolution) != 0) return 1;
  printf("resolution %ld ns\n", resolution.tv_nsec);
  return 0;
}
