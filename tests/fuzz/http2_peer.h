#pragma once

#include <nghttp2/nghttp2.h>

#include <string>
#include <string_view>

#include "fuzz/peer.h"

namespace wasmoor::fuzz {

// A client of HTTP/2: says frames, sound ones and others, and understands all that it hears.
class Http2Peer : public Peer {
 public:
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  Http2Peer() { CHECK(nghttp2_hd_inflate_new(&inflater_) == 0); }
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;
  ~Http2Peer() { nghttp2_hd_inflate_del(inflater_); }

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
  static constexpr size_t kHead = 9;  // Of a frame: RFC 9113, section 4.1.
  // Unless a client allows more, which none has to be sent.
  static constexpr size_t kLongestFrame = 16384;

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

}  // namespace wasmoor::fuzz
