#pragma once

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "proto/ttrpc/ttrpc.pb.h"
#include "rpc/service_for_test.h"
#include "ttrpc/frame.h"
#include "wasmoor/ttrpc/client.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::ttrpc::test {

using namespace rpc::test;

// The bytes of a frame, right or wrong.
inline std::string Bytes(uint32_t stream, FrameType type, std::string_view payload,
                         uint8_t flags = 0) {
  std::string bytes(kHeaderSize, '\0');
  WriteHeader({.length = static_cast<uint32_t>(payload.size()),
               .stream = stream,
               .type = static_cast<uint8_t>(type),
               .flags = flags},
              bytes.data());
  return bytes + std::string(payload);
}

inline std::string Request(std::string_view method, std::string_view payload,
                           int64_t timeout_nano = 0) {
  ::ttrpc::Request request;
  request.set_service("test.Service");
  request.set_method(std::string(method));
  request.set_payload(std::string(payload));
  request.set_timeout_nano(timeout_nano);
  return request.SerializeAsString();
}

inline std::string RequestFrame(uint32_t stream, std::string_view method, std::string_view payload,
                                int64_t timeout_nano = 0) {
  return Bytes(stream, FrameType::kRequest, Request(method, payload, timeout_nano));
}

// The other end of a connection, which says exactly what it is told to. The Peer of a Wire, too.
class RawPeer {
 public:
  explicit RawPeer(os::Fd socket) : socket_(std::move(socket)) {}

  void Write(std::string_view bytes) {
    ASSERT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void Call(uint32_t stream, std::string_view method, std::string_view payload,
            std::chrono::nanoseconds timeout) {
    Write(RequestFrame(stream, method, payload, timeout.count()));
  }
  void HangUp() { socket_.Close(); }
  const os::Fd& socket() const { return socket_; }

  // What there is to read now. False when the other side has hung up.
  bool Read() {
    std::array<char, 65536> buffer;
    while (true) {
      const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0) return errno == EAGAIN;
      if (got == 0) return false;
      bytes_read += static_cast<size_t>(got);
      std::string_view bytes(buffer.data(), static_cast<size_t>(got));
      for (Frame frame; reader_.Next(&bytes, &frame);) Take(frame);
    }
  }

  std::string Said(uint32_t stream) const {
    const auto found = said_.find(stream);
    return found == said_.end() ? "" : found->second;
  }

  // "1: payload", or "1: not_found: message", by the streams of the responses.
  std::vector<std::string> answers;
  size_t bytes_read = 0;

 private:
  void Take(const Frame& frame) {
    EXPECT_EQ(frame.header.type, static_cast<uint8_t>(FrameType::kResponse));
    ::ttrpc::Response response;
    EXPECT_TRUE(
        response.ParseFromArray(frame.payload.data(), static_cast<int>(frame.payload.size())));
    const auto code = static_cast<Code>(response.status().code());
    const std::string error = std::string(CodeName(code)) + ": " + response.status().message();
    const bool ok = code == Code::kOk;
    said_[frame.header.stream] = ok ? "ok: " + response.payload() : error;
    answers.push_back(std::to_string(frame.header.stream) + ": " +
                      (ok ? response.payload() : error));
  }

  os::Fd socket_;
  FrameReader reader_;
  std::map<uint32_t, std::string> said_;
};

struct Wire {
  using Server = ttrpc::Server;
  using Peer = RawPeer;
};

}  // namespace wasmoor::ttrpc::test
