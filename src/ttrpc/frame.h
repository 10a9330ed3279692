#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// ttrpc's frames: a header of ten bytes and what it announces (PROTOCOL.md of
// github.com/containerd/ttrpc).
namespace wasmoor::ttrpc {

// What is none of these is passed over: for what is still to come.
enum class FrameType : uint8_t { kRequest = 1, kResponse = 2, kData = 3 };

// Flags of requests and data, of which a unary call uses none.
constexpr uint8_t kRemoteClosed = 1;
constexpr uint8_t kRemoteOpen = 2;
constexpr uint8_t kNoData = 4;

constexpr size_t kHeaderSize = 10;

struct Header {
  uint32_t length = 0;  // Without the header.
  uint32_t stream = 0;
  uint8_t type = 0;
  uint8_t flags = 0;
};
Header ReadHeader(std::string_view bytes);  // At least kHeaderSize of them.
void WriteHeader(const Header& header, char* out);

struct Frame {
  Header header;
  std::string_view payload;
  // Its length is beyond kMostInFrame. What it holds is passed over.
  bool oversized = false;
};

// Takes frames out of a stream of bytes that comes in pieces. Holds no memory but that of the frame
// of which a part is there.
class FrameReader {
 public:
  // Takes bytes from the front of `bytes`, up to the end of the next frame. False if it does not
  // end there; then all of them are taken. The payload is valid until the next call, and for as
  // long as `bytes` are.
  bool Next(std::string_view* bytes, Frame* frame);

  // What was taken of a frame that has not ended, and how much is still to be passed over of one
  // that is too long: for another reader, which is to go on there.
  std::string_view part() const { return given_ ? std::string_view() : std::string_view(part_); }
  uint64_t oversized() const { return skip_; }
  void Skip(uint64_t bytes) { skip_ = bytes; }

 private:
  bool Complete(std::string_view* bytes, size_t size);

  std::string part_;    // A frame from its header on.
  bool given_ = false;  // Is what Next returned.
  uint64_t skip_ = 0;   // Of an oversized frame.
};

}  // namespace wasmoor::ttrpc
