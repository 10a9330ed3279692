#pragma once

#include <cstdint>
#include <memory>

#include "rpc/connection.h"
#include "ttrpc/channel.h"

namespace wasmoor::ttrpc {

// A server's side of one connection: requests as frames, answered in frames.
class Connection final : public rpc::Connection, private Channel::Handler {
 public:
  static Result<std::shared_ptr<rpc::Connection>> Open(loop::Loop& loop, os::Fd socket,
                                                       std::weak_ptr<rpc::ConnectionOwner> owner);
  using rpc::Connection::Connection;
  ~Connection() override { Close(); }

  void Close() override;
  void Freeze() override { channel_->Freeze(); }
  void Thaw() override { channel_->Thaw(); }
  Status HandOver(handover::Server::Connection* state, os::Carried* carried) const override;
  void TakeOver(const handover::Server::Connection& state) override;

 private:
  Status Send(const rpc::OpenCall& call, const rpc::Payload& payload) override;
  void Send(uint32_t stream, const Error& error) override;
  void OnFrame(const Frame& frame) override;
  void OnLost(const Error&) override { Lose(); }
  void OnRequest(const Frame& frame);
  void OnData(const Frame& frame);

  std::shared_ptr<Channel> channel_;
  uint32_t last_stream_ = 0;
};

}  // namespace wasmoor::ttrpc
