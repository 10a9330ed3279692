// Says of each standard stream whether it is a terminal.
#include <stdio.h>
#include <unistd.h>

int main(void) {
  static const char* const names[] = {"stdin", "stdout", "stderr"};
  for (int stream = 0; stream < 3; stream++)
    printf("%s is %s terminal\n", names[stream], isatty(stream) ? "a" : "no");
  return 0;
}
