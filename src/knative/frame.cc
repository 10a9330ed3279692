#include "knative/frame.h"

#include <algorithm>

#include "wasmoor/base/check.h"

namespace wasmoor::knative {
namespace {

constexpr uint8_t kFin = 0x80, kReserved = 0x70, kOpcode = 0x0f;  // Of the first byte,
constexpr uint8_t kMasked = 0x80, kLength = 0x7f;                 // and of the second.
constexpr uint8_t kLengthIn2 = 126, kLengthIn8 = 127;
constexpr size_t kShortHead = 2;
constexpr int kBitsOfByte = 8;

uint64_t ReadNumber(const uint8_t* bytes, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) number = number << kBitsOfByte | bytes[i];
  return number;
}

size_t BytesOfLength(uint8_t length) {
  if (length == kLengthIn8) return sizeof(uint64_t);
  return length == kLengthIn2 ? sizeof(uint16_t) : 0;
}

}  // namespace

std::string ClientFrame(Opcode opcode, std::string_view payload, const Mask& mask) {
  CHECK(payload.size() <= kMostControl);
  std::string frame;
  frame.reserve(kShortHead + mask.size() + payload.size());
  frame += static_cast<char>(kFin | static_cast<uint8_t>(opcode));
  frame += static_cast<char>(kMasked | payload.size());
  frame.append(mask.begin(), mask.end());
  for (size_t i = 0; i < payload.size(); ++i)
    frame += static_cast<char>(static_cast<uint8_t>(payload[i]) ^ mask[i % mask.size()]);
  return frame;
}

std::string ClosePayload(CloseCode code) {
  const auto number = static_cast<uint16_t>(code);
  return {static_cast<char>(number >> kBitsOfByte), static_cast<char>(number)};
}

std::optional<Control> FrameReader::Next(std::string_view* bytes) {
  while (!violation_ && (!bytes->empty() || (in_payload_ && left_ == 0))) {
    if (!in_payload_) {
      TakeHead(bytes);
      continue;
    }
    TakePayload(bytes);
    if (left_ > 0) continue;
    in_payload_ = false;
    head_size_ = 0;
    if (!IsControl()) continue;
    return Control{static_cast<Opcode>(head_[0] & kOpcode), std::move(control_)};
  }
  if (violation_) bytes->remove_prefix(bytes->size());
  return std::nullopt;
}

void FrameReader::TakeHead(std::string_view* bytes) {
  const auto size = [this] {
    return kShortHead + (head_size_ < kShortHead ? 0 : BytesOfLength(head_[1] & kLength));
  };
  while (head_size_ < size() && !bytes->empty()) {
    head_[head_size_++] = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
  }
  if (head_size_ >= size()) Begin();
}

// A head has come.
void FrameReader::Begin() {
  const uint8_t length = head_[1] & kLength;
  const size_t bytes = BytesOfLength(length);
  left_ = bytes == 0 ? length : ReadNumber(&head_[kShortHead], bytes);
  in_payload_ = true;
  const auto opcode = static_cast<Opcode>(head_[0] & kOpcode);
  const bool is_last = (head_[0] & kFin) != 0;
  if ((head_[0] & kReserved) != 0)
    return Refuse(CloseCode::kProtocolError, "a reserved bit is set, of no extension agreed upon");
  if ((head_[1] & kMasked) != 0)
    return Refuse(CloseCode::kProtocolError, "a server's frame is masked");
  const bool is_short = (bytes == sizeof(uint16_t) && left_ < kLengthIn2) ||
                        (bytes == sizeof(uint64_t) && left_ <= UINT16_MAX);
  if (is_short || left_ > INT64_MAX)
    return Refuse(CloseCode::kProtocolError, "a length is not written as it must be");
  switch (opcode) {
    case Opcode::kClose:
    case Opcode::kPing:
    case Opcode::kPong:
      if (!is_last || left_ > kMostControl)
        return Refuse(CloseCode::kProtocolError, "a control frame is in parts, or too long");
      control_.clear();
      return;
    case Opcode::kText:
    case Opcode::kBinary:
      if (in_message_) return Refuse(CloseCode::kProtocolError, "a message begins within another");
      message_bytes_ = 0;
      break;
    case Opcode::kContinuation:
      if (!in_message_)
        return Refuse(CloseCode::kProtocolError, "a message goes on that has not begun");
      break;
    default: return Refuse(CloseCode::kProtocolError, "a frame is of no kind that there is");
  }
  in_message_ = !is_last;
  if (left_ > most_message_ - message_bytes_)
    return Refuse(CloseCode::kTooBig, "a message is too long");
  message_bytes_ += left_;
}

void FrameReader::TakePayload(std::string_view* bytes) {
  const auto part = static_cast<size_t>(std::min<uint64_t>(left_, bytes->size()));
  if (IsControl()) control_ += bytes->substr(0, part);
  bytes->remove_prefix(part);
  left_ -= part;
}

void FrameReader::Refuse(CloseCode code, std::string_view what) { violation_ = {code, what}; }

}  // namespace wasmoor::knative
