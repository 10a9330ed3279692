#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

// Messages of D-Bus as bytes (D-Bus specification, "Marshaling (Wire Format)" and "Message
// Protocol").
namespace wasmoor::dbus {

// No message of ours, and none that we ask for, is nearly as long.
constexpr size_t kMaxMessageBytes = size_t{1} << 20;
// What every message begins with: as much as tells how long it is.
constexpr size_t kMessageStartBytes = 16;

enum class MessageType : uint8_t { kCall = 1, kReturn = 2, kError = 3, kSignal = 4 };

// Appends values in this machine's byte order, each aligned to its size.
class Writer {
 public:
  void Byte(uint8_t value) { bytes_ += static_cast<char>(value); }
  void Boolean(bool value) { Uint32(value ? 1 : 0); }
  void Uint32(uint32_t value) { Number(value); }
  void Uint64(uint64_t value) { Number(value); }
  void String(std::string_view text);     // Also an object's path.
  void Signature(std::string_view text);  // At most 255 bytes.
  void Align(size_t boundary) { bytes_.resize((bytes_.size() + boundary - 1) & ~(boundary - 1)); }

  // An array of what `fill()` appends, whose elements are aligned to `boundary` (8 for structures).
  template <typename Fill>
  void Array(size_t boundary, Fill fill) {
    Uint32(0);
    const size_t length_at = bytes_.size() - sizeof(uint32_t);
    Align(boundary);
    const size_t start = bytes_.size();
    fill();
    const auto length = static_cast<uint32_t>(bytes_.size() - start);
    bytes_.replace(length_at, sizeof length, reinterpret_cast<const char*>(&length), sizeof length);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  template <typename Value>
  void Number(Value value) {
    Align(sizeof value);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  std::string bytes_;
};

// Takes values from bytes that somebody else wrote. Errors are kDataLoss. Borrows the bytes.
class Reader {
 public:
  Reader(std::string_view bytes, bool is_swapped) : bytes_(bytes), is_swapped_(is_swapped) {}

  Result<uint8_t> Byte();
  Result<uint32_t> Uint32();
  Result<std::string> String();
  Result<std::string> Signature();
  // Passes over one value of each of the types of a signature.
  Status Skip(std::string_view signature) { return SkipAll(signature, 0); }
  Status Align(size_t boundary);
  bool AtEnd() const { return at_ == bytes_.size(); }

 private:
  Result<std::string_view> Take(size_t size);
  Result<std::string> Text(size_t size);  // With the zero byte that follows it.
  Status SkipAll(std::string_view signature, int depth);
  Status SkipOne(std::string_view type, int depth);
  Status SkipArray(std::string_view element, int depth);

  std::string_view bytes_;
  size_t at_ = 0;
  bool is_swapped_;
};

// What is asked of an object.
struct Call {
  std::string_view destination, path, interface, member;
  std::string_view signature = {};  // Of the arguments.
  std::string_view arguments = {};  // Writer::bytes.
};
enum class Answer : uint8_t { kWanted, kUnwanted };
std::string Encode(const Call& call, uint32_t serial, Answer answer = Answer::kWanted);

struct Message {
  MessageType type = MessageType::kCall;
  uint32_t serial = 0, reply_to = 0;  // reply_to: the serial of the call that it answers.
  std::string path, interface, member, error, signature;
  std::string arguments;
  bool is_swapped = false;

  Reader ReadArguments() const { return Reader(arguments, is_swapped); }
};

// The length of the whole message that begins with `start`, at least kMessageStartBytes. kDataLoss
// if no message begins so, or a longer one than kMaxMessageBytes.
Result<size_t> MessageLength(std::string_view start);
// Of one whole message. kDataLoss.
Result<Message> Decode(std::string_view bytes);

}  // namespace wasmoor::dbus
