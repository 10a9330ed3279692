// Prints a line, reads once from stdin (which may block) and says how much came.
#include <stdio.h>
#include <unistd.h>

int main(void) {
  puts("reading");
  fflush(stdout);
  static char buffer[4096];
  ssize_t length = read(STDIN_FILENO, buffer, sizeof(buffer));
  if (length < 0) {
    perror("read");
    return 1;
  }
  printf("read %zd bytes\n", length);
  return 0;
}
