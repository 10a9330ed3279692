// flood FILE [hold]: opens FILE again and again and closes nothing, until it is refused; says how
// often it worked and why it no longer does, and whether a file can be opened again once one is
// closed. With "hold" it closes none, keeps all, and sleeps without end.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kMost = 1000000 };

int main(int argc, char** argv) {
  int opened = 0, last = -1;
  if (argc < 2) return 2;
  while (opened < kMost) {
    int file = open(argv[1], O_RDONLY);
    if (file < 0) break;
    last = file;
    opened++;
  }
  printf("opened %d, then: %s\n", opened, opened < kMost ? strerror(errno) : "no end");
  fflush(stdout);
  if (argc > 2 && strcmp(argv[2], "hold") == 0) {
    struct timespec time = {.tv_sec = 1000 * 1000 * 1000};
    return nanosleep(&time, NULL);
  }
  close(last);
  puts(open(argv[1], O_RDONLY) == last ? "and one more after a close" : "none after a close");
  return 0;
}
