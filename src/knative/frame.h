#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wasmoor::knative {

// The frames of a WebSocket, as its client has them (RFC 6455, section 5).
enum class Opcode : uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// Why an end closes (section 7.4.1).
enum class CloseCode : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kPolicy = 1008,
  kTooBig = 1009,
};

constexpr size_t kMostControl = 125;  // Bytes in a control frame (section 5.5).

using Mask = std::array<uint8_t, 4>;

// A whole message in one frame, of at most kMostControl bytes, masked (section 5.3).
std::string ClientFrame(Opcode opcode, std::string_view payload, const Mask& mask);
std::string ClosePayload(CloseCode code);

// A control frame that came.
struct Control {
  Opcode opcode;
  std::string payload;
};

// Reads what a server sends, in parts of any size. Of messages, it only sees to it that they have
// the form of such and are not longer than `most_message`; they are let pass, and texts are not
// looked at. Keeps a control frame at most.
class FrameReader {
 public:
  explicit FrameReader(uint64_t most_message) : most_message_(most_message) {}

  // Takes from the front of `bytes` until it has a whole control frame, or has taken all.
  std::optional<Control> Next(std::string_view* bytes);

  // What is wrong with what came; from then on, Next takes everything and says nothing.
  struct Violation {
    CloseCode code;
    std::string_view what;
  };
  const std::optional<Violation>& violation() const { return violation_; }

 private:
  void TakeHead(std::string_view* bytes);
  void Begin();
  void TakePayload(std::string_view* bytes);
  void Refuse(CloseCode code, std::string_view what);
  bool IsControl() const { return (head_[0] & 0x08) != 0; }

  const uint64_t most_message_;
  std::array<uint8_t, 10> head_;
  size_t head_size_ = 0;
  bool in_payload_ = false;
  uint64_t left_ = 0;  // Of the payload.
  std::string control_;
  bool in_message_ = false;  // Fragments of one have come, and the last has not.
  uint64_t message_bytes_ = 0;
  std::optional<Violation> violation_;
};

}  // namespace wasmoor::knative
