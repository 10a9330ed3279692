// Prints 32 random bytes as hex.
#include <stdio.h>
#include <unistd.h>

int main(void) {
  unsigned char bytes[32];
  if (getentropy(bytes, sizeof(bytes)) != 0) {
    perror("getentropy");
    return 1;
  }
  for (unsigned i = 0; i < sizeof(bytes); i++) printf("%02x", bytes[i]);
  puts("");
  return 0;
}
