// Walks the directory given (".") and prints every entry: its kind, size and path, sorted by path.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char** lines;
static size_t line_count, line_capacity;

static void add_line(const char* path, char kind, long long size) {
  if (line_count == line_capacity) {
    line_capacity = line_capacity == 0 ? 64 : 2 * line_capacity;
    lines = realloc(lines, line_capacity * sizeof(*lines));
  }
  char* line = malloc(strlen(path) + 32);
  // The path comes first, for the sort; print_line puts it last.
  sprintf(line, "%s\n%c %lld", path, kind, size);
  lines[line_count++] = line;
}

static char kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return 'd';
  if (S_ISLNK(mode)) return 'l';
  return S_ISREG(mode) ? 'f' : '?';
}

static int walk(const char* path) {
  DIR* directory = opendir(path);
  if (directory == NULL) {
    fprintf(stderr, "walk: %s: %s\n", path, strerror(errno));
    return 1;
  }
  int status = 0;
  for (struct dirent* entry; (entry = readdir(directory)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char child[4096];
    snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
    struct stat info;
    if (lstat(child, &info) != 0) {
      fprintf(stderr, "walk: %s: %s\n", child, strerror(errno));
      status = 1;
      continue;
    }
    add_line(child, kind_of(info.st_mode), S_ISREG(info.st_mode) ? (long long)info.st_size : 0);
    if (S_ISDIR(info.st_mode)) status |= walk(child);
  }
  closedir(directory);
  return status;
}

static int compare(const void* a, const void* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}

int main(int argc, char** argv) {
  int status = walk(argc > 1 ? argv[1] : ".");
  qsort(lines, line_count, sizeof(*lines), compare);
  for (size_t i = 0; i < line_count; i++) {
    char* end = strchr(lines[i], '\n');
    printf("%s %.*s\n", end + 1, (int)(end - lines[i]), lines[i]);
  }
  return status;
}
