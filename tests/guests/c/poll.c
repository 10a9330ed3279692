// Waits for stdin, at most the milliseconds given (-1: without end), and says what came first.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  int timeout = argc > 1 ? atoi(argv[1]) : -1;
  puts("polling");
  fflush(stdout);
  struct pollfd stdin_poll = {.fd = 0, .events = POLLRDNORM};
  int ready = poll(&stdin_poll, 1, timeout);
  if (ready < 0) {
    perror("poll");
    return 1;
  }
  puts(ready == 0 ? "timed out" : "readable");
  return 0;
}
