// Tries names on the directory that is descriptor 3 which no C library lets through, or which are
// at a limit, and says of each what came of it: "ok", or the errno of WASI as its number.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

static const __wasi_fd_t kRoot = 3;
static const __wasi_rights_t kReading = __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_READDIR;

static void tell(const char* what, __wasi_errno_t error) {
  if (error == 0) {
    printf("%s: ok\n", what);
  } else {
    printf("%s: errno %d\n", what, error);
  }
}

// The raw call: libc's takes a terminated string, whose length it counts itself.
int32_t open_raw(int32_t fd, int32_t look, const char* path, int32_t length, int32_t create,
                 int64_t rights, int64_t inheriting, int32_t flags, __wasi_fd_t* opened)
    __attribute__((__import_module__("wasi_snapshot_preview1"), __import_name__("path_open")));

static __wasi_errno_t try_open(const char* path, size_t length, __wasi_oflags_t create) {
  __wasi_fd_t opened;
  __wasi_errno_t error = open_raw(kRoot, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, (int32_t)length,
                                  create, (int64_t)kReading, (int64_t)kReading, 0, &opened);
  if (error == 0) error = __wasi_fd_close(opened);
  return error;
}

static char* repeat(const char* piece, size_t times) {
  char* text = malloc(times * strlen(piece) + 1);
  text[0] = '\0';
  for (size_t i = 0; i < times; i++) memcpy(text + i * strlen(piece), piece, strlen(piece) + 1);
  return text;
}

static void open_name(const char* what, const char* path) {
  tell(what, try_open(path, strlen(path), 0));
}

static void escapes(void) {
  open_name("absolute", "/etc/passwd");
  open_name("parent", "..");
  open_name("parent of a folder's parent", "folder/../../secret");
  open_name("up and back", "folder/../file");
  open_name("proc", "/proc/self/fd/0");
  open_name("link to absolute", "to-absolute");
  open_name("link to parent", "to-parent");
  open_name("link to proc", "to-proc/self/root/etc/passwd");
  open_name("magic link", "to-fd");
  open_name("link to itself", "to-itself");
  open_name("link that stays inside", "to-file");
  open_name("through a file", "file/../file");
}

static void shapes(void) {
  tell("NUL inside", try_open("file\0.txt", 9, 0));
  tell("NUL at the end", try_open("file\0", 5, 0));
  tell("no name", try_open("", 0, 0));
  tell("not UTF-8", try_open("\xff\xfe", 2, __WASI_OFLAGS_CREAT));
  tell("newline", try_open("new\nline", 8, __WASI_OFLAGS_CREAT));
  open_name("255 bytes", repeat("n", 255));
  open_name("256 bytes", repeat("n", 256));
  open_name("4096 bytes", repeat("n", 4096));
  open_name("4094 bytes of path", strcat(repeat("./", 2045), "file"));
  open_name("a mebibyte of path", repeat("./", 512 * 1024));
  open_name("slashes at the end of a folder", "folder///");
  open_name("slash at the end of a file", "file/");
}

static void links(void) {
  tell("make an absolute link", __wasi_path_symlink("/etc/passwd", kRoot, "made-absolute"));
  open_name("follow it", "made-absolute");
  tell("make a link to the parent", __wasi_path_symlink("../secret", kRoot, "made-parent"));
  open_name("follow it", "made-parent");
  tell("hard link to outside", __wasi_path_link(kRoot, 0, "../secret", kRoot, "stolen"));
  tell("hard link through a link",
       __wasi_path_link(kRoot, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "to-parent", kRoot, "stolen"));
  open_name("what was linked", "stolen");
  tell("rename to outside", __wasi_path_rename(kRoot, "file", kRoot, "../stolen"));
  tell("rename from outside", __wasi_path_rename(kRoot, "../secret", kRoot, "stolen"));
  tell("unlink outside", __wasi_path_unlink_file(kRoot, "../secret"));
  tell("make a directory outside", __wasi_path_create_directory(kRoot, "../made"));
  tell("remove itself", __wasi_path_remove_directory(kRoot, "."));
}

// Directories in directories, each made by its parent's descriptor as long as that goes.
static void nest(int depth) {
  __wasi_fd_t at = kRoot;
  int made = 0;
  __wasi_errno_t error = 0;
  for (; made < depth && error == 0; made++) {
    __wasi_fd_t next = 0;
    __wasi_rights_t all = kReading | __WASI_RIGHTS_PATH_CREATE_DIRECTORY | __WASI_RIGHTS_PATH_OPEN;
    error = __wasi_path_create_directory(at, "nested");
    if (error == 0)
      error = __wasi_path_open(at, 0, "nested", __WASI_OFLAGS_DIRECTORY, all, all, 0, &next);
    if (at != kRoot && __wasi_fd_close(at) != 0) error = __WASI_ERRNO_BADF;
    at = next;
  }
  printf("%d directories deep: %s\n", made, error == 0 ? "ok" : "refused");
  char* out = malloc((size_t)depth * 3 + 16);
  out[0] = '\0';
  for (int i = 0; i < depth + 1; i++) strcat(out, "../");
  __wasi_fd_t opened;
  error = __wasi_path_open(at, 0, strcat(out, "secret"), 0, kReading, 0, 0, &opened);
  tell("out of the deepest", error);
}

int main(void) {
  escapes();
  shapes();
  links();
  nest(200);
  return 0;
}
