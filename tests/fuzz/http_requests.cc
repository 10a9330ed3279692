#include <fcntl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "fuzz/http2_peer.h"
#include "fuzz/input.h"
#include "wasmoor/http/server.h"

namespace wasmoor::fuzz {
namespace {

// Small, so that the limits are met.
constexpr http::Limits kLimits = {.head_bytes = 2048, .body_bytes = 4096, .streams = 4};
constexpr unsigned kOk = 200;
constexpr size_t kBig = 200'000;

class Work;

// Sees to it that what reaches it could be said again to anybody, and be understood the same.
class Handler : public http::Handler {
 public:
  std::unique_ptr<http::Work> Begin(const http::Head& head, http::Exchange& exchange) override;

  static void Check(const http::Head& head) {
    CHECK(!head.method.empty() && !head.target.empty());
    for (const char byte : head.method) CHECK(byte > ' ' && byte < 0x7f && byte != ':');
    for (const char byte : head.target) CHECK(static_cast<uint8_t>(byte) > ' ' && byte != 0x7f);
    CheckFields(head.fields);
    size_t hosts = 0, ends = 0;
    for (const http::Field& one : head.fields) {
      hosts += Is(one.name, "host");
      ends += Is(one.name, "content-length") + Is(one.name, "transfer-encoding");
    }
    CHECK(hosts <= 1 && ends <= 1);
  }
  static void CheckFields(http::Fields fields) {
    size_t size = 0;
    for (const http::Field& one : fields) {
      CHECK(!one.name.empty());
      for (const char byte : one.name) CHECK(byte > ' ' && byte < 0x7f && byte != ':');
      for (const char byte : one.value) CHECK(byte != '\r' && byte != '\n' && byte != '\0');
      size += one.name.size() + one.value.size();
    }
    CHECK(size <= kLimits.head_bytes);
  }

  std::vector<Work*> kept;
  size_t alive = 0;

 private:
  static bool Is(std::string_view name, std::string_view known) {
    return std::equal(name.begin(), name.end(), known.begin(), known.end(),
                      [](char a, char b) { return (a | 0x20) == (b | 0x20); });
  }
};

// Answers by what its target begins with.
class Work : public http::Work {
 public:
  Work(Handler& handler, const http::Head& head, http::Exchange& exchange)
      : handler_(handler), kind_(head.target.size() < 2 ? 0 : head.target[1]), exchange_(exchange) {
    ++handler.alive;
  }
  ~Work() override {
    --handler_.alive;
    std::erase(handler_.kept, this);
  }

  void Run() override {
    switch (kind_) {
      case 'k': return handler_.kept.push_back(this);
      case 'w': return exchange_.ReadBody();
      case 'e': exchange_.Respond(kOk, {}); return exchange_.ReadBody();
      case 'b': exchange_.Respond(kOk, {}); return OnWritable();
      case 'l': return Answer(std::array{http::Field{"content-length", "3"}}, "four", {});
      case 't': return Answer({}, "", std::array{http::Field{"x-t", "1"}});
      case 'a': exchange_.Respond(kOk, {}); return exchange_.Abort();
      default: return Answer({}, "hello", {});
    }
  }
  void OnBody(std::string_view part) override {
    CHECK(!part.empty() && !over_);
    read_ += part.size();
    CHECK(read_ <= kLimits.body_bytes);
    if (kind_ == 'e') exchange_.Write(part);
    exchange_.ReadBody();
  }
  void OnBodyEnd(http::Fields trailers) override {
    CHECK(!std::exchange(over_, true));
    Handler::CheckFields(trailers);
    if (!exchange_.responded()) return Answer({}, "read", {});
    exchange_.Finish(std::array{http::Field{"x-t", "1"}});
  }
  void OnBodyBroken() override {
    CHECK(!std::exchange(over_, true));
    exchange_.Abort();
  }
  void OnWritable() override {
    while (exchange_.CanWrite() && written_ < kBig) {
      exchange_.Write(std::string(5000, 'x'));
      written_ += 5000;
    }
    if (written_ >= kBig) exchange_.Finish({});
  }

  void AnswerNow() {
    Answer({}, "kept", {});
    exchange_.Flush();
  }

 private:
  void Answer(http::Fields fields, std::string_view body, http::Fields trailers) {
    exchange_.Respond(kOk, fields);
    exchange_.Write(body);
    exchange_.Finish(trailers);
  }

  Handler& handler_;
  const char kind_;
  http::Exchange& exchange_;
  size_t read_ = 0, written_ = 0;
  bool over_ = false;
};

std::unique_ptr<http::Work> Handler::Begin(const http::Head& head, http::Exchange& exchange) {
  Check(head);
  return std::make_unique<Work>(*this, head, exchange);
}

// A server with one client, which leaves nothing behind.
template <typename Client>
struct Scene {
  Scene() : server(*loop, handler, kLimits) {
    CHECK(::fcntl(peer.theirs.get(), F_SETFL, O_NONBLOCK) == 0);
    server.Serve(std::move(peer.theirs));
  }
  void AnswerOne() {
    if (!handler.kept.empty()) {
      Work* const one = handler.kept.back();
      handler.kept.pop_back();
      one->AnswerNow();
    }
  }
  void End() {
    peer.HangUp();
    Settle(*loop);
    CHECK(handler.alive == 0 && server.connections() == 0);
  }

  const std::unique_ptr<loop::Loop> loop = std::move(*loop::Loop::Create());
  Handler handler;
  http::Server server;
  Client peer;
};

void SayHead(Input& input, uint32_t stream, Http2Peer& peer) {
  constexpr std::array<std::string_view, 9> kPaths = {"/e", "/k", "/w", "/b", "/l",
                                                      "/t", "/a", "/",  "*"};
  constexpr std::array<std::string_view, 4> kMethods = {"GET", "POST", "HEAD", "OPTIONS"};
  const auto what = input.Take<uint8_t>();
  const auto flags = input.Take<uint8_t>();
  std::string block;
  Http2Peer::Add(&block, ":method", kMethods[what % kMethods.size()]);
  Http2Peer::Add(&block, ":scheme", "http");
  Http2Peer::Add(&block, ":authority", "x");
  Http2Peer::Add(&block, ":path",
                 what < 0xf0 ? kPaths[what / 4 % kPaths.size()] : input.TakeLine());
  for (int more = flags / 64; more > 0; --more) {
    const std::string name = input.TakeLine();
    Http2Peer::Add(&block, std::string_view(name).substr(0, 100), input.TakeLine());
  }
  const uint8_t end = flags % 2 == 0 ? NGHTTP2_FLAG_END_STREAM : 0;
  peer.SayFrame(NGHTTP2_HEADERS, end | (flags % 32 == 31 ? 0 : NGHTTP2_FLAG_END_HEADERS), stream,
                block);
}

void Step(Input& input, uint32_t* stream, Scene<Http2Peer>& scene) {
  Http2Peer& peer = scene.peer;
  switch (input.Take<uint8_t>() % 12) {
    case 0: return peer.Say(TextOf(input.TakeBytes(input.Take<uint8_t>())));
    case 1:
    case 2: return SayHead(input, *stream += 2, peer);
    case 3: return SayHead(input, input.Take<uint8_t>(), peer);
    case 4:
    case 5: {
      const auto which = input.Take<uint8_t>();
      const uint32_t id = which < 0x80 ? *stream : which;
      return peer.SayFrame(NGHTTP2_DATA, which % 2, id,
                           TextOf(input.TakeBytes(input.Take<uint8_t>() * 4)));
    }
    case 6: {
      const auto head = input.Take<std::array<uint8_t, 3>>();
      return peer.SayFrame(head[0] % 18, head[1], head[2],
                           TextOf(input.TakeBytes(input.Take<uint8_t>() * 4)));
    }
    case 7: return peer.SayNumber(NGHTTP2_RST_STREAM, input.Take<uint8_t>(), NGHTTP2_CANCEL);
    case 8:
      return peer.SayNumber(NGHTTP2_WINDOW_UPDATE, input.Take<uint8_t>(), input.Take<uint32_t>());
    case 9: return scene.AnswerOne();
    case 10: return scene.server.Drain([] {});
    default: return peer.Understand();
  }
}

}  // namespace

// What a client says, in pieces: a byte for how long each is. It may ask for HTTP/2, too.
void HttpRequests(Bytes bytes) {
  Input input(bytes);
  Scene<Peer> scene;
  std::string heard;
  while (!input.empty()) {
    const auto size = input.Take<uint8_t>();
    if (size == 0) {
      scene.AnswerOne();
    } else {
      scene.peer.Say(TextOf(input.TakeBytes(size == 0xff ? 4096 : size)));
    }
    Settle(*scene.loop);
    heard += scene.peer.Hear();
  }
  constexpr std::string_view kAnswer = "HTTP/1.1 ", kFrames = {"\0\0", 2};
  CHECK(heard.empty() || heard.starts_with(kAnswer) || heard.starts_with(kFrames));
  scene.End();
}

// Steps of a client of HTTP/2: each is a byte for what it does, and what that takes.
void Http2Requests(Bytes bytes) {
  Input input(bytes);
  Scene<Http2Peer> scene;
  const auto manners = input.Take<uint8_t>();
  scene.peer.Say(Http2Peer::kPreface);
  if (manners % 8 != 7)
    scene.peer.SayFrame(NGHTTP2_SETTINGS, 0, 0, TextOf(input.TakeBytes(manners / 8 % 3 * 6)));
  // The first is 1.
  for (auto stream = static_cast<uint32_t>(-1); !input.empty();) {
    Step(input, &stream, scene);
    if (input.Take<uint8_t>() % 2 == 0) Settle(*scene.loop);
  }
  Settle(*scene.loop);
  scene.peer.Understand();
  scene.End();
}

}  // namespace wasmoor::fuzz
