#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/server_for_test.h"

// A client of HTTP/2 that says exactly what it is told to, byte by byte, and understands what comes
// back.
namespace wasmoor::http::test {

using Pairs = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr uint8_t kNone = 0, kEndStream = 1, kEndHeaders = 4, kPadded = 8, kWhole = 5;

inline std::string Number(size_t value, int bytes) {
  std::string text;
  while (bytes-- > 0) text += static_cast<char>(value >> bytes * 8 & 0xff);
  return text;
}

// RFC 9113, section 4.1.
inline std::string Frame(uint8_t type, uint8_t flags, uint32_t stream,
                         std::string_view payload = "") {
  return (Number(payload.size(), 3) + Number(type, 1) + Number(flags, 1) + Number(stream, 4))
      .append(payload);
}

inline std::string Settings(const std::vector<std::pair<uint16_t, uint32_t>>& entries = {}) {
  std::string payload;
  for (const auto& [id, value] : entries) payload += Number(id, 2) + Number(value, 4);
  return Frame(NGHTTP2_SETTINGS, 0, 0, payload);
}

// Text of HPACK, without Huffman's code (RFC 7541, sections 5.1 and 5.2).
inline std::string HpackText(std::string_view text) {
  constexpr size_t kOneByte = 127;
  std::string size;
  if (text.size() < kOneByte) {
    size = Number(text.size(), 1);
  } else {
    size = Number(kOneByte, 1);
    size_t rest = text.size() - kOneByte;
    for (; rest >= 128; rest >>= 7) size += Number(rest % 128 + 128, 1);
    size += Number(rest, 1);
  }
  return size.append(text);
}
// A field without a place in the table (RFC 7541, section 6.2.2).
inline std::string Literal(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + HpackText(name) + HpackText(value);
}
inline std::string Block(const Pairs& fields) {
  std::string block;
  for (const auto& [name, value] : fields) block += Literal(name, value);
  return block;
}

inline Pairs RequestFields(const std::string& method, const std::string& path,
                           const Pairs& more = {}) {
  Pairs fields = {{":method", method}, {":scheme", "http"}, {":path", path}, {":authority", "x"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
inline std::string Headers(uint32_t stream, const Pairs& fields, uint8_t flags = kWhole) {
  return Frame(NGHTTP2_HEADERS, flags, stream, Block(fields));
}
inline std::string Get(uint32_t stream, const std::string& path, const Pairs& more = {}) {
  return Headers(stream, RequestFields("GET", path, more));
}
// A request whose body is to follow.
inline std::string Post(uint32_t stream, const std::string& path, const Pairs& more = {}) {
  return Headers(stream, RequestFields("POST", path, more), kEndHeaders);
}
inline std::string Data(uint32_t stream, std::string_view bytes, uint8_t flags = kEndStream) {
  return Frame(NGHTTP2_DATA, flags, stream, bytes);
}
inline std::string Reset(uint32_t stream) {
  return Frame(NGHTTP2_RST_STREAM, 0, stream, Number(NGHTTP2_CANCEL, 4));
}
inline std::string OpenWindow(uint32_t stream, uint32_t by) {
  return Frame(NGHTTP2_WINDOW_UPDATE, 0, stream, Number(by, 4));
}
inline std::string Ping() { return Frame(NGHTTP2_PING, 0, 0, "12345678"); }

class Http2Peer {
 public:
  explicit Http2Peer(os::Fd socket) : socket_(std::move(socket)) {
    EXPECT_EQ(nghttp2_hd_inflate_new(&inflater_), 0);
  }
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;
  ~Http2Peer() { nghttp2_hd_inflate_del(inflater_); }

  // How much of it the socket takes.
  size_t Offer(std::string_view bytes) {
    const ssize_t sent =
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }
  void HangUp() { socket_.Close(); }

  // What there is to read now, at most so much. False when the other side has hung up.
  bool Read(size_t most = SIZE_MAX) {
    std::array<char, 65536> buffer;
    while (most > 0) {
      const ssize_t got =
          ::recv(socket_.get(), buffer.data(), std::min(most, buffer.size()), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return true;
      if (got <= 0) return false;
      most -= static_cast<size_t>(got);
      bytes_.append(buffer.data(), static_cast<size_t>(got));
      SkipText();
      while (Take()) {
      }
    }
    return true;
  }

  struct Said {
    Pairs interim, headers, trailers;
    std::string body;
    bool ended = false;
    int reset = -1;       // HTTP/2's code.
    uint32_t opened = 0;  // Its window, by so much.

    std::string Find(std::string_view name) const {
      for (const Pairs* fields : {&headers, &trailers, &interim}) {
        for (const auto& [key, value] : *fields) {
          if (key == name) return value;
        }
      }
      return "";
    }
    // "200: body", "reset 8 after 200: body", "200: body..." if there is more to come, or "".
    std::string Say() const {
      const std::string what = headers.empty() ? "" : Find(":status") + ": " + body;
      if (reset > 0) return "reset " + std::to_string(reset) + " after " + what;
      return ended || headers.empty() ? what : what + "...";
    }
  };
  std::map<uint32_t, Said> said;  // By stream.
  std::map<uint8_t, int> frames;  // How many of each type came.
  std::map<uint16_t, uint32_t> settings;
  std::vector<std::pair<uint32_t, uint32_t>> goaways;  // Last stream and code.
  std::string text;          // What came before HTTP/2 did, if `awaits_text`.
  bool awaits_text = false;  // As after a request to upgrade.
  size_t largest_table = 0;  // As the server's heads said it.

 private:
  static uint32_t ToNumber(std::string_view bytes) {
    uint32_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
    return number;
  }

  void SkipText() {
    if (!awaits_text) return;
    const size_t end = bytes_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    awaits_text = false;
    text = bytes_.substr(0, end);
    bytes_.erase(0, end + 4);
  }

  bool Take() {
    constexpr size_t kHead = 9;
    if (awaits_text || bytes_.size() < kHead) return false;
    const size_t size = ToNumber(std::string_view(bytes_).substr(0, 3));
    if (bytes_.size() < kHead + size) return false;
    const auto type = static_cast<uint8_t>(bytes_[3]);
    const auto flags = static_cast<uint8_t>(bytes_[4]);
    const uint32_t stream = ToNumber(std::string_view(bytes_).substr(5, 4));
    TakeFrame(type, flags, stream, bytes_.substr(kHead, size));
    bytes_.erase(0, kHead + size);
    return true;
  }

  void TakeFrame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
    ++frames[type];
    Said& one = said[stream];
    if (type == NGHTTP2_RST_STREAM) one.reset = static_cast<int>(ToNumber(payload));
    if (type == NGHTTP2_WINDOW_UPDATE) one.opened += ToNumber(payload);
    if (type == NGHTTP2_DATA) one.body += payload;
    if (type == NGHTTP2_GOAWAY)
      goaways.emplace_back(ToNumber(payload.substr(0, 4)), ToNumber(payload.substr(4, 4)));
    if (type == NGHTTP2_SETTINGS) {
      for (size_t at = 0; at < payload.size(); at += 6)
        settings[static_cast<uint16_t>(ToNumber(payload.substr(at, 2)))] =
            ToNumber(payload.substr(at + 2, 4));
    }
    if (type == NGHTTP2_HEADERS) {
      Pairs fields = Inflate(payload);
      const bool interim =
          fields.front().first == ":status" && fields.front().second.starts_with('1');
      (interim ? one.interim : one.headers.empty() ? one.headers : one.trailers) = fields;
    }
    if (type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) one.ended = (flags & kEndStream) != 0;
  }

  Pairs Inflate(const std::string& block) {
    // A change of the table's size (RFC 7541, section 6.3).
    if (!block.empty() && (block[0] & 0xe0) == 0x20) {
      size_t size = block[0] & 0x1f, shift = 0;
      for (size_t at = 1; size >= 31; ++at, shift += 7) {
        size += static_cast<size_t>(block[at] & 0x7f) << shift;
        if ((block[at] & 0x80) == 0) break;
      }
      largest_table = std::max(largest_table, size);
    }
    Pairs fields;
    const auto* bytes = reinterpret_cast<const uint8_t*>(block.data());
    for (size_t left = block.size();;) {
      nghttp2_nv field;
      int flags = 0;
      const ssize_t taken = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, bytes, left, 1);
      EXPECT_GE(taken, 0);
      if (taken < 0) break;
      bytes += taken;
      left -= static_cast<size_t>(taken);
      const auto text_of = [](const uint8_t* at, size_t size) {
        return std::string(reinterpret_cast<const char*>(at), size);
      };
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
        fields.emplace_back(text_of(field.name, field.namelen),
                            text_of(field.value, field.valuelen));
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return fields;
  }

  os::Fd socket_;
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string bytes_;
};

// With a client that has begun.
class Http2Test : public ServerTest {
 protected:
  std::unique_ptr<Http2Peer> NewPeer() { return std::make_unique<Http2Peer>(Connect()); }
  void Begin(const std::vector<std::pair<uint16_t, uint32_t>>& settings = {}) {
    peer_ = NewPeer();
    Say(std::string(kPreface) + Settings(settings));
  }
  using ServerTest::Begin;

  // Sends it all, and reads what comes back without anybody doing anything. False when the server
  // has hung up.
  bool Say(std::string_view bytes) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    bool open = true;
    while (open && !bytes.empty() && std::chrono::steady_clock::now() < until) {
      bytes.remove_prefix(peer_->Offer(bytes));
      Settle();
      open = peer_->Read();
    }
    Settle();
    return open && peer_->Read();
  }
  // What came back on one stream of what is said.
  std::string Ask(uint32_t stream, std::string_view bytes) {
    Say(bytes);
    return peer_->said[stream].Say();
  }
  // Whether the server hangs up, and with which code of HTTP/2 it does; -1: with none.
  int CodeOfEnd() {
    EXPECT_TRUE(RunUntil([&] { return !peer_->Read(); }));
    peer_->HangUp();
    Settle();
    return peer_->goaways.empty() ? -1 : static_cast<int>(peer_->goaways.back().second);
  }

  std::unique_ptr<Http2Peer> peer_;
};

}  // namespace wasmoor::http::test
