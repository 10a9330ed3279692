#include <map>
#include <optional>

#include "fuzz/input.h"
#include "grpc/framing.h"
#include "grpc/session.h"
#include "wasmoor/base/check.h"

namespace wasmoor::fuzz {
namespace {

// Small, so that the limit is met.
constexpr size_t kMostBytes = 4096;

// Two calls on one connection, on which the server says anything, in pieces.
void Connection(Input& input) {
  grpc::Session session;
  std::map<uint64_t, bool> ended;
  for (uint64_t call = 1; call <= 2; ++call) {
    CHECK(session.Start(call, {.method = "/a.B/C", .message = "question", .most_bytes = kMostBytes})
              .has_value());
    ended[call] = false;
  }
  CHECK(!session.TakeOutput().empty());
  size_t sent = 0;
  while (!input.empty()) {
    const size_t size = 1 + input.Take<uint8_t>() * 4;
    const bool sound = session.Receive(input.TakeBytes(size)).has_value();
    sent += session.TakeOutput().size();
    for (const grpc::Event& event : session.TakeEvents()) {
      CHECK(ended.count(event.call) == 1 && !ended[event.call]);
      CHECK(!event.message || event.message->size() <= kMostBytes);
      if (!event.message) ended[event.call] = true;
    }
    if (!sound || !session.Check()) break;
  }
  static_cast<void>(sent);
  session.Cancel(1);
  session.Cancel(2);
  CHECK(session.TakeEvents().empty());
}

void Framing(Input& input) {
  grpc::MessageReader reader(grpc::Part::kAnswer, kMostBytes);
  const std::string text = input.TakeLine();
  CHECK(grpc::CodeFromText(text) <= Code::kUnauthenticated);
  size_t given = 0, taken = 0;
  while (!input.empty()) {
    const Bytes piece = input.TakeBytes(1 + input.Take<uint8_t>());
    given += piece.size();
    const Status status = reader.Take(piece, [&](const std::string& message) {
      CHECK(message.size() <= kMostBytes);
      taken += message.size() + grpc::kPrefixBytes;
    });
    CHECK(taken <= given);
    if (!status) return;
  }
  CHECK(!reader.at_boundary() || taken == given);
}

}  // namespace

void GrpcAnswers(Bytes bytes) {
  Input input(bytes);
  if (input.Take<uint8_t>() % 4 == 0) return Framing(input);
  Connection(input);
}

}  // namespace wasmoor::fuzz
