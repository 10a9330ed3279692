#include <google/protobuf/message_lite.h>

#include <array>
#include <vector>

#include "fuzz/input.h"
#include "fuzz/peer.h"
#include "proto/ttrpc/ttrpc.pb.h"
#include "ttrpc/frame.h"
#include "wasmoor/ttrpc/client.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::fuzz {
namespace {

// Answers at once, later, or never.
class Service : public ttrpc::Service {
 public:
  Service() : ttrpc::Service("S") {}
  void Call(std::string_view method, std::string_view payload, const ttrpc::CallInfo& info,
            ttrpc::RawReply reply) override {
    if (method == "echo") return reply(payload);
    if (method == "keep") return kept.push_back(std::move(reply));
    if (method == "gone") return Forget(std::move(reply));
    if (method == "drop") return;
    ttrpc::Unimplemented(info, std::move(reply));
  }

  std::vector<ttrpc::RawReply> kept;
  size_t forgotten = 0;

 private:
  // Who is gone is not remembered.
  void Forget(ttrpc::RawReply reply) {
    reply.OnGone([this] { ++forgotten; });
    kept.push_back(std::move(reply));
  }
};

// A connection's other end, which says what it is told and understands all that it hears.
class TtrpcPeer : public Peer {
 public:
  void SayFrame(uint32_t stream, uint8_t type, uint8_t flags, std::string_view payload,
                uint32_t length) {
    std::string bytes(ttrpc::kHeaderSize, '\0');
    ttrpc::WriteHeader({.length = length, .stream = stream, .type = type, .flags = flags},
                       bytes.data());
    Say(bytes.append(payload));
  }
  void Understand() {
    const std::string heard = Hear();
    std::string_view bytes = heard;
    for (ttrpc::Frame frame; reader_.Next(&bytes, &frame);) {
      CHECK(!frame.oversized && frame.header.type == 2 && frame.header.flags == 0);
      ::ttrpc::Response response;
      CHECK(ttrpc::Parse(frame.payload, &response));
    }
  }

 private:
  ttrpc::FrameReader reader_;
};

void SayRequest(Input& input, uint32_t stream, TtrpcPeer& peer) {
  constexpr std::array<const char*, 6> kMethods = {"echo", "keep", "gone", "drop", "none", ""};
  ::ttrpc::Request request;
  request.set_service("S");
  request.set_method(kMethods[input.Take<uint8_t>() % kMethods.size()]);
  request.set_timeout_nano(input.Take<int32_t>());
  request.set_payload(std::string(TextOf(input.TakeBytes(input.Take<uint8_t>()))));
  const std::string payload = request.SerializeAsString();
  peer.SayFrame(stream, 1, 0, payload, static_cast<uint32_t>(payload.size()));
}

}  // namespace

// Steps of a client: each is a byte for what it does, and what that takes.
void TtrpcServer(Bytes bytes) {
  Input input(bytes);
  const auto loop = std::move(*loop::Loop::Create());
  Service service;
  ttrpc::Server server(*loop);
  CHECK(server.Add(service));
  TtrpcPeer peer;
  CHECK(server.Adopt(std::move(peer.theirs)));
  uint32_t stream = 1;
  while (!input.empty()) {
    switch (input.Take<uint8_t>() % 8) {
      case 0: peer.Say(TextOf(input.TakeBytes(input.Take<uint8_t>()))); break;
      case 1: SayRequest(input, stream += 2, peer); break;
      case 2: SayRequest(input, input.Take<uint32_t>(), peer); break;
      case 3: {
        const auto header = input.Take<std::array<uint8_t, 6>>();
        const auto payload = TextOf(input.TakeBytes(header[5]));
        peer.SayFrame(header[0], header[1], header[2], payload,
                      static_cast<uint32_t>(payload.size()) + header[3] * 0x10000u * header[4]);
        break;
      }
      case 4:
        if (!service.kept.empty()) service.kept[input.Take<uint8_t>() % service.kept.size()]("x");
        break;
      case 5: service.kept.clear(); break;
      case 6: peer.Understand(); break;
      default: Settle(*loop);
    }
  }
  CheckReplies(*loop, server, service.kept, peer);
}

// The words of a server, in pieces; the first byte is how many calls wait for them.
void TtrpcClient(Bytes bytes) {
  Input input(bytes);
  const auto loop = std::move(*loop::Loop::Create());
  Peer peer;
  const auto client = std::move(*ttrpc::Client::Adopt(*loop, std::move(peer.theirs)));
  std::vector<int> answered(1 + input.Take<uint8_t>() % 8);
  for (int& count : answered)
    client->Call("S", "echo", "payload", {}, [&count](const Result<std::string>&) { ++count; });
  Settle(*loop);
  while (!input.empty()) {
    peer.Say(TextOf(input.TakeBytes(1u + input.Take<uint8_t>())));
    Settle(*loop);
  }
  peer.HangUp();
  Settle(*loop);
  for (const int count : answered) CHECK(count == 1);
  CHECK(!client->connected() && client->open_calls() == 0);
}

}  // namespace wasmoor::fuzz
