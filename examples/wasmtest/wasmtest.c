// The program of the image docker.io/library/wasmtest:latest, with which an installation is tried:
// something to see, to wait for, to fail, to find in a file, and to stop. WASI 0.1.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kFailed = 1, kUsage = 2 };

static int Usage(void) {
  fputs(
      "usage: wasmtest                     prints \"Hello from wasm!\"\n"
      "       wasmtest echo WORD...        prints the words\n"
      "       wasmtest sleep SECONDS       waits\n"
      "       wasmtest exit STATUS         ends with the status, 0 to 255\n"
      "       wasmtest write FILE TEXT...  writes the text into the file\n"
      "       wasmtest daemon              prints a line every second until it is stopped\n",
      stderr);
  return kUsage;
}

// All of `text` as a number from 0 to `most`; -1 if it is none.
static long Number(const char* text, long most) {
  char* end = NULL;
  errno = 0;
  const long number = strtol(text, &end, 10);
  const int is_number = end != text && *end == '\0' && errno == 0 && number >= 0 && number <= most;
  if (!is_number) fprintf(stderr, "wasmtest: '%s': must be a number from 0 to %ld\n", text, most);
  return is_number ? number : -1;
}

static int Print(FILE* out, char** words, int count) {
  for (int i = 0; i < count; ++i) fprintf(out, "%s%s", i == 0 ? "" : " ", words[i]);
  fputc('\n', out);
  // What is still in the buffer can fail to be written, too.
  return fflush(out) == 0 && !ferror(out) ? 0 : kFailed;
}

static int Sleep(const char* text) {
  const long seconds = Number(text, 1000000);
  if (seconds < 0) return kUsage;
  return sleep((unsigned)seconds) == 0 ? 0 : kFailed;
}

static int Write(const char* path, char** words, int count) {
  FILE* file = fopen(path, "w");
  int status = file != NULL ? Print(file, words, count) : kFailed;
  if (file != NULL && fclose(file) != 0) status = kFailed;
  if (status != 0) fprintf(stderr, "wasmtest: %s: %s\n", path, strerror(errno));
  return status;
}

static int Daemon(void) {
  for (unsigned long second = 0;; ++second) {
    printf("wasmtest: alive for %lu s\n", second);
    if (fflush(stdout) != 0) return kFailed;
    sleep(1);
  }
}

int main(int argc, char** argv) {
  const char* command = argc > 1 ? argv[1] : "";
  char** words = argv + 2;
  const int count = argc - 2;
  if (argc <= 1) return puts("Hello from wasm!") >= 0 ? 0 : kFailed;
  if (strcmp(command, "echo") == 0) return Print(stdout, words, count);
  if (strcmp(command, "sleep") == 0 && count == 1) return Sleep(words[0]);
  if (strcmp(command, "write") == 0 && count >= 1) return Write(words[0], words + 1, count - 1);
  if (strcmp(command, "daemon") == 0 && count == 0) return Daemon();
  if (strcmp(command, "exit") == 0 && count == 1) {
    const long status = Number(words[0], 255);
    return status < 0 ? kUsage : (int)status;
  }
  return Usage();
}
