// takeover FILE: closes its standard streams, opens FILE in the place of each, writes a line to it
// by that number, and traps.
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (int stream = 0; stream < 3; stream++) {
    close(stream);
    int file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file < 0 || write(file, "taken over\n", 11) != 11) return 1;
  }
  __builtin_trap();
}
