#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grpc/framing.h"
#include "grpc/http2.h"
#include "wasmoor/os/fd.h"

// A client that says exactly what it is told to, byte by byte, and reads what comes back.
namespace wasmoor::grpc::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// RFC 9113, section 4.1.
inline std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  const auto byte = [](size_t value, int shift) {
    return static_cast<char>(value >> shift & 0xff);
  };
  std::string frame = {byte(payload.size(), 16), byte(payload.size(), 8), byte(payload.size(), 0),
                       static_cast<char>(type), static_cast<char>(flags)};
  for (const int shift : {24, 16, 8, 0}) frame += byte(stream, shift);
  return frame.append(payload);
}

inline std::string Settings(std::string_view entries = "") {
  return Frame(NGHTTP2_SETTINGS, 0, 0, entries);
}

// A literal header without a place in the table (RFC 7541, section 6.2.2).
inline std::string Literal(std::string_view name, std::string_view value) {
  constexpr size_t kOneByte = 126;
  EXPECT_LE(std::max(name.size(), value.size()), kOneByte);
  return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) +
         static_cast<char>(value.size()) + std::string(value);
}

inline std::string Block(const Fields& fields) {
  std::string block;
  for (const auto& [name, value] : fields) block += Literal(name, value);
  return block;
}

inline Fields CallFields(const std::string& method, const Fields& more = {}) {
  Fields fields = {
      {":method", "POST"},         {":scheme", "http"}, {":path", "/test.Service/" + method},
      {":authority", "localhost"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

inline std::string Headers(uint32_t stream, const Fields& fields,
                           uint8_t flags = NGHTTP2_FLAG_END_HEADERS) {
  return Frame(NGHTTP2_HEADERS, flags, stream, Block(fields));
}
inline std::string Data(uint32_t stream, std::string_view bytes,
                        uint8_t flags = NGHTTP2_FLAG_END_STREAM) {
  return Frame(NGHTTP2_DATA, flags, stream, bytes);
}
inline std::string Call(uint32_t stream, const std::string& method, std::string_view message,
                        const Fields& more = {}) {
  return Headers(stream, CallFields(method, more)) + Data(stream, WithPrefix(message));
}
inline std::string Reset(uint32_t stream) {
  return Frame(NGHTTP2_RST_STREAM, 0, stream, std::string("\0\0\0\x08", 4));  // CANCEL.
}

class RawPeer {
 public:
  explicit RawPeer(os::Fd socket) : socket_(std::move(socket)) {
    EXPECT_EQ(nghttp2_hd_inflate_new(&inflater_), 0);
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  ~RawPeer() { nghttp2_hd_inflate_del(inflater_); }

  // How much of it the socket takes.
  size_t Offer(std::string_view bytes) {
    const ssize_t sent =
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }
  void Write(std::string_view bytes) { ASSERT_EQ(Offer(bytes), bytes.size()); }
  void HangUp() { socket_.Close(); }
  const os::Fd& socket() const { return socket_; }

  // What there is to read now. False when the other side has hung up.
  bool Read() {
    std::array<char, 65536> buffer;
    while (true) {
      const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return true;
      if (got <= 0) return false;
      bytes_.append(buffer.data(), static_cast<size_t>(got));
      while (Take()) {
      }
    }
  }

  struct Answer {
    Fields headers, trailers;
    std::string body;
    bool ended = false;
    int reset = -1;  // HTTP/2's code.

    std::string Find(std::string_view name) const {
      for (const Fields& fields : {trailers, headers}) {
        for (const auto& [key, value] : fields) {
          if (key == name) return value;
        }
      }
      return "";
    }
    // "ok: body", or "5: text".
    std::string Say() const {
      const std::string status = Find("grpc-status");
      if (!ended) return "open";
      if (status.empty()) return "http " + Find(":status");
      if (status != "0") return status + ": " + Find("grpc-message");
      return "ok: " + (body.size() < kPrefixBytes ? "?" : body.substr(kPrefixBytes));
    }
  };
  std::map<uint32_t, Answer> answers;
  std::map<uint8_t, int> frames;  // How many of each type came.
  int going_away = -1;            // The code of a GOAWAY.

 private:
  static uint32_t Number(std::string_view bytes) {
    uint32_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
    return number;
  }

  bool Take() {
    constexpr size_t kHead = 9;
    if (bytes_.size() < kHead) return false;
    const size_t size = Number(std::string_view(bytes_).substr(0, 3));
    if (bytes_.size() < kHead + size) return false;
    const auto type = static_cast<uint8_t>(bytes_[3]);
    const auto flags = static_cast<uint8_t>(bytes_[4]);
    const uint32_t stream = Number(std::string_view(bytes_).substr(5, 4));
    TakeFrame(type, flags, stream, bytes_.substr(kHead, size));
    bytes_.erase(0, kHead + size);
    return true;
  }

  void TakeFrame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
    ++frames[type];
    if (type == NGHTTP2_GOAWAY) going_away = static_cast<int>(Number(payload.substr(4, 4)));
    if (type == NGHTTP2_RST_STREAM) answers[stream].reset = static_cast<int>(Number(payload));
    if (type == NGHTTP2_DATA) answers[stream].body += payload;
    if (type == NGHTTP2_HEADERS) {
      Answer& answer = answers[stream];
      Inflate(payload, answer.headers.empty() ? &answer.headers : &answer.trailers);
    }
    if ((type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) && (flags & NGHTTP2_FLAG_END_STREAM) != 0)
      answers[stream].ended = true;
  }

  void Inflate(const std::string& block, Fields* fields) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(block.data());
    size_t left = block.size();
    while (true) {
      nghttp2_nv field;
      int flags = 0;
      const ssize_t taken = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, bytes, left, 1);
      ASSERT_GE(taken, 0);
      bytes += taken;
      left -= static_cast<size_t>(taken);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
        fields->emplace_back(Text(field.name, field.namelen), Text(field.value, field.valuelen));
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
  }

  os::Fd socket_;
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string bytes_;
};

}  // namespace wasmoor::grpc::test
