// Ends by abort(), which wasi-libc makes a trap ("unreachable").
#include <stdlib.h>

int main(void) { abort(); }
