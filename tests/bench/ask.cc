// ask [--times N] [--every MS] HOST:PORT PATH: asks an HTTP/1.1 server for PATH so many times (1),
// one after the other on one connection, so many milliseconds after the last answer; prints as one
// line of JSON how long each took, in nanoseconds from before the request is sent until the
// answer's first byte and its last have come. An answer that is no 200 ends it.
//
// A program of its own because an interpreter would take longer than what is measured.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000, kNanosecondsPerMillisecond = 1'000'000;

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "ask: %s\n", what.c_str());
  exit(1);
}

[[noreturn]] void DieOfErrno(const char* what) { Die(std::string(what) + ": " + strerror(errno)); }

int64_t Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosecondsPerSecond + now.tv_nsec;
}

void Sleep(int64_t milliseconds) {
  const int64_t wanted = milliseconds * kNanosecondsPerMillisecond;
  const timespec time = {wanted / kNanosecondsPerSecond, wanted % kNanosecondsPerSecond};
  nanosleep(&time, nullptr);
}

int Connect(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) Die("not of the form HOST:PORT: " + address);
  sockaddr_in server = {};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(atoi(address.c_str() + colon + 1)));
  if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &server.sin_addr) != 1) {
    Die("no IPv4 address: " + address);
  }
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connection < 0) DieOfErrno("socket");
  if (connect(connection, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) != 0) {
    DieOfErrno("connect");
  }
  const int yes = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  return connection;
}

// Is all of an answer there? By its length, or by the end of the last chunk; servers that close to
// end one are not asked.
bool IsWhole(const std::string& answer) {
  const size_t end = answer.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  std::string head = answer.substr(0, end + 2);
  for (char& letter : head) letter = static_cast<char>(tolower(letter));
  const size_t body = end + 4;
  constexpr char kLength[] = "\r\ncontent-length:";
  const size_t length = head.find(kLength);
  if (length != std::string::npos) {
    return answer.size() >= body + strtoull(&head[length + sizeof(kLength) - 1], nullptr, 10);
  }
  return answer.size() >= body + 5 && answer.ends_with("0\r\n\r\n");
}

struct Times {
  int64_t first = 0, last = 0;
};

Times Ask(int connection, const std::string& request) {
  const int64_t begun = Now();
  if (send(connection, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    DieOfErrno("send");
  }
  Times times;
  std::string answer;
  char part[16384];
  while (!IsWhole(answer)) {
    const ssize_t got = recv(connection, part, sizeof(part), 0);
    if (got < 0) DieOfErrno("recv");
    if (got == 0) Die("the server has closed the connection after: " + answer);
    if (answer.empty()) times.first = Now() - begun;
    answer.append(part, static_cast<size_t>(got));
  }
  times.last = Now() - begun;
  if (!answer.starts_with("HTTP/1.1 200")) Die("answered with: " + answer);
  return times;
}

void Print(const char* name, const std::vector<Times>& all, int64_t Times::* which) {
  printf("\"%s\": [", name);
  for (size_t i = 0; i < all.size(); ++i) printf("%s%ld", i > 0 ? ", " : "", all[i].*which);
  printf("]");
}

}  // namespace

int main(int argc, char** argv) {
  int64_t times = 1, every = 0;
  int next = 1;
  for (; next + 1 < argc && strncmp(argv[next], "--", 2) == 0; next += 2) {
    if (strcmp(argv[next], "--times") == 0) times = atol(argv[next + 1]);
    if (strcmp(argv[next], "--every") == 0) every = atol(argv[next + 1]);
  }
  if (next + 2 != argc) {
    fputs("usage: ask [--times N] [--every MS] HOST:PORT PATH\n", stderr);
    return 2;
  }
  const std::string address = argv[next];
  const std::string request =
      std::string("GET ") + argv[next + 1] + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n";
  const int connection = Connect(address);
  std::vector<Times> all;
  for (int64_t i = 0; i < times; ++i) {
    Sleep(every);  // Before the first one, too: a server that has just accepted is no quiet one.
    all.push_back(Ask(connection, request));
  }
  close(connection);
  printf("{");
  Print("first_ns", all, &Times::first);
  printf(", ");
  Print("last_ns", all, &Times::last);
  printf("}\n");
  return 0;
}
