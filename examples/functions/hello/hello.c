// What a function prints is the reply: plain text, unless it begins with header lines (see
// env/env.c).
#include <stdio.h>

int main(void) { return puts("Hello from wasm!") >= 0 ? 0 : 1; }
