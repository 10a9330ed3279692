// serve [CONNECTIONS]: finds the listening socket among its descriptors, says so, and echoes what
// each connection sends until it ends; after CONNECTIONS (1) of them it stops.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wasi/api.h>

static int find_listener(void) {
  for (int fd = 3; fd < 64; fd++) {
    __wasi_fdstat_t info;
    if (__wasi_fd_fdstat_get(fd, &info) == 0 && info.fs_filetype == __WASI_FILETYPE_SOCKET_STREAM)
      return fd;
  }
  return -1;
}

static long long echo(int connection) {
  static char buffer[65536];
  long long bytes = 0;
  for (;;) {
    ssize_t length = recv(connection, buffer, sizeof(buffer), 0);
    if (length <= 0) return length < 0 ? -1 : bytes;
    for (ssize_t done = 0; done < length;) {
      ssize_t sent = send(connection, buffer + done, length - done, 0);
      if (sent < 0) return -1;
      done += sent;
    }
    bytes += length;
  }
}

int main(int argc, char** argv) {
  long connections = argc > 1 ? atol(argv[1]) : 1;
  int listener = find_listener();
  if (listener < 0) {
    fputs("serve: no descriptor is a stream socket\n", stderr);
    return 1;
  }
  printf("listening on descriptor %d\n", listener);
  fflush(stdout);
  while (connections > 0) {
    struct pollfd waiting = {.fd = listener, .events = POLLRDNORM};
    int connection = poll(&waiting, 1, -1) < 0 ? -1 : accept(listener, NULL, NULL);
    if (connection < 0) {
      if (errno == EAGAIN) continue;
      perror("accept");
      return 1;
    }
    printf("echoed %lld bytes\n", echo(connection));
    fflush(stdout);
    shutdown(connection, SHUT_RDWR);
    close(connection);
    connections--;
  }
  return 0;
}
