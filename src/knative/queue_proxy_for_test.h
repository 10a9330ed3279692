#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "support/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/socket.h"

// The other end of a reporter: a TCP server that does what it is told, on the thread of the test,
// between two turns of its loop.
namespace wasmoor::knative {

constexpr std::chrono::seconds kGenerous{20};

// Serves the loop until `over`.
inline bool Until(loop::Loop& loop, const std::function<bool()>& over) {
  const auto end = std::chrono::steady_clock::now() + kGenerous;
  while (!over()) {
    if (std::chrono::steady_clock::now() > end) return false;
    loop.RunOnce(std::chrono::milliseconds(2));
  }
  return true;
}

// What a client sent.
struct Frame {
  uint8_t first = 0;  // FIN, the reserved bits, and the opcode.
  bool is_masked = false;
  std::string payload;
};

// One client of it.
class Peer {
 public:
  Peer(loop::Loop& loop, os::Fd socket) : loop_(loop), socket_(std::move(socket)) {
    ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
  }

  // The head of its request.
  std::string ReadHead() {
    size_t end = std::string::npos;
    EXPECT_TRUE(Until(loop_, [&] {
      Read();
      return (end = in_.find("\r\n\r\n")) != std::string::npos;
    }));
    const std::string head = in_.substr(0, end + 4);
    in_.erase(0, head.size());
    return head;
  }

  static std::string AcceptFor(const std::string& head) {
    constexpr std::string_view kName = "Sec-WebSocket-Key: ";
    const size_t begin = head.find(kName) + kName.size();
    const std::string text = head.substr(begin, head.find("\r\n", begin) - begin) +
                             "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::array<uint8_t, SHA_DIGEST_LENGTH> digest;
    ::SHA1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data());
    std::array<char, 32> base64 = {};
    ::EVP_EncodeBlock(reinterpret_cast<uint8_t*>(base64.data()), digest.data(), digest.size());
    return base64.data();
  }
  static std::string Reply(const std::string& head) {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: " +
           AcceptFor(head) + "\r\n\r\n";
  }
  void Shake() { Send(Reply(ReadHead())); }

  void Send(std::string_view bytes) {
    EXPECT_TRUE(Until(loop_, [&] {
      const ssize_t size = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size < 0 && errno != EAGAIN) bytes = {};  // It has hung up, and that is what is tested.
      if (size > 0) bytes.remove_prefix(static_cast<size_t>(size));
      return bytes.empty();
    }));
  }
  // A server's frame, as it is right.
  void SendFrame(uint8_t opcode, const std::string& payload) {
    ASSERT_LT(payload.size(), 126);
    Send(std::string{static_cast<char>(0x80 | opcode), static_cast<char>(payload.size())} +
         payload);
  }

  // The next frame that came; none if it has hung up.
  std::optional<Frame> Next() {
    std::optional<Frame> frame;
    EXPECT_TRUE(Until(loop_, [&] {
      Read();
      frame = Take();
      return frame || is_over_;
    }));
    return frame;
  }
  // The frames of an opcode alone.
  std::optional<Frame> NextOf(uint8_t opcode) {
    std::optional<Frame> frame = Next();
    while (frame && (frame->first & 0x0f) != opcode) frame = Next();
    return frame;
  }
  // Serves until it has hung up.
  bool IsHungUp() {
    return Until(loop_, [&] {
      Read();
      in_.clear();
      return is_over_;
    });
  }

 private:
  void Read() {
    std::array<char, 4096> part;
    ssize_t size = 0;
    while ((size = ::recv(socket_.get(), part.data(), part.size(), 0)) > 0)
      in_.append(part.data(), static_cast<size_t>(size));
    is_over_ = is_over_ || size == 0 || (size < 0 && errno != EAGAIN);
  }
  std::optional<Frame> Take() {
    if (in_.size() < 2) return std::nullopt;
    const auto byte = [this](size_t at) { return static_cast<uint8_t>(in_[at]); };
    Frame frame{.first = byte(0), .is_masked = (byte(1) & 0x80) != 0};
    const size_t length = byte(1) & 0x7f, head = frame.is_masked ? 6 : 2;
    EXPECT_LT(length, 126) << "none of ours is as long";
    if (in_.size() < head + length) return std::nullopt;
    frame.payload = in_.substr(head, length);
    for (size_t i = 0; frame.is_masked && i < length; ++i)
      frame.payload[i] = static_cast<char>(frame.payload[i] ^ in_[2 + i % 4]);
    in_.erase(0, head + length);
    return frame;
  }

  loop::Loop& loop_;
  os::Fd socket_;
  std::string in_;
  bool is_over_ = false;
};

class QueueProxy {
 public:
  explicit QueueProxy(loop::Loop& loop, const std::string& address = "127.0.0.1:0")
      : loop_(loop), listener_(test::Must(os::ListenTcp(address))) {
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    const std::string bound = test::Must(os::LocalAddress(listener_));
    port_ = static_cast<uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1)));
  }

  uint16_t port() const { return port_; }
  // Makes what each client sends without being read very little.
  void ReadLittle() {
    const int size = 1;
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  // The next client.
  Peer Accept() {
    os::Fd socket;
    EXPECT_TRUE(Until(loop_, [&] {
      socket = os::Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      return socket.valid();
    }));
    return {loop_, std::move(socket)};
  }
  // The next one, which takes it for a queue-proxy then.
  Peer AcceptAndShake() {
    Peer peer = Accept();
    peer.Shake();
    return peer;
  }

 private:
  loop::Loop& loop_;
  os::Fd listener_;
  uint16_t port_ = 0;
};

}  // namespace wasmoor::knative
