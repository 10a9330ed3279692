#include "ttrpc/frame.h"

#include <endian.h>

#include <algorithm>
#include <cstring>

#include "wasmoor/ttrpc/call.h"

namespace wasmoor::ttrpc {

Header ReadHeader(std::string_view bytes) {
  Header header;
  std::memcpy(&header.length, bytes.data(), 4);
  std::memcpy(&header.stream, bytes.data() + 4, 4);
  header.length = be32toh(header.length);
  header.stream = be32toh(header.stream);
  header.type = static_cast<uint8_t>(bytes[8]);
  header.flags = static_cast<uint8_t>(bytes[9]);
  return header;
}

void WriteHeader(const Header& header, char* out) {
  const uint32_t length = htobe32(header.length);
  const uint32_t stream = htobe32(header.stream);
  std::memcpy(out, &length, 4);
  std::memcpy(out + 4, &stream, 4);
  out[8] = static_cast<char>(header.type);
  out[9] = static_cast<char>(header.flags);
}

// Moves bytes into part_ until those are `size`. False if there are too few.
bool FrameReader::Complete(std::string_view* bytes, size_t size) {
  const size_t taken = std::min(bytes->size(), size - std::min(size, part_.size()));
  part_.append(bytes->substr(0, taken));
  bytes->remove_prefix(taken);
  return part_.size() >= size;
}

bool FrameReader::Next(std::string_view* bytes, Frame* frame) {
  if (given_) part_ = std::string();
  given_ = false;
  const uint64_t skipped = std::min<uint64_t>(skip_, bytes->size());
  skip_ -= skipped;
  bytes->remove_prefix(skipped);
  if (bytes->empty()) return false;

  *frame = Frame();
  const bool whole_header = part_.empty() && bytes->size() >= kHeaderSize;
  if (!whole_header && !Complete(bytes, kHeaderSize)) return false;
  frame->header = ReadHeader(whole_header ? *bytes : part_);
  const size_t size = kHeaderSize + frame->header.length;
  if (frame->header.length > kMostInFrame) {
    if (whole_header) bytes->remove_prefix(kHeaderSize);
    part_.clear();
    frame->oversized = true;
    skip_ = frame->header.length;
    return true;
  }
  if (whole_header && bytes->size() >= size) {
    // In most cases no byte is copied.
    frame->payload = bytes->substr(kHeaderSize, frame->header.length);
    bytes->remove_prefix(size);
    return true;
  }
  if (!Complete(bytes, size)) return false;
  frame->payload = std::string_view(part_).substr(kHeaderSize);
  given_ = true;
  return true;
}

}  // namespace wasmoor::ttrpc
