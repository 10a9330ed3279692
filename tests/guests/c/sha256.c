// sha256 [MEBIBYTES]: the SHA-256 (FIPS 180-4) of so many mebibytes (16) of the byte 'a': integer
// work in registers.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t constants[64];
static uint32_t state[8];

// The first 32 bits of the fractional part of x's root: by bisection, in integers only.
static uint32_t root_fraction(unsigned prime, int cube) {
  unsigned __int128 scaled = (unsigned __int128)prime << (cube ? 96 : 64);
  uint64_t low = 0, high = (uint64_t)1 << 37;
  while (high - low > 1) {
    uint64_t middle = (low + high) / 2;
    unsigned __int128 power = (unsigned __int128)middle * middle;
    if (cube) power *= middle;
    if (power <= scaled) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return (uint32_t)low;
}

static void prepare(void) {
  int found = 0;
  for (unsigned candidate = 2; found < 64; candidate++) {
    int prime = 1;
    for (unsigned d = 2; d * d <= candidate; d++) prime = prime && candidate % d != 0;
    if (!prime) continue;
    if (found < 8) state[found] = root_fraction(candidate, 0);
    constants[found++] = root_fraction(candidate, 1);
  }
}

static uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void compress(const uint8_t* block) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++) {
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
           (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
           (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
  }
  memcpy(v, state, sizeof(v));
  for (int i = 0; i < 64; i++) {
    uint32_t e = v[4], a = v[0];
    uint32_t first = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                     ((e & v[5]) ^ (~e & v[6])) + constants[i] + w[i];
    uint32_t second =
        (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof(*v));
    v[4] += first;
    v[0] = first + second;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

int main(int argc, char** argv) {
  uint64_t bytes = (uint64_t)(argc > 1 ? atoi(argv[1]) : 16) << 20;
  uint8_t block[64];
  prepare();
  memset(block, 'a', sizeof(block));
  for (uint64_t done = 0; done < bytes; done += sizeof(block)) compress(block);
  // Whole blocks only, so the padding is a block of its own.
  memset(block, 0, sizeof(block));
  block[0] = 0x80;
  for (int i = 0; i < 8; i++) block[56 + i] = (uint8_t)(bytes * 8 >> (56 - 8 * i));
  compress(block);
  for (int i = 0; i < 8; i++) printf("%08x", (unsigned)state[i]);
  puts("");
  return 0;
}
