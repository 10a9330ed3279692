// Shows what a function is told of its request: the CGI variables of its environment, the words of
// its query as arguments, and how many bytes the body has. `?status=404+Not+Found` answers with
// that status.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char** environ;

// The value of `name=` among the arguments, which are the parts of the query between its
// ampersands; "" if there is none.
static const char* Argument(int argc, char** argv, const char* name) {
  const size_t length = strlen(name);
  for (int i = 1; i < argc; ++i) {
    if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') return argv[i] + length + 1;
  }
  return "";
}

// A plus is a space in a query. Anything but letters, digits and spaces ends it, so that nobody
// puts in a header line of his own.
static void PrintWords(const char* text) {
  for (; *text != '\0'; ++text) {
    const char c = *text == '+' ? ' ' : *text;
    const int is_plain =
        c == ' ' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!is_plain) return;
    putchar(c);
  }
}

int main(int argc, char** argv) {
  const char* status = Argument(argc, argv, "status");
  if (*status != '\0') {
    fputs("Status: ", stdout);
    PrintWords(status);
    putchar('\n');
  }
  fputs("Content-Type: text/plain; charset=utf-8\n\n", stdout);

  for (int i = 0; i < argc; ++i) printf("argument %d: %s\n", i, argv[i]);
  for (char** variable = environ; *variable != NULL; ++variable) puts(*variable);

  size_t bytes = 0;
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, stdin)) > 0;) bytes += got;
  printf("the body has %zu bytes\n", bytes);
  return fflush(stdout) == 0 && !ferror(stdin) && !ferror(stdout) ? 0 : 1;
}
