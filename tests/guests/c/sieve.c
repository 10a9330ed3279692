// sieve [LIMIT]: counts the primes below LIMIT (20,000,000): bytes of memory, branches.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  size_t limit = argc > 1 ? (size_t)atol(argv[1]) : 20000000;
  unsigned char* composite = calloc(limit + 1, 1);
  if (composite == NULL) {
    fputs("sieve: no memory\n", stderr);
    return 1;
  }
  size_t primes = 0;
  for (size_t i = 2; i < limit; i++) {
    if (composite[i]) continue;
    primes++;
    if (i > limit / i) continue;
    for (size_t j = i * i; j < limit; j += i) composite[j] = 1;
  }
  printf("%zu primes\n", primes);
  return 0;
}
