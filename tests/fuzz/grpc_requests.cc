#include <array>
#include <vector>

#include "fuzz/http2_peer.h"
#include "fuzz/input.h"
#include "grpc/framing.h"
#include "wasmoor/grpc/server.h"

namespace wasmoor::fuzz {
namespace {

// Small, so that the limits are met.
constexpr size_t kMostBytes = 4096;

// Answers at once, later, or never.
class Service : public grpc::Service {
 public:
  Service() : grpc::Service("a.S") {}
  void Call(std::string_view method, std::string_view message, const grpc::CallInfo& info,
            grpc::RawReply reply) override {
    CHECK(message.size() <= kMostBytes);
    if (method == "echo") return reply(message);
    if (method == "keep") return kept.push_back(std::move(reply));
    if (method == "gone") {
      reply.OnGone([this] { ++forgotten; });
      return kept.push_back(std::move(reply));
    }
    if (method == "drop") return;
    grpc::Unimplemented(info, std::move(reply));
  }

  std::vector<grpc::RawReply> kept;
  size_t forgotten = 0;
};

void SayRequest(Input& input, uint32_t stream, Http2Peer& peer) {
  constexpr std::array<std::string_view, 7> kPaths = {
      "/a.S/echo", "/a.S/keep", "/a.S/gone", "/a.S/drop", "/a.S/none", "/b/x", ""};
  constexpr std::array<std::string_view, 4> kTypes = {"application/grpc", "application/grpc+proto",
                                                      "application/grpc-web", "text/plain"};
  const auto what = input.Take<uint8_t>();
  std::string block;
  Http2Peer::Add(&block, ":method", what % 16 == 15 ? "GET" : "POST");
  Http2Peer::Add(&block, ":scheme", "http");
  Http2Peer::Add(&block, ":path", kPaths[input.Take<uint8_t>() % kPaths.size()]);
  Http2Peer::Add(&block, "content-type", kTypes[what % 16 < 12 ? 0 : what % kTypes.size()]);
  if (what >= 0x80) Http2Peer::Add(&block, "grpc-timeout", input.TakeLine());
  if (what >= 0xc0) Http2Peer::Add(&block, "a-bin", input.TakeLine());
  const bool whole = what % 32 != 31;
  peer.SayFrame(NGHTTP2_HEADERS, whole ? NGHTTP2_FLAG_END_HEADERS : 0, stream, block);
  if (!whole) return;
  const std::string_view message = TextOf(input.TakeBytes(input.Take<uint8_t>() * 4));
  peer.SayFrame(NGHTTP2_DATA, input.Take<uint8_t>() % 8 == 7 ? 0 : NGHTTP2_FLAG_END_STREAM, stream,
                grpc::WithPrefix(message));
}

void Answer(Input& input, std::vector<grpc::RawReply>* kept) {
  if (kept->empty()) return;
  grpc::RawReply& reply = (*kept)[input.Take<uint8_t>() % kept->size()];
  const auto how = input.Take<uint8_t>();
  if (how % 2 == 0) return reply(std::string(how * 1024u, 'x'));
  reply(Error(static_cast<Code>(1 + how % 16), input.TakeLine()));
}

void Step(Input& input, uint32_t* stream, Service* service, Http2Peer& peer) {
  switch (input.Take<uint8_t>() % 10) {
    case 0: return peer.Say(TextOf(input.TakeBytes(input.Take<uint8_t>())));
    case 1: return SayRequest(input, *stream += 2, peer);
    case 2: return SayRequest(input, input.Take<uint8_t>(), peer);
    case 3: {
      const auto head = input.Take<std::array<uint8_t, 3>>();
      return peer.SayFrame(head[0] % 12, head[1], head[2],
                           TextOf(input.TakeBytes(input.Take<uint8_t>() * 4)));
    }
    case 4: return peer.SayNumber(NGHTTP2_RST_STREAM, input.Take<uint8_t>(), NGHTTP2_CANCEL);
    case 5:
      return peer.SayNumber(NGHTTP2_WINDOW_UPDATE, input.Take<uint8_t>(), input.Take<uint32_t>());
    case 6: return Answer(input, &service->kept);
    case 7: return service->kept.clear();
    default: return peer.Understand();
  }
}

}  // namespace

// Steps of a client: each is a byte for what it does, and what that takes.
void GrpcRequests(Bytes bytes) {
  Input input(bytes);
  const auto loop = std::move(*loop::Loop::Create());
  Service service;
  grpc::Server server(*loop, {.peers = grpc::Peers::kAny, .most_bytes = kMostBytes});
  CHECK(server.Add(service));
  Http2Peer peer;
  CHECK(server.Adopt(std::move(peer.theirs)));
  const auto manners = input.Take<uint8_t>();
  if (manners % 8 != 7) {
    peer.Say(Http2Peer::kPreface);
    peer.SayFrame(NGHTTP2_SETTINGS, 0, 0, TextOf(input.TakeBytes(manners / 8 % 3 * 6)));
  }
  // The first is 1.
  for (auto stream = static_cast<uint32_t>(-1); !input.empty();) {
    Step(input, &stream, &service, peer);
    if (input.Take<uint8_t>() % 2 == 0) Settle(*loop);
  }
  CheckReplies(*loop, server, service.kept, peer);
}

}  // namespace wasmoor::fuzz
