// smallfiles write|read DIR COUNT: makes the files DIR/f0, DIR/f1 ... of 100 bytes, or opens, reads
// and closes each; prints how many bytes went through.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 4) {
    fputs("usage: smallfiles write|read DIR COUNT\n", stderr);
    return 2;
  }
  int writing = strcmp(argv[1], "write") == 0;
  int count = atoi(argv[3]);
  char buffer[4096];
  memset(buffer, 'x', sizeof(buffer));
  long long bytes = 0;
  for (int i = 0; i < count; i++) {
    char path[1024];
    snprintf(path, sizeof(path), "%s/f%d", argv[2], i);
    int file = open(path, writing ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0644);
    if (file < 0) {
      perror(path);
      return 1;
    }
    ssize_t length = writing ? write(file, buffer, 100) : read(file, buffer, sizeof(buffer));
    if (length < 0) {
      perror(path);
      return 1;
    }
    bytes += length;
    close(file);
  }
  printf("%d files, %lld bytes\n", count, bytes);
  return 0;
}
