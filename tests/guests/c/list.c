// list DIR [TIMES]: reads the directory from start to end and prints how many entries it has, . and
// .. not counted, and how many bytes their names have together.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char** argv) {
  if (argc < 2) {
    fputs("usage: list DIR [TIMES]\n", stderr);
    return 2;
  }
  long times = argc > 2 ? atol(argv[2]) : 1;
  long entries = 0, bytes = 0;
  for (long turn = 0; turn < times; turn++) {
    DIR* directory = opendir(argv[1]);
    if (directory == NULL) {
      perror(argv[1]);
      return 1;
    }
    for (struct dirent* entry; (entry = readdir(directory)) != NULL;) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      entries++;
      bytes += (long)strlen(entry->d_name);
    }
    closedir(directory);
  }
  printf("%ld entries, %ld bytes\n", entries, bytes);
  return 0;
}
