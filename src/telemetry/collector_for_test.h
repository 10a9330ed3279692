#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "support/child.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::telemetry {

// A collector of OTLP: a server of Python's own library in a process of its own, which answers the
// first requests as its plan says and the others with 200. The words of a plan: a status;
// "503:1", with Retry-After; "partial", which refuses one span; "close", hangs up in the middle of
// its answer; "hang", never answers; "big", more than anybody wants; "garbage"; "bye", 200 and
// hangs up without having said so.
class Collector {
 public:
  explicit Collector(const std::string& plan, uint16_t port = 0)
      : pipe_(MakePipe()), child_([&] {
          ::dup2(pipe_[1].get(), STDOUT_FILENO);
          const std::string number = std::to_string(port);
          ::execlp("python3", "python3", "-B", "-c", kScript, plan.c_str(), number.c_str(),
                   nullptr);
          return 127;
        }) {
    pipe_[1].Close();
  }

  // What it tells of itself and of each request, a line each, as far as it is read.
  struct Request {
    std::string path;
    int client = 0;  // The port it came from: the connection.
    nlohmann::json headers, body;
  };
  uint16_t port(loop::Loop& loop) {
    Until(loop, [this] { return port_.has_value(); });
    return port_.value_or(0);
  }
  const std::vector<Request>& requests() const { return requests_; }

  // Serves the loop until `over`, or until nothing can be hoped for any more.
  void Until(loop::Loop& loop, const std::function<bool()>& over) {
    constexpr std::chrono::seconds kPatience{20};
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!over() && std::chrono::steady_clock::now() < end) {
      loop.RunOnce(std::chrono::milliseconds(5));
      ReadLines();
    }
    EXPECT_TRUE(over()) << "waited for in vain; requests so far: " << requests_.size();
  }

 private:
  static constexpr const char* kScript = R"py(
import http.server, json, socket, sys, threading
plan = [word for word in sys.argv[1].split(",") if word]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(json.dumps({"path": self.path, "client": self.client_address[1],
                          "headers": {k.lower(): v for k, v in self.headers.items()},
                          "body": json.loads(body)}), flush=True)
        word = plan.pop(0) if plan else "200"
        if word == "hang":
            threading.Event().wait()
        if word == "close":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            self.close_connection = True
            return
        if word == "garbage":
            self.wfile.write(b"+OK nothing of HTTP\r\n\r\n" * 10)
            self.close_connection = True
            return
        status, _, pause = word.partition(":")
        text = b"{}"
        if word == "partial":
            text = b'{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}'
        if word == "big":
            text = b"x" * (1 << 20)
        self.send_response(int(status) if status.isdigit() else 200)
        if pause:
            self.send_header("Retry-After", pause)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = word == "bye"
    def log_message(self, *args):
        pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    def handle_error(self, request, client_address):
        pass
server = Server(("127.0.0.1", int(sys.argv[2])), Handler)
print(json.dumps({"port": server.server_address[1]}), flush=True)
server.serve_forever()
)py";

  static std::array<os::Fd, 2> MakePipe() {
    std::array<int, 2> ends = {-1, -1};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return {os::Fd(ends[0]), os::Fd(ends[1])};
  }

  void ReadLines() {
    std::array<char, 65536> part;
    for (ssize_t size = 0; (size = ::read(pipe_[0].get(), part.data(), part.size())) > 0;)
      text_.append(part.data(), size);
    for (size_t end = 0; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1)) {
      const auto line = nlohmann::json::parse(text_.substr(0, end), nullptr, false);
      if (line.contains("port")) {
        port_ = line["port"].get<uint16_t>();
      } else {
        requests_.push_back({line["path"].get<std::string>(), line["client"].get<int>(),
                             line["headers"], line["body"]});
      }
    }
  }

  std::array<os::Fd, 2> pipe_;
  test::Child child_;
  std::string text_;
  std::optional<uint16_t> port_;
  std::vector<Request> requests_;
};

}  // namespace wasmoor::telemetry
