// work KERNEL ROUNDS [TIMES]: what a function does, so many rounds of it, TIMES (1) over; prints a
// digest of all. KERNEL is `text` (words are counted in a table and the counts sorted: branches and
// memory) or `hash` (mixing of words as SHA-256 has it: integers in registers). For benchmarks,
// which compile it for this machine as well: nothing that takes time is a library's.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kTextBytes = 2048, kSlots = 512 };

static uint32_t next(uint32_t* random) {
  *random ^= *random << 13;
  *random ^= *random >> 17;
  *random ^= *random << 5;
  return *random;
}

static uint32_t hash_of(const char* word, size_t length) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)word[i]) * 16777619u;
  return hash | 1;
}

static void count(uint32_t hash, uint32_t* words, uint32_t* counts) {
  size_t slot = hash % kSlots;
  while (words[slot] != 0 && words[slot] != hash) slot = (slot + 1) % kSlots;
  words[slot] = hash;
  counts[slot]++;
}

static void sort(uint32_t* values, size_t size) {
  for (size_t gap = size / 2; gap > 0; gap /= 2) {
    for (size_t i = gap; i < size; i++) {
      uint32_t value = values[i];
      size_t at = i;
      for (; at >= gap && values[at - gap] < value; at -= gap) values[at] = values[at - gap];
      values[at] = value;
    }
  }
}

static uint32_t text(uint32_t seed) {
  static char letters[kTextBytes];
  static uint32_t words[kSlots], counts[kSlots];
  uint32_t random = seed | 1;
  for (size_t i = 0; i < kTextBytes; i++) {
    uint32_t r = next(&random);
    letters[i] = r % 7 == 0 ? ' ' : (char)('a' + (r >> 8) % 6);
  }
  memset(words, 0, sizeof(words));
  memset(counts, 0, sizeof(counts));
  for (size_t begin = 0, i = 0; i < kTextBytes; i++) {
    if (letters[i] != ' ') continue;
    if (i > begin) count(hash_of(letters + begin, i - begin), words, counts);
    begin = i + 1;
  }
  sort(counts, kSlots);
  uint32_t digest = seed;
  for (size_t i = 0; i < kSlots; i++) digest = digest * 31 + counts[i];
  return digest;
}

static uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

static uint32_t hash(uint32_t seed) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 8; i++) s[i] = seed * (uint32_t)(2 * i + 1);
  for (int block = 0; block < 32; block++) {
    for (int i = 0; i < 16; i++) w[i] = next(&seed);
    for (int i = 16; i < 64; i++) {
      uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
      uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    for (int i = 0; i < 64; i++) {
      uint32_t a = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
      uint32_t b = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
      uint32_t first = s[7] + a + ((s[4] & s[5]) ^ (~s[4] & s[6])) + w[i];
      uint32_t second = b + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      memmove(s + 1, s, 7 * sizeof(*s));
      s[4] += first;
      s[0] = first + second;
    }
  }
  return s[0] ^ s[4];
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  uint32_t (*kernel)(uint32_t) = strcmp(argv[1], "hash") == 0 ? hash : text;
  long rounds = atol(argv[2]), times = argc > 3 ? atol(argv[3]) : 1;
  uint32_t digest = 1;
  for (long i = 0; i < rounds * times; i++) digest ^= kernel(digest + (uint32_t)i + 1);
  printf("%08x\n", digest);
  return 0;
}
