// A server without guests, for tests with clients of others and for measuring: answers "/bytes/N"
// with N bytes as they are taken, "/echo" with the body as it comes, "/trailers" with a trailer,
// "/never" not at all, and anything else with "hello". Prints where it listens, and drains at
// SIGTERM.
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>

#include "wasmoor/base/check.h"
#include "wasmoor/http/server.h"
#include "wasmoor/loop/acceptor.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::http {
namespace {

constexpr unsigned kOk = 200;
constexpr std::array kPlain = {Field{"content-type", "text/plain"}};

class Hello : public Work {
 public:
  explicit Hello(Exchange& exchange) : exchange_(exchange) {}
  void Run() override {
    exchange_.Respond(kOk, kPlain);
    exchange_.Write("hello\n");
    exchange_.Finish({});
  }
  void OnBody(std::string_view) override {}
  void OnBodyEnd(Fields) override {}
  void OnBodyBroken() override {}
  void OnWritable() override {}

 protected:
  Exchange& exchange_;
};

class Never : public Hello {
 public:
  using Hello::Hello;
  void Run() override {}
};

class Trailing : public Hello {
 public:
  using Hello::Hello;
  void Run() override {
    exchange_.Respond(kOk, kPlain);
    exchange_.Write("hello\n");
    exchange_.Finish(std::array{Field{"x-sum", "6"}});
  }
};

class Bytes : public Hello {
 public:
  Bytes(Exchange& exchange, size_t left) : Hello(exchange), left_(left) {}
  void Run() override {
    exchange_.Respond(kOk, kPlain);
    OnWritable();
  }
  void OnWritable() override {
    static const std::string part(16 << 10, 'x');
    while (left_ > 0 && exchange_.CanWrite()) {
      const size_t now = std::min(left_, part.size());
      exchange_.Write(std::string_view(part).substr(0, now));
      left_ -= now;
    }
    if (left_ == 0 && !std::exchange(finished_, true)) exchange_.Finish({});
  }

 private:
  size_t left_;
  bool finished_ = false;
};

class Echo : public Hello {
 public:
  using Hello::Hello;
  void Run() override {
    exchange_.Respond(kOk, kPlain);
    exchange_.ReadBody();
  }
  void OnBody(std::string_view part) override {
    exchange_.Write(part);
    if (exchange_.CanWrite()) {
      exchange_.ReadBody();
    } else {
      waits_ = true;
    }
  }
  void OnBodyEnd(Fields trailers) override { exchange_.Finish(trailers); }
  void OnBodyBroken() override { exchange_.Abort(); }
  void OnWritable() override {
    if (std::exchange(waits_, false)) exchange_.ReadBody();
  }

 private:
  bool waits_ = false;
};

class Answers : public Handler {
 public:
  std::unique_ptr<Work> Begin(const Head& head, Exchange& exchange) override {
    constexpr std::string_view kBytes = "/bytes/";
    if (head.target == "/echo") return std::make_unique<Echo>(exchange);
    if (head.target == "/never") return std::make_unique<Never>(exchange);
    if (head.target == "/trailers") return std::make_unique<Trailing>(exchange);
    if (!head.target.starts_with(kBytes)) return std::make_unique<Hello>(exchange);
    const std::string_view number = head.target.substr(kBytes.size());
    size_t size = 0;
    std::from_chars(number.data(), number.data() + number.size(), size);
    return std::make_unique<Bytes>(exchange, size);
  }
};

int Serve() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const os::Fd signalled(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  const auto loop = std::move(*loop::Loop::Create());
  Answers answers;
  Server server(*loop, answers, {});
  const auto listening = os::ListenTcp("127.0.0.1:0");
  CHECK(listening);
  auto acceptor = std::move(*loop::Acceptor::Create(
      *loop, *listening, [&](os::Fd one) { server.Serve(std::move(one)); }));
  loop::Source signal = std::move(*loop->Watch(signalled));
  signal.OnReadable([&] {
    signal.OnReadable(nullptr);
    acceptor.reset();
    server.Drain([&] { loop->Stop(); });
  });
  std::printf("%s\n", os::LocalAddress(*listening)->c_str());
  std::fflush(stdout);
  loop->Run();
  return 0;
}

}  // namespace
}  // namespace wasmoor::http

int main() { return wasmoor::http::Serve(); }
