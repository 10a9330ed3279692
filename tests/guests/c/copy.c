// copy FROM TO [BYTES]: copies FROM to TO in pieces of 64 KiB; with BYTES, FROM is read again from
// its start until so many are written. Prints how many were.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char buffer[65536];

int main(int argc, char** argv) {
  if (argc < 3) {
    fputs("usage: copy FROM TO [BYTES]\n", stderr);
    return 2;
  }
  long long most = argc > 3 ? atoll(argv[3]) : -1;
  int from = open(argv[1], O_RDONLY);
  int to = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (from < 0 || to < 0) {
    perror(from < 0 ? argv[1] : argv[2]);
    return 1;
  }
  long long copied = 0;
  while (most < 0 || copied < most) {
    ssize_t length = read(from, buffer, sizeof(buffer));
    if (length == 0 && most > 0 && copied > 0) {
      lseek(from, 0, SEEK_SET);
      continue;
    }
    if (length == 0) break;
    if (most >= 0 && length > most - copied) length = (ssize_t)(most - copied);
    if (length < 0 || write(to, buffer, length) != length) {
      perror("copy");
      return 1;
    }
    copied += length;
  }
  if (close(to) != 0) {
    perror(argv[2]);
    return 1;
  }
  printf("%lld bytes\n", copied);
  return 0;
}
