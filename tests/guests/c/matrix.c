// matrix [N]: multiplies two N x N (400) matrices of doubles and prints the trace: floating point
// and memory.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  size_t n = argc > 1 ? (size_t)atol(argv[1]) : 400;
  double *a = malloc(n * n * sizeof(*a)), *b = malloc(n * n * sizeof(*b)),
         *c = calloc(n * n, sizeof(*c));
  if (a == NULL || b == NULL || c == NULL) {
    fputs("matrix: no memory\n", stderr);
    return 1;
  }
  for (size_t i = 0; i < n * n; i++) {
    a[i] = (double)(i % 13);
    b[i] = (double)(i % 7);
  }
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < n; k++) {
      for (size_t j = 0; j < n; j++) c[i * n + j] += a[i * n + k] * b[k * n + j];
    }
  }
  double trace = 0;
  for (size_t i = 0; i < n; i++) trace += c[i * n + i];
  printf("trace %.0f\n", trace);
  return 0;
}
