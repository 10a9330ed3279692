#include <nghttp2/nghttp2.h>

#include <array>
#include <vector>

#include "fuzz/input.h"
#include "fuzz/peer.h"
#include "grpc/framing.h"
#include "wasmoor/grpc/server.h"

namespace wasmoor::fuzz {
namespace {

// Small, so that the limits are met.
constexpr size_t kMostBytes = 4096;
constexpr size_t kHead = 9;              // Of a frame: RFC 9113, section 4.1.
constexpr size_t kLongestFrame = 16384;  // Unless a client allows more, which none has to be sent.
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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

// Says frames, sound ones and others, and understands all that it hears.
class GrpcPeer : public Peer {
 public:
  GrpcPeer() { CHECK(nghttp2_hd_inflate_new(&inflater_) == 0); }
  GrpcPeer(const GrpcPeer&) = delete;
  GrpcPeer& operator=(const GrpcPeer&) = delete;
  ~GrpcPeer() { nghttp2_hd_inflate_del(inflater_); }

  void SayFrame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
    std::string frame =
        Number(payload.size(), 3) + Number(type, 1) + Number(flags, 1) + Number(stream, 4);
    Say(frame.append(payload));
  }
  void SayNumber(uint8_t type, uint32_t stream, uint32_t number) {
    SayFrame(type, 0, stream, Number(number, 4));
  }
  // Literals without a place in the table (RFC 7541, section 6.2.2).
  static void Add(std::string* block, std::string_view name, std::string_view value) {
    constexpr size_t kOneByte = 126;
    for (const std::string_view text : {name, value.substr(0, kOneByte)}) {
      if (text.data() == name.data()) *block += '\0';
      *block += static_cast<char>(text.size());
      *block += text;
    }
  }

  void Understand() {
    heard_ += Hear();
    while (heard_.size() >= kHead) {
      const size_t size = NumberAt(0, 3);
      CHECK(size <= kLongestFrame);
      if (heard_.size() < kHead + size) return;
      const auto type = static_cast<uint8_t>(heard_[3]);
      CHECK(type <= NGHTTP2_CONTINUATION && type != NGHTTP2_PUSH_PROMISE);
      // Streams are the client's.
      const uint32_t stream = NumberAt(5, 4);
      const bool of_stream = type == NGHTTP2_DATA || type == NGHTTP2_HEADERS;
      CHECK(!of_stream || stream % 2 == 1);
      if (type == NGHTTP2_HEADERS) Inflate(std::string_view(heard_).substr(kHead, size));
      heard_.erase(0, kHead + size);
    }
  }

 private:
  static std::string Number(size_t value, int bytes) {
    std::string text;
    while (bytes-- > 0) text += static_cast<char>(value >> bytes * 8 & 0xff);
    return text;
  }
  uint32_t NumberAt(size_t begin, size_t bytes) const {
    uint32_t value = 0;
    for (const char byte : heard_.substr(begin, bytes))
      value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }

  void Inflate(std::string_view block) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(block.data());
    for (size_t left = block.size();;) {
      nghttp2_nv field;
      int flags = 0;
      const ssize_t taken = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, bytes, left, 1);
      CHECK(taken >= 0);
      bytes += taken;
      left -= static_cast<size_t>(taken);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) CheckField(field);
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    CHECK(nghttp2_hd_inflate_end_headers(inflater_) == 0);
  }
  // Nothing of what a client said comes back but as printable text.
  static void CheckField(const nghttp2_nv& field) {
    for (size_t i = 0; i < field.valuelen; ++i)
      CHECK(field.value[i] >= ' ' && field.value[i] < 0x7f);
  }

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string heard_;
};

void SayRequest(Input& input, uint32_t stream, GrpcPeer& peer) {
  constexpr std::array<std::string_view, 7> kPaths = {
      "/a.S/echo", "/a.S/keep", "/a.S/gone", "/a.S/drop", "/a.S/none", "/b/x", ""};
  constexpr std::array<std::string_view, 4> kTypes = {"application/grpc", "application/grpc+proto",
                                                      "application/grpc-web", "text/plain"};
  const auto what = input.Take<uint8_t>();
  std::string block;
  GrpcPeer::Add(&block, ":method", what % 16 == 15 ? "GET" : "POST");
  GrpcPeer::Add(&block, ":scheme", "http");
  GrpcPeer::Add(&block, ":path", kPaths[input.Take<uint8_t>() % kPaths.size()]);
  GrpcPeer::Add(&block, "content-type", kTypes[what % 16 < 12 ? 0 : what % kTypes.size()]);
  if (what >= 0x80) GrpcPeer::Add(&block, "grpc-timeout", input.TakeLine());
  if (what >= 0xc0) GrpcPeer::Add(&block, "a-bin", input.TakeLine());
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

void Step(Input& input, uint32_t* stream, Service* service, GrpcPeer& peer) {
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
  GrpcPeer peer;
  CHECK(server.Adopt(std::move(peer.theirs)));
  const auto manners = input.Take<uint8_t>();
  if (manners % 8 != 7) {
    peer.Say(kPreface);
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
