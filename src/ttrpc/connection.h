#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ttrpc/channel.h"
#include "ttrpc/expiry.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::ttrpc {

class Connection;

// One call that a server has not answered yet, held by its connection and by the reply. It is over
// when it has no connection any more.
class OpenCall {
 public:
  Connection* connection = nullptr;
  uint32_t stream = 0;
  std::string name;  // "containerd.task.v2.Task/Create"
  std::optional<Clock::time_point> deadline;
  std::function<void()> on_gone;
  std::function<void(const Error*)> over;  // Of the server's CallHook.

  // Tells the hook, once: null if it was answered well.
  void TellOver(const Error* error) {
    if (const auto tell = std::exchange(over, nullptr)) tell(error);
  }
};

// A server's side of one connection.
class Connection : public Channel::Handler, public std::enable_shared_from_this<Connection> {
 public:
  // What the server knows, as its connections need it.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual Service* Find(std::string_view name) = 0;
    // As CallHook; empty if nobody is told.
    virtual std::function<void(const Error*)> Begin(const CallInfo& info,
                                                    std::string_view payload) = 0;
    virtual void OnLost(Connection& connection) = 0;
  };

  static Result<std::shared_ptr<Connection>> Open(loop::Loop& loop, os::Fd socket,
                                                  std::weak_ptr<Owner> owner);
  Connection(loop::Loop& loop, std::weak_ptr<Owner> owner);
  ~Connection() override { Close(); }

  // Sends what was answered, hangs up, and ends all calls.
  void Close();

  void Answer(OpenCall& call, const google::protobuf::MessageLite& response);
  void Answer(OpenCall& call, std::string_view payload);
  void Answer(OpenCall& call, const Error& error);

  size_t open_calls() const { return calls_.size(); }

 private:
  void OnFrame(const Frame& frame) override;
  void OnLost(const Error& why) override;
  void OnRequest(const Frame& frame);
  void OnData(const Frame& frame);
  char* Room(OpenCall& call, size_t payload);
  void Refuse(uint32_t stream, const Error& error);
  void End(OpenCall& call, const Error* error);
  void EndAll();

  std::weak_ptr<Owner> owner_;
  std::shared_ptr<Channel> channel_;
  Expiry expiry_;
  uint32_t last_stream_ = 0;
  std::map<uint32_t, std::shared_ptr<OpenCall>> calls_;  // By stream.
};

}  // namespace wasmoor::ttrpc
