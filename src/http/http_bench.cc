// What a request costs that is answered at once, on a socket pair within one thread: parser,
// response, event loop, system calls of both ends, and in HTTP/2 the frames.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "bench/support.h"
#include "wasmoor/base/check.h"
#include "wasmoor/http/server.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::http {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kRequest =
    "GET /hello?name=value HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench/1\r\nAccept: "
    "*/*\r\n\r\n";
constexpr std::string_view kBody = "hello\n";

class Hello : public Work {
 public:
  explicit Hello(Exchange& exchange) : exchange_(exchange) {}
  void Run() override {
    constexpr std::array kFields = {Field{"content-type", "text/plain"}};
    exchange_.Respond(200, kFields);
    exchange_.Write(kBody);
    exchange_.Finish({});
  }
  void OnBody(std::string_view) override {}
  void OnBodyEnd(Fields) override {}
  void OnBodyBroken() override {}
  void OnWritable() override {}

 private:
  Exchange& exchange_;
};

class Greeter : public Handler {
 public:
  std::unique_ptr<Work> Begin(const Head&, Exchange& exchange) override {
    return std::make_unique<Hello>(exchange);
  }
};

// A server with one client.
class Pair {
 public:
  Pair() : server_(*loop_, greeter_, {}) {
    std::array<int, 2> ends;
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    server_.Serve(os::Fd(ends[0]));
    client_ = os::Fd(ends[1]);
  }

  void Say(std::string_view bytes) {
    CHECK(::send(client_.get(), bytes.data(), bytes.size(), 0) ==
          static_cast<ssize_t>(bytes.size()));
  }
  // Until so many bodies of answers have come.
  void Hear(size_t bodies) {
    heard_.clear();
    for (size_t found = 0, at = 0; found < bodies;) {
      loop_->RunOnce(100ms);
      const ssize_t size = ::recv(client_.get(), buffer_.data(), buffer_.size(), 0);
      if (size <= 0) continue;
      heard_.append(buffer_.data(), static_cast<size_t>(size));
      for (size_t next = 0; (next = heard_.find(kBody, at)) != std::string::npos; ++found)
        at = next + kBody.size();
    }
  }

 private:
  const std::unique_ptr<loop::Loop> loop_ = bench::Must(loop::Loop::Create());
  Greeter greeter_;
  Server server_;
  os::Fd client_;
  std::array<char, 65536> buffer_;
  std::string heard_;
};

void AnswerHttp1(benchmark::State& state, size_t at_once) {
  Pair pair;
  std::string requests;
  for (size_t i = 0; i < at_once; ++i) requests += kRequest;
  for (auto _ : state) {
    pair.Say(requests);
    pair.Hear(at_once);
  }
}

std::string Frame(char type, char flags, uint32_t stream, std::string_view payload) {
  std::string frame = {0, 0, static_cast<char>(payload.size()), type, flags};
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift & 0xff);
  return frame.append(payload);
}

void AnswerHttp2(benchmark::State& state, size_t at_once) {
  Pair pair;
  // A window of a gigabyte, which a batch of answers then makes up for.
  pair.Say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, "") +
           Frame(8, 0, 0, std::string("\x3f\0\0\0", 4)));
  // Fields of HPACK's own table and of ours, as a client that goes on asking says them.
  std::string head = std::string("\x82\x86") + "\x04\x11/hello?name=value" + "\x41\x0e" +
                     "127.0.0.1:8080" + "\x7a\x07" + "bench/1" + "\x53\x03*/*";
  uint32_t stream = 1;
  uint64_t sent = 0;
  for (auto _ : state) {
    std::string requests;
    for (size_t i = 0; i < at_once; ++i, stream += 2) {
      requests += Frame(1, 5, stream, head);
      // From the second on those are in the table.
      head = std::string("\x82\x86") + "\x04\x11/hello?name=value" + "\xc0\xbf\xbe";
    }
    sent += at_once * kBody.size();
    if (sent > 1 << 29) {
      requests += Frame(8, 0, 0, std::string("\x20\0\0\0", 4));
      sent = 0;
    }
    pair.Say(requests);
    pair.Hear(at_once);
  }
}

constexpr size_t kMany = 16;
void OneHttp1(benchmark::State& state) { AnswerHttp1(state, 1); }
void ManyHttp1(benchmark::State& state) { AnswerHttp1(state, kMany); }
void OneHttp2(benchmark::State& state) { AnswerHttp2(state, 1); }
void ManyHttp2(benchmark::State& state) { AnswerHttp2(state, kMany); }
BENCHMARK(OneHttp1)->Name("http_requests/1.1-one/wasmoor");
BENCHMARK(ManyHttp1)->Name("http_requests/1.1-sixteen/wasmoor");
BENCHMARK(OneHttp2)->Name("http_requests/2-one/wasmoor");
BENCHMARK(ManyHttp2)->Name("http_requests/2-sixteen/wasmoor");

}  // namespace
}  // namespace wasmoor::http
