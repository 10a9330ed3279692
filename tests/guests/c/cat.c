// Copies stdin, or the files that are named, to stdout.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char buffer[65536];

static int copy(int from, const char* name) {
  for (;;) {
    ssize_t length = read(from, buffer, sizeof(buffer));
    if (length < 0) {
      perror(name);
      return 1;
    }
    if (length == 0) return 0;
    for (ssize_t done = 0; done < length;) {
      ssize_t written = write(STDOUT_FILENO, buffer + done, length - done);
      if (written < 0) {
        perror("stdout");
        return 1;
      }
      done += written;
    }
  }
}

int main(int argc, char** argv) {
  if (argc == 1) return copy(STDIN_FILENO, "stdin");
  int status = 0;
  for (int i = 1; i < argc; i++) {
    int file = open(argv[i], O_RDONLY);
    if (file < 0) {
      perror(argv[i]);
      status = 1;
      continue;
    }
    status |= copy(file, argv[i]);
    close(file);
  }
  return status;
}
