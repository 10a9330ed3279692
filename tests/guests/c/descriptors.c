// Prints every descriptor that the program finds open when it starts: its number, its kind and, of
// a granted directory, its name. That is all that a guest is given beside arguments and
// environment.
#include <stdio.h>
#include <wasi/api.h>

enum { kMost = 4096 };

static const char* kind_of(__wasi_filetype_t type) {
  switch (type) {
    case __WASI_FILETYPE_DIRECTORY:
      return "directory";
    case __WASI_FILETYPE_REGULAR_FILE:
      return "file";
    case __WASI_FILETYPE_SOCKET_STREAM:
      return "socket";
    case __WASI_FILETYPE_CHARACTER_DEVICE:
      return "device";
    default:
      return "stream";
  }
}

int main(void) {
  for (__wasi_fd_t fd = 0; fd < kMost; fd++) {
    __wasi_fdstat_t info;
    if (__wasi_fd_fdstat_get(fd, &info) != 0) continue;
    printf("%u: %s", fd, kind_of(info.fs_filetype));
    __wasi_prestat_t granted;
    if (__wasi_fd_prestat_get(fd, &granted) == 0) {
      uint8_t name[256] = {0};
      size_t length = granted.u.dir.pr_name_len;
      if (length < sizeof(name) && __wasi_fd_prestat_dir_name(fd, name, length) == 0)
        printf(" %s", (const char*)name);
    }
    putchar('\n');
  }
  return 0;
}
