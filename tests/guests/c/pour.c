// pour: writes to its standard output without end, or until that fails.
#include <string.h>
#include <unistd.h>

int main(void) {
  char block[4096];
  memset(block, 'x', sizeof block);
  while (write(1, block, sizeof block) > 0) continue;
  return 1;
}
