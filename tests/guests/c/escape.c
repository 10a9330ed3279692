// escape TRIES PATH...: opens every PATH again and again, TRIES times in all, as host threads swap
// what the paths lead through. A file that begins with "SECRET" is one that nobody granted. Prints
// how many opens worked and how many of them got out; ends with status 1 if any did.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3) {
    fputs("usage: escape TRIES PATH...\n", stderr);
    return 2;
  }
  long tries = atol(argv[1]), opened = 0, escaped = 0;
  for (long i = 0; i < tries; i++) {
    char text[8] = {0};
    int file = open(argv[2 + i % (argc - 2)], O_RDONLY);
    if (file < 0) continue;
    opened++;
    ssize_t length = read(file, text, 6);
    escaped += length == 6 && memcmp(text, "SECRET", 6) == 0;
    close(file);
  }
  printf("%ld tries, %ld opened, %ld escaped\n", tries, opened, escaped);
  return escaped != 0;
}
