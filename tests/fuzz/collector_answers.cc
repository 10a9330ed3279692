#include <netinet/in.h>
#include <sys/socket.h>

#include "fuzz/input.h"
#include "fuzz/peer.h"
#include "telemetry/http_client.h"

namespace wasmoor::fuzz {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMostBody = 64 << 10;
constexpr auto kLong = 1h;  // Nobody waits for a deadline.

// A server on this machine, of one connection at a time, which says what it is told.
class Collector {
 public:
  Collector() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    CHECK(::bind(listening_.get(), any, size) == 0 && ::listen(listening_.get(), 8) == 0 &&
          ::getsockname(listening_.get(), any, &size) == 0);
    port_ = ntohs(address.sin_port);
  }

  uint16_t port() const { return port_; }

  void Accept() {
    os::Fd next(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!next.valid()) return;
    // Nothing of it stays in the kernel.
    const linger none = {.l_onoff = 1, .l_linger = 0};
    ::setsockopt(next.get(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    connection_ = std::move(next);
  }
  void Say(std::string_view bytes) {
    static_cast<void>(
        ::send(connection_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  void EndSaying() { ::shutdown(connection_.get(), SHUT_WR); }
  void Reset() { connection_.Close(); }

 private:
  os::Fd listening_, connection_;
  uint16_t port_ = 0;
};

void Post(telemetry::HttpClient& client, int* answered) {
  client.Post("{}", kLong, [answered](const Result<telemetry::Response>& response) {
    ++*answered;
    if (response)
      CHECK(response->status <= 999 && response->body.size() <= kMostBody);
    else
      CHECK(response.error().code() == Code::kUnavailable ||
            response.error().code() == Code::kInternal);
  });
}

}  // namespace

// Requests, as many as the first byte says, and what a collector says to them, in pieces.
void CollectorAnswers(Bytes bytes) {
  Input input(bytes);
  Collector collector;
  const auto loop = std::move(*loop::Loop::Create());
  telemetry::HttpClient client(*loop, {.host = "127.0.0.1", .port = collector.port()}, "");
  int asked = 0, answered = 0;
  for (int left = input.Take<uint8_t>() % 3; left >= 0; --left) {
    Post(client, &answered);
    ++asked;
    Settle(*loop);
    while (!input.empty() && answered < asked) {
      collector.Accept();
      switch (input.Take<uint8_t>() % 16) {
        case 0: collector.EndSaying(); break;
        case 1: collector.Reset(); break;
        default: collector.Say(TextOf(input.TakeBytes(1u + input.Take<uint8_t>())));
      }
      Settle(*loop);
    }
    // A connection that was lost may be followed by another.
    for (int round = 0; answered < asked && round < 100; ++round) {
      collector.Accept();
      collector.Reset();
      loop->RunOnce(10ms);
    }
    CHECK(answered == asked);
  }
}

}  // namespace wasmoor::fuzz
