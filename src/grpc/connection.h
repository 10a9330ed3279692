#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "grpc/server_session.h"
#include "rpc/connection.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::grpc {

// A server's side of one connection: requests as streams of HTTP/2, answered on them.
class Connection final : public rpc::Connection {
 public:
  static Result<std::shared_ptr<rpc::Connection>> Open(loop::Loop& loop, os::Fd socket,
                                                       size_t most_bytes,
                                                       std::weak_ptr<rpc::ConnectionOwner> owner);
  Connection(loop::Loop& loop, os::Fd socket, size_t most_bytes,
             std::weak_ptr<rpc::ConnectionOwner> owner);
  ~Connection() override { Close(); }

  void Close() override;
  void Freeze() override;
  void Thaw() override;

 private:
  Status Send(const rpc::OpenCall& call, const rpc::Payload& payload) override;
  void Send(uint32_t stream, const Error& error) override;

  bool open() const { return socket_.valid(); }
  void OnReadable();
  void Grant(Wish wish);
  void FlushSoon();
  void Flush();
  bool Write();
  void HangUp();

  loop::Loop& loop_;
  os::Fd socket_;
  loop::Source source_;  // After the descriptor that it watches.
  ServerSession session_;
  std::string output_;
  size_t sent_ = 0;
  bool serving_ = false, flush_posted_ = false, blocked_ = false;
};

}  // namespace wasmoor::grpc
