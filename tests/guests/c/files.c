// Does what programs do to files, in the directory given ("."), and leaves it as it was. Prints "ok
// NAME" for every step, and ends with status 1 at the first that does not do what POSIX says.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void step(const char* name, int holds) {
  if (!holds) {
    printf("FAILED %s (errno %d: %s)\n", name, errno, strerror(errno));
    exit(1);
  }
  printf("ok %s\n", name);
}

static long long size_of(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 ? (long long)info.st_size : -1;
}

static int entries(const char* path) {
  DIR* directory = opendir(path);
  int count = 0;
  if (directory == NULL) return -1;
  for (struct dirent* entry; (entry = readdir(directory)) != NULL;) {
    count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  }
  closedir(directory);
  return count;
}

static void content(void) {
  char text[32] = {0};
  int file = open("scratch/a", O_RDWR | O_CREAT | O_EXCL, 0644);
  step("create", file >= 0);
  step("exclusive", open("scratch/a", O_RDWR | O_CREAT | O_EXCL, 0644) < 0 && errno == EEXIST);
  step("write", write(file, "hello world", 11) == 11);
  step("pwrite", pwrite(file, "W", 1, 6) == 1);
  step("seek", lseek(file, 0, SEEK_SET) == 0);
  step("read", read(file, text, sizeof(text)) == 11 && strcmp(text, "hello World") == 0);
  step("end of file", read(file, text, sizeof(text)) == 0);
  step("pread", pread(file, text, 5, 6) == 5 && memcmp(text, "World", 5) == 0);
  step("seek from the end", lseek(file, -5, SEEK_END) == 6);
  step("truncate", ftruncate(file, 5) == 0 && size_of("scratch/a") == 5);
  step("sync", fsync(file) == 0 && fdatasync(file) == 0);
  step("close", close(file) == 0);
  step("closed is closed", write(file, "x", 1) < 0 && errno == EBADF);
  file = open("scratch/a", O_WRONLY | O_APPEND);
  step("append",
       file >= 0 && write(file, "!", 1) == 1 && close(file) == 0 && size_of("scratch/a") == 6);
  file = open("scratch/a", O_RDONLY);
  step("read-only stays so", file >= 0 && write(file, "x", 1) < 0 && close(file) == 0);
}

static void times(void) {
  struct timespec set[2] = {{1000000000, 0}, {1234567890, 500}};
  struct stat info;
  step("set times", utimensat(AT_FDCWD, "scratch/a", set, 0) == 0);
  step("times are set", stat("scratch/a", &info) == 0 && info.st_mtim.tv_sec == 1234567890 &&
                            info.st_atim.tv_sec == 1000000000);
}

static void names(void) {
  char target[64] = {0};
  struct stat info, other;
  step("rename", rename("scratch/a", "scratch/b") == 0 && size_of("scratch/a") < 0);
  step("link", link("scratch/b", "scratch/c") == 0);
  step("same inode", stat("scratch/b", &info) == 0 && stat("scratch/c", &other) == 0 &&
                         info.st_ino == other.st_ino && info.st_nlink == 2);
  step("symlink", symlink("b", "scratch/s") == 0);
  step("readlink", readlink("scratch/s", target, sizeof(target)) == 1 && target[0] == 'b');
  step("lstat", lstat("scratch/s", &info) == 0 && S_ISLNK(info.st_mode));
  step("stat follows", stat("scratch/s", &info) == 0 && S_ISREG(info.st_mode));
  step("no follow", open("scratch/s", O_RDONLY | O_NOFOLLOW) < 0 && errno == ELOOP);
  step("mkdir", mkdir("scratch/d", 0755) == 0 && mkdir("scratch/d", 0755) < 0 && errno == EEXIST);
  step("rename into", rename("scratch/c", "scratch/d/c") == 0);
  step("readdir", entries("scratch") == 3 && entries("scratch/d") == 1);
  step("not empty", rmdir("scratch/d") < 0 && errno == ENOTEMPTY);
  step("not a directory", open("scratch/b/x", O_RDONLY) < 0 && errno == ENOTDIR);
  step("absent", open("scratch/nothing", O_RDONLY) < 0 && errno == ENOENT);
  step("outside", open("../outside", O_RDONLY) < 0);
}

static void removal(void) {
  step("unlink",
       unlink("scratch/d/c") == 0 && unlink("scratch/s") == 0 && unlink("scratch/b") == 0);
  step("rmdir", rmdir("scratch/d") == 0 && rmdir("scratch") == 0 && size_of("scratch") < 0);
}

int main(int argc, char** argv) {
  step("chdir", argc < 2 || chdir(argv[1]) == 0);
  step("scratch", mkdir("scratch", 0755) == 0);
  content();
  times();
  names();
  removal();
  puts("files: all ok");
  return 0;
}
