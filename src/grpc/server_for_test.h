#pragma once

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/scratch.h"
#include "wasmoor/base/check.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::grpc {

using Fields = std::vector<std::pair<std::string, std::string>>;

// How a server of tests answers one call.
struct Answer {
  Fields headers = {{":status", "200"}, {"content-type", "application/grpc"}};
  std::string body;                          // With the prefixes of its messages.
  Fields trailers = {{"grpc-status", "0"}};  // None: the stream ends with the body.
  bool only_trailers = false;                // They come with the headers, and no body.
  bool hangs = false;                        // Nothing comes, ever.
  uint32_t reset = 0;                        // HTTP/2's error code; instead of all that.
  bool goes_away = false;                    // Refuses the call in a GOAWAY.
};

// One call, as it came.
struct Heard {
  Fields fields;
  std::string body;

  std::string Find(std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (key == name) return value;
    }
    return "";
  }
};

// A server at a socket in a directory of its own, on the loop of the test.
class TestServer {
 public:
  explicit TestServer(loop::Loop& loop) : loop_(loop), path_(scratch_ / "server.sock") { Listen(); }

  const std::string& path() const { return path_; }

  // What every call gets; unless `serve` is there, which then decides.
  Answer answer;
  std::function<Answer(const Heard&)> serve;
  std::string raw;  // If not empty: what each connection gets, and then its end, instead of HTTP/2.
  bool raw_stays_open = false;

  std::vector<Heard> heard;
  int connections = 0, closed = 0;

 private:
  struct Stream {
    Heard heard;
    Answer answer;
    size_t sent = 0;
  };
  struct Connection {
    ~Connection() { nghttp2_session_del(session); }
    TestServer* server = nullptr;
    os::Fd socket;
    loop::Source source;
    nghttp2_session* session = nullptr;
    std::map<int32_t, Stream> streams;
    std::string output;
  };

  static std::vector<nghttp2_nv> Pointers(const Fields& fields) {
    const auto bytes = [](const std::string& text) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
    };
    std::vector<nghttp2_nv> pointers;
    for (const auto& [name, value] : fields) {
      pointers.push_back(
          {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return pointers;
  }
  static Connection& Of(void* data) { return *static_cast<Connection*>(data); }

  void Listen() {
    listener_ = os::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    CHECK(path_.size() < sizeof(address.sun_path));
    std::memcpy(address.sun_path, path_.data(), path_.size());
    CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    CHECK(::listen(listener_.get(), 1) == 0);
    source_ = std::move(*loop_.Watch(listener_));
    source_.OnReadable([this] { Accept(); });
  }

  void Accept() {
    auto made = std::make_unique<Connection>();
    Connection* const connection = made.get();
    connection->server = this;
    connection->socket =
        os::Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection->socket.valid()) return;
    ++connections;
    if (!raw.empty()) {
      CHECK(::send(connection->socket.get(), raw.data(), raw.size(), MSG_NOSIGNAL) > 0);
      if (raw_stays_open) open_.emplace(connection, std::move(made));
      return;
    }
    MakeSession(connection);
    connection->source = std::move(*loop_.Watch(connection->socket));
    connection->source.OnReadable([this, connection] { Receive(connection); });
    open_.emplace(connection, std::move(made));
  }

  static void MakeSession(Connection* connection) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
           const uint8_t* value, size_t value_size, uint8_t, void* data) {
          Of(data).streams[frame->hd.stream_id].heard.fields.emplace_back(
              std::string(name, name + name_size), std::string(value, value + value_size));
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks,
        [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* data) {
          Of(data).streams[id].heard.body.append(bytes, bytes + size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* data) {
          if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            Reply(&Of(data), frame->hd.stream_id);
          return 0;
        });
    nghttp2_session_server_new(&connection->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }

  static void Reply(Connection* connection, int32_t id) {
    TestServer* const server = connection->server;
    Stream& stream = connection->streams[id];
    server->heard.push_back(stream.heard);
    stream.answer = server->serve ? server->serve(stream.heard) : server->answer;
    const Answer& answer = stream.answer;
    nghttp2_session* const session = connection->session;
    if (answer.hangs) return;
    if (answer.reset != 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, answer.reset);
      return;
    }
    if (answer.goes_away) {
      constexpr std::string_view kWhy = "maintenance";
      nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR,
                            reinterpret_cast<const uint8_t*>(kWhy.data()), kWhy.size());
      return;
    }
    Fields first = answer.headers;
    if (answer.only_trailers)
      first.insert(first.end(), answer.trailers.begin(), answer.trailers.end());
    const auto fields = Pointers(first);
    nghttp2_data_provider body = {};
    body.read_callback = [](nghttp2_session*, int32_t stream_id, uint8_t* out, size_t size,
                            uint32_t* flags, nghttp2_data_source*,
                            void* data) { return Body(&Of(data), stream_id, out, size, flags); };
    nghttp2_submit_response(session, id, fields.data(), fields.size(),
                            answer.only_trailers ? nullptr : &body);
  }

  static ssize_t Body(Connection* connection, int32_t id, uint8_t* out, size_t size,
                      uint32_t* flags) {
    Stream& stream = connection->streams[id];
    const Answer& answer = stream.answer;
    const size_t now = std::min(size, answer.body.size() - stream.sent);
    std::memcpy(out, answer.body.data() + stream.sent, now);
    stream.sent += now;
    if (stream.sent < answer.body.size()) return static_cast<ssize_t>(now);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!answer.trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto fields = Pointers(answer.trailers);
      nghttp2_submit_trailer(connection->session, id, fields.data(), fields.size());
    }
    return static_cast<ssize_t>(now);
  }

  void Receive(Connection* connection) {
    std::array<uint8_t, 4096> buffer;
    const ssize_t got = ::recv(connection->socket.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) {
      ++closed;
      open_.erase(connection);
      return;
    }
    nghttp2_session_mem_recv(connection->session, buffer.data(), static_cast<size_t>(got));
    Send(connection);
  }

  // What the socket does not take now it takes later: the client reads on the same thread.
  static void Send(Connection* connection) {
    for (;;) {
      std::string& output = connection->output;
      const uint8_t* bytes = nullptr;
      if (output.empty()) {
        const ssize_t size = nghttp2_session_mem_send(connection->session, &bytes);
        if (size <= 0) return connection->source.OnWritable(nullptr);
        output.assign(bytes, bytes + size);
      }
      const ssize_t sent =
          ::send(connection->socket.get(), output.data(), output.size(), MSG_NOSIGNAL);
      if (sent <= 0) return connection->source.OnWritable([connection] { Send(connection); });
      output.erase(0, static_cast<size_t>(sent));
    }
  }

  loop::Loop& loop_;
  test::ScratchDirectory scratch_;
  std::string path_;
  os::Fd listener_;
  loop::Source source_;
  std::map<Connection*, std::unique_ptr<Connection>> open_;
};

}  // namespace wasmoor::grpc
