// alter DIR: tries every operation that changes something below DIR, in which there is a file
// "file" and an empty directory "folder", and says of each what came of it: "ok", or errno's text.
// Then it reads them, which changes nothing.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tell(const char* operation, int result) {
  printf("%s: %s\n", operation, result >= 0 ? "ok" : strerror(errno));
  if (result > 2) close(result);
}

// A file that opens for writing without the right to write is not altered yet.
static int write_with(int flags) {
  int file = open("file", flags);
  if (file >= 0 && write(file, "x", 1) != 1) {
    close(file);
    return -1;
  }
  return file;
}

static int list(void) {
  DIR* directory = opendir(".");
  if (directory == NULL) return -1;
  int found = readdir(directory) != NULL;
  closedir(directory);
  return found ? 0 : -1;
}

static int read_file(void) {
  char text[16];
  int file = open("file", O_RDONLY);
  return file < 0 || read(file, text, sizeof(text)) < 0 ? -1 : file;
}

int main(int argc, char** argv) {
  if (argc < 2 || chdir(argv[1]) != 0) {
    perror("alter");
    return 2;
  }
  const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
  tell("create", open("new", O_WRONLY | O_CREAT | O_EXCL, 0644));
  tell("write", write_with(O_WRONLY));
  tell("read and write", write_with(O_RDWR));
  tell("append", write_with(O_WRONLY | O_APPEND));
  tell("truncate", open("file", O_WRONLY | O_TRUNC));
  tell("set times", utimensat(AT_FDCWD, "file", times, 0));
  tell("make a directory", mkdir("made", 0755));
  tell("link", link("file", "linked"));
  tell("link symbolically", symlink("file", "symbolic"));
  tell("rename", rename("file", "renamed"));
  tell("unlink", unlink("renamed") == 0 || unlink("file") == 0 ? 0 : -1);
  tell("remove a directory", rmdir("folder"));
  tell("list", list());
  tell("read", read_file());
  return 0;
}
