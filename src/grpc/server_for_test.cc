#include "grpc/server_for_test.h"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "wasmoor/base/check.h"

namespace wasmoor::grpc {
namespace {

std::vector<nghttp2_nv> Pointers(const Fields& fields) {
  std::vector<nghttp2_nv> pointers;
  for (const auto& [name, value] : fields) {
    pointers.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                        reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                        value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return pointers;
}

}  // namespace

struct TestServer::Connection {
  ~Connection() { nghttp2_session_del(session); }
  TestServer* server = nullptr;
  os::Fd socket;
  loop::Source source;
  nghttp2_session* session = nullptr;
  std::map<int32_t, Fields> asked;
  std::map<int32_t, size_t> sent;

  std::string output;

  void Send();
  void Reply(int32_t id);
  ssize_t Body(int32_t id, uint8_t* out, size_t size, uint32_t* flags);
};

void TestServer::Connection::Reply(int32_t id) {
  server->heard.push_back(asked[id]);
  const Answer& answer = server->answer;
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
  if (answer.only_trailers) {
    Fields all = answer.headers;
    all.insert(all.end(), answer.trailers.begin(), answer.trailers.end());
    const auto fields = Pointers(all);
    nghttp2_submit_response(session, id, fields.data(), fields.size(), nullptr);
    return;
  }
  nghttp2_data_provider body = {};
  body.read_callback = [](nghttp2_session*, int32_t stream, uint8_t* out, size_t size,
                          uint32_t* flags, nghttp2_data_source*, void* data) {
    return static_cast<Connection*>(data)->Body(stream, out, size, flags);
  };
  const auto fields = Pointers(answer.headers);
  nghttp2_submit_response(session, id, fields.data(), fields.size(), &body);
}

ssize_t TestServer::Connection::Body(int32_t id, uint8_t* out, size_t size, uint32_t* flags) {
  const Answer& answer = server->answer;
  const size_t now = std::min(size, answer.body.size() - sent[id]);
  std::memcpy(out, answer.body.data() + sent[id], now);
  sent[id] += now;
  if (sent[id] < answer.body.size()) return static_cast<ssize_t>(now);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (!answer.trailers.empty()) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const auto fields = Pointers(answer.trailers);
    nghttp2_submit_trailer(session, id, fields.data(), fields.size());
  }
  return static_cast<ssize_t>(now);
}

TestServer::TestServer(loop::Loop& loop) : loop_(loop), path_(scratch_ / "server.sock") {
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

TestServer::~TestServer() = default;

void TestServer::Accept() {
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
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks,
      [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
         const uint8_t* value, size_t value_size, uint8_t, void* data) {
        static_cast<Connection*>(data)->asked[frame->hd.stream_id].emplace_back(
            std::string(name, name + name_size), std::string(value, value + value_size));
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks,
      [](nghttp2_session*, uint8_t, int32_t, const uint8_t* bytes, size_t size, void* data) {
        static_cast<Connection*>(data)->server->body.append(bytes, bytes + size);
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* data) {
        if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
          static_cast<Connection*>(data)->Reply(frame->hd.stream_id);
        return 0;
      });
  nghttp2_session_server_new(&connection->session, callbacks, connection);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, nullptr, 0);
  connection->source = std::move(*loop_.Watch(connection->socket));
  connection->source.OnReadable([this, connection] { Serve(connection); });
  open_.emplace(connection, std::move(made));
}

void TestServer::Serve(Connection* connection) {
  std::array<uint8_t, 4096> buffer;
  const ssize_t got = ::recv(connection->socket.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) {
    ++closed;
    open_.erase(connection);
    return;
  }
  nghttp2_session_mem_recv(connection->session, buffer.data(), static_cast<size_t>(got));
  connection->Send();
}

// What the socket does not take now it takes later: the client reads on the same thread.
void TestServer::Connection::Send() {
  for (;;) {
    const uint8_t* bytes = nullptr;
    if (output.empty()) {
      const ssize_t size = nghttp2_session_mem_send(session, &bytes);
      if (size <= 0) return source.OnWritable(nullptr);
      output.assign(bytes, bytes + size);
    }
    const ssize_t sent = ::send(socket.get(), output.data(), output.size(), MSG_NOSIGNAL);
    if (sent <= 0) return source.OnWritable([this] { Send(); });
    output.erase(0, static_cast<size_t>(sent));
  }
}

}  // namespace wasmoor::grpc
